"""Runs `python -m function.jobs` under its former name."""

from __future__ import annotations

import sys

from function.jobs.__main__ import main

if __name__ == "__main__":
    print("python -m function.map is now python -m function.jobs", file=sys.stderr)
    sys.exit(main())
