"""Whether a request fits: arithmetic before anything is allocated."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from function import errors
from function.actions import limits
from function.actions.limits import DecodeEstimate
from function.frames.pictures import Shape
from function.models.form import Reduce, Size
from function.models.formats import Format
from hwang.index import VideoIndex
from hwang.plan import make_plan

MIB = 2**20
HD, UHD = (1280, 720), (7680, 4320)


def work(
    size: tuple[int, int],
    count: int,
    written_as: Format = "npy",
    reduce: Reduce | None = None,
    fetched: int = MIB,
    **changes: Any,
) -> DecodeEstimate:
    samples: Any = np.arange(count)
    index = VideoIndex(
        sample_offset=samples * (fetched // count),
        sample_size=np.full(count, fetched // count),
        pts=samples,
        dts=samples,
        sync=np.ones(count, np.bool_),
        disposable=np.zeros(count, np.bool_),
        order=samples,
        row_pts=samples,
        width=size[0],
        height=size[1],
        time_base=(1, 25),
        duration_ticks=count,
        container="mov",
        codec="h264",
        **changes,
    )
    return DecodeEstimate(index, make_plan(index, range(count)), Shape.of(size, None, 0), written_as, reduce, 2**50)


def test_the_tutorials_job_fits_into_512_mb() -> None:
    limits.check(work(HD, 100, reduce="sum"), 512 * MIB)
    limits.check(work(HD, 132, "sheet"), 512 * MIB)
    limits.check(work(HD, 100_000), 512 * MIB)


def test_what_cannot_fit_is_refused_with_the_memory_that_would() -> None:
    too_much = work(UHD, 10, reduce="mean")
    with pytest.raises(errors.LimitExceeded) as caught:
        limits.check(too_much, 1024 * MIB)
    wanted = caught.value.detail["wanted_mb"]
    assert isinstance(wanted, int)
    assert str(wanted) in caught.value.message
    limits.check(too_much, wanted * MIB)
    limits.check(too_much, None)


def test_a_sheet_of_too_many_frames_is_refused() -> None:
    with pytest.raises(errors.LimitExceeded, match="401"):
        limits.check(work((64, 64), 401, "sheet"), None)


def test_an_inline_answer_that_is_too_large_is_refused() -> None:
    limits.check(work((64, 64), 300, "inline"), None)
    with pytest.raises(errors.LimitExceeded, match="inline"):
        limits.check(work((64, 64), 400, "inline"), None)
    limits.check(work((64, 64), 400, "inline", reduce="mean"), None)


def test_a_large_fetch_is_counted_in_temporary_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Mock(free=100 * MIB))
    limits.check(work(HD, 10, fetched=60 * MIB), None)
    limits.check(work(HD, 10, fetched=100 * MIB), None)
    limits.check(work(HD, 10, fetched=200 * MIB, byte_addressable=False), None)  # is there already
    with pytest.raises(errors.StorageFull) as caught:
        limits.check(work(HD, 10, fetched=110 * MIB), None)
    assert caught.value.detail == {"wanted": 110 * MIB, "free": 100 * MIB}


def test_batches_are_bounded_but_hold_a_frame() -> None:
    assert limits.batch_bytes(Shape.of(HD, None, 0)) == 8 * MIB
    assert limits.batch_bytes(Shape.of(UHD, None, 0)) == 7680 * 4320 * 3


def test_the_memory_limit_is_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    assert limits.function_memory() == 512 * MIB
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    assert limits.function_memory() is None


@pytest.mark.parametrize(
    ("size", "rotation", "expected"),
    [
        (None, 0, (1280, 720)),
        (None, 90, (720, 1280)),
        (None, 180, (1280, 720)),
        (Size(width=640), 0, (640, 360)),
        (Size(width=360), 90, (360, 640)),
        (Size(width=100, height=50), 270, (100, 50)),
        (Size(max_side=320), 90, (180, 320)),
    ],
)
def test_a_size_is_that_of_the_turned_frame(size: Size | None, rotation: int, expected: tuple[int, int]) -> None:
    shape = Shape.of(HD, size, rotation)
    assert (shape.width, shape.height) == expected
    assert shape.frame_bytes == expected[0] * expected[1] * 3


def test_clips_have_even_sides() -> None:
    shape = Shape.of((101, 1), None, 0).even()
    assert (shape.width, shape.height) == (100, 2)
