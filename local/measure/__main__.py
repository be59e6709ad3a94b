"""Measures, prints each number as it is found, and writes docs/numbers.json and docs/numbers.md.

python -m local.measure [build] [image] [function] [deploy] [jobs] [suites]     (make measure builds the images first)

The named parts, or all but `build`, replace their earlier numbers, unless one exceeds its limit: exit status 1.
"""

from __future__ import annotations

import sys

from local.measure import build, deploy, function, image, jobs, page, suites
from local.stack import reported

PARTS = {"image": image, "function": function, "jobs": jobs, "deploy": deploy, "build": build, "suites": suites}


def main(names: list[str]) -> int:
    """Measure these parts. Returns the exit status."""
    exceeded = []
    for name in names or [part for part in PARTS if part != "build"]:
        numbers = []
        for number in PARTS[name].measure():
            numbers.append(number)
            print(page.line(number) + (" EXCEEDED" if number.exceeds else ""), flush=True)
        if any(number.exceeds for number in numbers):
            exceeded.append(name)
        else:
            page.write(page.replaced(page.load(), name, numbers))
    if exceeded:
        print(f"not written: {', '.join(exceeded)}", file=sys.stderr)
    return int(bool(exceeded))


if __name__ == "__main__":
    if not PARTS.keys() >= {*sys.argv[1:]}:
        sys.exit(__doc__)
    with reported("measure"):
        sys.exit(main(sys.argv[1:]))
