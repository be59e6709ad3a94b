"""Which frames a user means: `0,100,5000`, `0:1000:10`, `all`, `keyframes`, `1.5s`."""

from __future__ import annotations

import re
from argparse import Namespace

import numpy as np
from numpy.typing import NDArray

from hwang.cli.exits import UsageError
from hwang.errors import LimitExceededError
from hwang.index import MAX_SAMPLES, VideoIndex
from hwang.rows import Keyframes, RowList, RowRange, Selection, Times, resolve

__all__ = ["ROWS_HELP", "parse_rows", "requested_rows"]

ROWS_HELP = """\
ROWS is a list of any of these, with commas between them; order and duplicates are kept:
  7            a row: rows are frames in the order in which they are shown, from 0
  0:1000:10    rows 0, 10, ... 990: START:STOP[:STEP], STOP is not among them; each may be left out
  1.5s         the frame on display at that time
  keyframes    rows that decoding can start at
  all          every row
"""


_NUMBER = re.compile(r"\d+", re.ASCII)
_SPAN = re.compile(r"(\d*):(\d*)(?::(\d*))?", re.ASCII)
_MOMENT = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))s", re.ASCII)


def parse_rows(text: str) -> tuple[Selection, ...]:
    """Raises ValueError, saying what was not understood."""
    return tuple(_parse_item(item.strip()) for item in text.split(","))


def _parse_item(item: str) -> Selection:
    if item == "all":
        return RowRange(0, None, 1)
    if item == "keyframes":
        return Keyframes()
    if _NUMBER.fullmatch(item):
        return RowList((int(item),))
    if match := _MOMENT.fullmatch(item):
        return Times((float(match[1]),))
    if match := _SPAN.fullmatch(item):
        start, stop, step = match.groups()
        rows = RowRange(int(start or 0), int(stop) if stop else None, int(step or 1))
        if rows.step == 0 or (rows.stop is not None and rows.stop <= rows.start):
            raise ValueError(f"'{item}' selects no rows")
        return rows
    hint = "rows do not count from the end" if item.startswith("-") else "rows are like 7, 0:1000:10, 1.5s, keyframes"
    raise ValueError(f"'{item}' is no row; {hint}")


def requested_rows(arguments: Namespace, index: VideoIndex) -> NDArray[np.int64]:
    """int64 [n], n > 0, of ROWS or --every. Raises UsageError, FrameIndexError outside the video."""
    if (arguments.rows is None) == (arguments.every is None):
        raise UsageError("which rows? Give either ROWS, such as 0,100,5000 or all, or --every SECONDS")
    selections: tuple[Selection, ...] = arguments.rows or (arguments.every,)
    try:
        return np.concatenate([resolve(selection, index, MAX_SAMPLES) for selection in selections])
    except LimitExceededError as error:
        raise UsageError(f"{error}; take a longer interval") from None
