"""docs/robustness.md names each code that the tests name, and the test files where it is tested."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CODE: Final = re.compile(r"(?<![\w.+-])([EFSMOR][0-9]{1,2})(?!\w)")
ROW: Final = re.compile(r"^\| ([EFSMOR][0-9]{1,2}) \| .+ \| .+ \| ([\w, ]+) \|$", re.MULTILINE)
SERIES: Final = re.compile(r"\b([EFSMOR])([0-9]{1,2})(?: to \1([0-9]{1,2}))?(?=[ ,].*docs/robustness\.md)")
SERVICE: Final = "S3"  # a code as well, which only the first lines of a file state


def documented() -> dict[str, set[str]]:
    rows = ROW.findall((ROOT / "docs/robustness.md").read_text())
    return {code: {f"{name}.py" for name in files.split(", ")} for code, files in rows}


def covered() -> dict[str, set[str]]:
    """Codes in the ids and docstrings of each file, and the series that its first lines state."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests/cloud").glob("test_*.py"):
        text = path.read_text()
        codes = set(CODE.findall(text)) - {SERVICE}
        for letter, first, last in SERIES.findall(text):
            codes |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}
        for code in codes:
            found[code].add(path.name)
    return found


def test_every_code_is_documented_where_it_is_tested() -> None:
    assert len(documented()) >= 79
    assert documented() == covered()
