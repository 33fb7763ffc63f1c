"""``python -m nbnet_lib.cli`` is ``nbnet``."""

import sys

from nbnet_lib.cli import main

if __name__ == "__main__":
    sys.exit(main())
