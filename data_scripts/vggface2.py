"""VGGFace2.

python data_scripts/vggface2.py --path FOLDER

`nbnet data info vggface2` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "vggface2", *sys.argv[1:]]))
