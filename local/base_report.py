"""Prints the properties of a Lambda base image, and in what it differs from build_stages/base/contract.toml.

    python -m local.base_report IMAGE     (make base-report does it with Lambda's own base)

The status is 1 if something differs that the build or the function counts on.
"""

from __future__ import annotations

import json
import sys

from base import contract
from local.stack import emulated, first_answer, reported


def report_of(image: str) -> contract.Report:
    """Start an image and return its report. Raises StackError if it does not answer."""
    # Otherwise Python would write the bytecode that the report is about.
    options = ["--env", "PYTHONDONTWRITEBYTECODE=1", "--volume", f"{contract.HERE}:/var/task:ro"]
    with emulated(*options, image, "contract.handler") as url:
        report: contract.Report = first_answer(url, {})
        return report


def main(image: str) -> int:
    """Print the report and the differences; return the status."""
    report = report_of(image)
    print(json.dumps(report, indent=1))
    different = contract.differences(report)
    verdict = f"{image} {'differs from' if different else 'keeps to'} contract.toml"
    for line in (*(f"DIFFERENT: {line}" for line in different), verdict):
        print(f"base-report: {line}", file=sys.stderr)
    return int(bool(different))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with reported("base-report"):
        sys.exit(main(sys.argv[1]))
