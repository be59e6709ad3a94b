"""Rate and duration: those of the samples that are there, whatever a header says."""

from __future__ import annotations

import numpy as np
import pytest

from hwang.timeline import credible_duration
from tests.support.boxes import Movie, fragment, fragmented, u32
from tests.unit.hwang.indexing import index_of

HONEST = u32(0, 0, 1000, 160, 0)


@pytest.mark.parametrize("stated", [1, 40, 100, 1600, 4_000_000, 0, 0xFFFF_FFFF])
def test_a_media_header_that_lies_changes_nothing(stated: int) -> None:
    movie = Movie(sync=None).build()
    assert movie.count(HONEST) == 1
    index = index_of(movie.replace(HONEST, u32(0, 0, 1000, stated, 0)))
    assert (index.fps(), index.duration()) == (25.0, 160)


@pytest.mark.parametrize(
    ("edits", "duration"),
    [
        ([], 160),
        ([(0, 160)], 160),
        ([(40, 120)], 120),
        ([(-1, 500), (0, 160)], 160),  # the delay is no part of it
        ([(0, 160), (0, 160)], 320),
        ([(0, 100_000)], 160),  # longer than the media
    ],
)
def test_an_edited_video_lasts_as_long_as_its_rows(edits: list[tuple[int, int]], duration: int) -> None:
    index = index_of(Movie(sync=None, edits=edits).build())
    assert (index.fps(), index.duration()) == (25.0, duration)


def test_a_last_frame_lasts_as_long_as_its_sample() -> None:
    index = index_of(Movie(sync=None, deltas=[(3, 40), (1, 1000)]).build())
    assert index.duration() == 1120


def test_fragments_that_begin_late_last_as_long_as_they_are() -> None:
    start = 3_600_000  # an hour of a recording that goes on
    index = index_of(fragmented(fragment((10,) * 4, time=start), fragment((10,) * 4, time=start + 160)))
    assert (len(index), index.fps(), index.duration()) == (8, 25.0, 320)


@pytest.mark.parametrize(
    ("stated", "row_pts", "duration"),
    [
        (1600, [0, 33, 67, 100], 133),  # four times too long
        (134, [0, 33, 67, 100], 134),  # to a frame, a header counts more finely than rounded times
        (7, [0, 33, 67, 100], 133),
        (0, [0, 40], 80),
        (500, [7], 500),
        (500, [], 500),
        (0, [5, 5, 5], 0),
        (1 << 62, [-(1 << 62), 1 << 62], 1 << 64),
    ],
)
def test_a_container_is_believed_to_a_frame(stated: int, row_pts: list[int], duration: int) -> None:
    assert credible_duration(stated, np.array(row_pts, np.int64)) == duration
