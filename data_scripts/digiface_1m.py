"""DigiFace-1M, people who do not exist, rendered by Microsoft.

python data_scripts/digiface_1m.py --out data/digiface --accept-licence

`nbnet data info digiface-1m` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "digiface-1m", *sys.argv[1:]]))
