"""The videos of a job in chunks: a file of what they are, and one of what a survey has found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from function.jobs.store import Store

CHUNK: Final = 250  # videos that one survey looks at


def chunk_name(chunk: int) -> str:
    return f"videos/{chunk:06d}.jsonl"


def survey_name(chunk: int) -> str:
    return f"surveys/{chunk:06d}.jsonl"


def surveys(store: Store, chunks: int) -> Iterator[tuple[float, Iterator[dict[str, Any]]]]:
    """The predicted seconds of each chunk, and its videos' lines. Raises SourceNotFound if a survey is missing."""
    for chunk in range(chunks):
        lines = store.lines(survey_name(chunk))
        yield next(lines)["seconds"], lines


def seconds_of(line: dict[str, Any]) -> float:
    """What the pieces of a video are predicted to take; 0 if it cannot be had."""
    return float(sum(piece["seconds"] for piece in line.get("pieces", ())))
