"""Face Recognition Grand Challenge, version 2.0.

python data_scripts/frgc.py --path FRGC-2.0-dist

`nbnet data info frgc` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "frgc", *sys.argv[1:]]))
