"""Color FERET.

python data_scripts/color_feret.py --path colorferet

`nbnet data info color-feret` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "color-feret", *sys.argv[1:]]))
