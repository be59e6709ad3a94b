"""Measures what the README states, a line each as it is found.

python -m local.measure [image] [function] [deploy] [jobs]     (make measure builds the images first)
"""

from __future__ import annotations

import sys

from local.measure import deploy, function, image, jobs
from local.stack import reported

MEASURED = {"image": image.measure, "function": function.measure, "deploy": deploy.measure, "jobs": jobs.measure}


def main(names: list[str]) -> None:
    """Prints the lines of these parts, or of all."""
    for name in names or MEASURED:
        for what, limit, measured in MEASURED[name]():
            print(f"{what}: {measured}" + (f" (limit {limit})" if limit else ""), flush=True)


if __name__ == "__main__":
    if not MEASURED.keys() >= {*sys.argv[1:]}:
        sys.exit(__doc__)
    with reported("measure"):
        main(sys.argv[1:])
