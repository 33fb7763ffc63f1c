"""CMU Multi-PIE.

python data_scripts/multi_pie.py --path Multi-Pie/data

`nbnet data info multi-pie` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "multi-pie", *sys.argv[1:]]))
