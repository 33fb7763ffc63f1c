"""CelebFaces Attributes (CelebA).

python data_scripts/celeba.py --path DOWNLOADS --out data/celeba

`nbnet data info celeba` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "celeba", *sys.argv[1:]]))
