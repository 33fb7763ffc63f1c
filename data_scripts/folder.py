"""Any folder of your own with one folder for each person.

python data_scripts/folder.py --path FOLDER

`nbnet data info folder` shows licence, source and layout (nbnet_lib/data/benchmarks.yaml).
"""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main(["data", "get", "folder", *sys.argv[1:]]))
