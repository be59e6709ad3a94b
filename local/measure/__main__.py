"""Measures, prints each number as it is found, and writes docs/numbers.json and docs/numbers.md.

python -m local.measure [build] [image] [function] [deploy] [jobs]     (make measure builds the images first)

The named parts, or all but `build`, replace their earlier numbers. One that exceeds its limit is marked: exit status 1.
"""

from __future__ import annotations

import sys

from local.measure import build, deploy, function, image, jobs, page
from local.stack import reported

PARTS = {"image": image, "function": function, "jobs": jobs, "deploy": deploy, "build": build}


def main(names: list[str]) -> int:
    """Measure these parts. Returns the exit status."""
    exceeded = []
    for name in names or [part for part in PARTS if part != "build"]:
        numbers = []
        for number in PARTS[name].measure():
            numbers.append(number)
            print(page.line(number), flush=True)
        page.write(page.replaced(page.load(), name, numbers))
        exceeded += [number.what for number in numbers if number.exceeds]
    if exceeded:
        print(f"over the limit: {'; '.join(exceeded)}", file=sys.stderr)
    return int(bool(exceeded))


if __name__ == "__main__":
    if not PARTS.keys() >= {*sys.argv[1:]}:
        sys.exit(__doc__)
    with reported("measure"):
        sys.exit(main(sys.argv[1:]))
