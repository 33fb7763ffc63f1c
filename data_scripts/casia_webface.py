"""CASIA-WebFace.

python data_scripts/casia_webface.py --path FOLDER

`nbnet data info casia-webface` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "casia-webface", *sys.argv[1:]]))
