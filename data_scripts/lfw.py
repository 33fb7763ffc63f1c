"""Labeled Faces in the Wild.

python data_scripts/lfw.py --out data/lfw        the same as `nbnet data get lfw --out data/lfw`

`nbnet data info lfw` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "lfw", *sys.argv[1:]]))
