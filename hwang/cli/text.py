"""Numbers and tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def size(count: int) -> str:
    """Bytes with three digits: 999 B, 1.23 MB. Powers of ten."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
    return f"{amount / 1000:.3g} TB"


def row_list(rows: Sequence[int], most: int = 6) -> str:
    """Ascending rows in short, at most `most` stretches of them: 0, 5-9, 100."""
    starts = [0, *(place + 1 for place, (a, b) in enumerate(pairwise(rows)) if b != a + 1), len(rows)]
    parts = [(rows[a], rows[b - 1]) for a, b in pairwise(starts)] if rows else []
    named = [f"{first}" if first == last else f"{first}-{last}" for first, last in parts[:most]]
    return ", ".join(named + (["..."] if len(parts) > most else []))


def aligned(table: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Columns as wide as they need to be; those numbered in `right` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    )
