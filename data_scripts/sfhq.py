"""Synthetic Faces High Quality (SFHQ): one picture each of people who do not exist.

python data_scripts/sfhq.py --path FOLDER

`nbnet data info sfhq` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "sfhq", *sys.argv[1:]]))
