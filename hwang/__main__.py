"""python -m hwang"""

import sys

from hwang.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
