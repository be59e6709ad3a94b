"""Indexing bytes, for tests."""

from __future__ import annotations

from hwang.index import VideoIndex
from hwang.isobmff.file import read_index
from hwang.sources import open_source


def index_of(data: bytes, track: int | None = None) -> VideoIndex:
    index = read_index(open_source(data), track)
    assert index is not None
    return index
