"""python -m hwang"""

import signal
import sys

from hwang.cli.main import main

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # unwinds, so that no partial file is left
    sys.exit(main())
