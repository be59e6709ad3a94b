"""The slowest tests of the last runs, as the table of CONTRIBUTING.md: python -m tests.support.slowest FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

COUNT = 20


def main(folder: Path) -> None:
    """Prints the table from the JUnit files in the folder."""
    cases = [
        (float(case.attrib["time"]), case.attrib["classname"].replace(".", "/"), case.attrib["name"])
        for file in folder.glob("*.xml")
        for case in ElementTree.parse(file).iter("testcase")  # noqa: S314 - pytest's own
    ]
    print("| seconds | test |", "| ---: | --- |", sep="\n")
    for seconds, module, name in sorted(cases, reverse=True)[:COUNT]:
        print(f"| {seconds:.0f} | `{module}.py::{name}` |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
