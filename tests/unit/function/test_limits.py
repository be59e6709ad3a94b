"""Whether a request fits: arithmetic before anything is allocated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args
from unittest.mock import Mock

import pytest

from function import errors
from function.actions import limits
from function.actions.limits import DecodeEstimate
from function.frames.pictures import Shape
from function.frames.sheet import layout
from function.models.form import Reduce, Size, Treatment
from function.models.formats import FORMATS, Format
from function.models.result import MAX_ANSWER_BYTES
from hwang.plan import make_plan
from hwang.ranges import FETCH_MEMORY_BYTES
from tests.unit.function.fakedecoder import index_of

MIB = 2**20
HD, UHD = (1280, 720), (7680, 4320)
HD_FRAME, UHD_FRAME = 1280 * 720 * 3, 7680 * 4320 * 3


def work(
    size: tuple[int, int],
    count: int,
    written_as: Format = "npy",
    reduce: Reduce | None = None,
    fetched: int = MIB,
    rotation: int = 0,
    smaller: Size | None = None,
    source: int = 2**50,
    apply: str | None = None,
    batch: int | None = None,
    **changes: Any,
) -> DecodeEstimate:
    index = index_of(count, size, gop=1, sample_bytes=fetched // count, rotation=rotation, **changes)
    form = {"reduce": reduce, "apply": apply, "batch": batch, "size": smaller, "rotate": True}
    treatment = Treatment.model_validate({"frames": "all", **form})
    return DecodeEstimate.of(index, make_plan(index, range(count)), written_as, treatment, source)


def memory(*arguments: Any, **more: Any) -> int:
    return work(*arguments, **more).memory_bytes


def test_the_tutorials_job_fits_into_512_mb() -> None:
    limits.check(work(HD, 100, reduce="sum"), 512 * MIB)
    limits.check(work(HD, 132, "sheet"), 512 * MIB)
    limits.check(work(HD, 100_000), 512 * MIB)


@pytest.mark.parametrize(
    ("name", "arguments", "megabytes"),
    [
        ("the sum of a hundred frames", (HD, 100, "npy", "sum"), 192),
        ("an array of a hundred frames", (HD, 100, "npy"), 256),
        ("a picture of a hundred frames", (HD, 100, "jpeg"), 192),
        ("a clip of a hundred frames", (HD, 100, "mp4"), 256),
        ("a sheet of a hundred frames", (HD, 100, "sheet"), 256),
        ("the mean of a few large frames", (UHD, 10, "npy", "mean"), 3392),
        ("a few large pictures", (UHD, 10, "png"), 2048),
    ],
)
def test_the_memory_that_suffices(name: str, arguments: Any, megabytes: int) -> None:
    assert (name, work(*arguments).memory_mb) == (name, megabytes)


def test_a_process_at_rest_and_its_decoders_are_counted_whatever_is_asked_for() -> None:
    tiny = memory((2, 2), 1, "npy", "sum", fetched=0)
    assert tiny == 96 * MIB + 2 * 2 * 48 + 2 * 4 * MIB + 2 * (128 + 8)
    larger = memory((1002, 1002), 1, "npy", "sum", fetched=0)
    assert larger - tiny == (1002 * 1002 - 2 * 2) * 48  # two decoders of sixteen frames in 4:2:0


@pytest.mark.parametrize(("size", "batch"), [(HD, 8 * MIB), (UHD, UHD_FRAME)])
@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_frames_are_a_batch_more(size: tuple[int, int], batch: int, rotation: int) -> None:
    assert memory(size, 10, rotation=rotation) - memory(size, 10) == batch


def test_a_tone_takes_its_tables_and_blocks_if_the_video_is_of_hdr_or_may_be() -> None:
    def toned(**changes: Any) -> int:
        estimate = work(HD, 10, "png", **changes)
        settled = estimate.treatment.settled("png")
        return replace(estimate, treatment=settled).memory_bytes - estimate.memory_bytes

    assert toned(color=(9, 16, 9, 1)) == toned(color=(9, 18, 9, 1)) == 20 * MIB
    assert toned(codec="hevc") == 20 * MIB
    assert toned(color=(1, 1, 1, 1), codec="hevc") == toned(codec="h264") == 0


def test_the_next_batch_is_decoded_while_one_is_in_use() -> None:
    small = Size(width=7680 // 8)
    assert memory(UHD, 10, "npy", "sum") - memory(UHD, 10, "npy", "sum", smaller=small) == 2 * (UHD_FRAME - 4 * MIB)


@pytest.mark.parametrize(("fetched", "counted"), [(0, 0), (MIB, MIB), (95 * MIB, 95 * MIB), (1024 * MIB, 96 * MIB)])
def test_what_is_fetched_ahead_is_counted_up_to_the_window(fetched: int, counted: int) -> None:
    assert memory(HD, 1, fetched=fetched) - memory(HD, 1, fetched=0) == counted


def test_no_more_is_fetched_than_the_video_has_and_nothing_of_one_that_is_here() -> None:
    assert work(HD, 10, fetched=10 * MIB).fetched_bytes == 10 * MIB // 10 * 10
    assert work(HD, 10, fetched=10 * MIB, source=MIB).fetched_bytes == MIB
    assert work(HD, 10, fetched=10 * MIB, byte_addressable=False).fetched_bytes == 0


HELD = {"sum": 0, "sum_frames": 16, "mean": 16, "min": 1, "max": 1}  # bytes for each byte of a frame
WIDTHS = {"sum_frames": 8, "mean": 8, "min": 1, "max": 1}


@pytest.mark.parametrize("reduce", get_args(Reduce))
def test_a_reduction_holds_its_total_and_the_part_that_is_written(reduce: Reduce) -> None:
    estimate = work(HD, 10, reduce=reduce)
    size = 128 + (8 if reduce == "sum" else HD_FRAME * WIDTHS[reduce])
    assert estimate.output_bytes == size
    nothing = memory(HD, 10, "png") - 2 * HD_FRAME - 2 * 4 * MIB  # encoded, in larger batches
    assert estimate.memory_bytes - nothing == HELD[reduce] * HD_FRAME + 2 * min(size, 32 * MIB)
    assert memory(HD, 10, "inline", reduce) - nothing == HELD[reduce] * HD_FRAME + 4 * size


@pytest.mark.parametrize(
    ("written_as", "held"),
    [
        ("npy", 2 * 32 * MIB),
        ("npz", 2 * 32 * MIB),
        ("jsonl", 0),
        ("tar", 2 * HD_FRAME + 4 * 48 * MIB),
        ("jpeg", 2 * HD_FRAME),
        ("png", 2 * HD_FRAME),
        ("webp", 2 * HD_FRAME),
        ("tiff", 2 * HD_FRAME),
        ("mp4", 1280 * 720 * 90),
        ("inline", 4 * (128 + 50 * HD_FRAME)),
        ("sheet", 3 * 3 * layout(50, *HD).width_px * layout(50, *HD).height_px),
    ],
)
def test_what_a_format_holds_beside_the_frames(written_as: Format, held: int) -> None:
    assert memory(HD, 50, written_as) - (memory(HD, 50, "png") - 2 * HD_FRAME) == held


def test_every_format_has_its_memory_pinned_above() -> None:
    marks: Any = test_what_a_format_holds_beside_the_frames
    assert {name for name, _ in marks.pytestmark[0].args[1]} == set(FORMATS)


def test_a_small_array_is_held_in_two_copies_of_itself() -> None:
    nothing = memory((64, 64), 10, "png") - 2 * 64 * 64 * 3
    assert memory((64, 64), 10) - nothing == 2 * (128 + 10 * 64 * 64 * 3)


def test_a_sheet_of_too_many_frames_is_counted_as_one_that_is_full() -> None:
    assert memory(HD, 401, "sheet", fetched=0) == memory(HD, 400, "sheet", fetched=0)


@pytest.mark.parametrize("written_as", ["npy", "npz", "inline"])
def test_the_size_of_raw_frames_is_known(written_as: Format) -> None:
    assert work((64, 32), 10, written_as).output_bytes == 128 + 10 * 64 * 32 * 3


@pytest.mark.parametrize("written_as", ["jpeg", "png", "webp", "tiff", "sheet", "mp4"])
def test_the_size_of_what_is_compressed_is_not(written_as: Format) -> None:
    assert work((64, 32), 10, written_as).output_bytes is None


def test_what_cannot_fit_is_refused_with_the_memory_that_would() -> None:
    too_much = work(UHD, 10, reduce="mean")
    with pytest.raises(errors.LimitExceeded) as caught:
        limits.check(too_much, 1024 * MIB + 5)
    assert caught.value.detail == {"limit": "memory", "wanted_mb": 3392, "memory_mb": 1024}
    for said in ("3392 MB", "1024 MB", "7680x4320"):
        assert said in caught.value.message
    limits.check(too_much, 3392 * MIB)
    limits.check(too_much, None)


@pytest.mark.parametrize(("needed", "enough"), [(128 * MIB, 128), (128 * MIB + 1, 192), (192 * MIB - 1, 192)])
def test_the_memory_that_suffices_is_rounded_up(needed: int, enough: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DecodeEstimate, "memory_bytes", needed)
    assert work(HD, 1).memory_mb == enough


def test_memory_may_be_used_to_the_last_byte() -> None:
    estimate = work(HD, 10)
    limits.check_memory(estimate, estimate.memory_bytes)
    with pytest.raises(errors.LimitExceeded):
        limits.check_memory(estimate, estimate.memory_bytes - 1)


def test_a_sheet_of_too_many_frames_is_refused() -> None:
    for count in (1, 399, 400):
        limits.check(work((64, 64), count, "sheet"), None)
    with pytest.raises(errors.LimitExceeded) as caught:
        limits.check(work((64, 64), 401, "sheet"), None)
    assert caught.value.message == 'frames: a sheet shows at most 400 frames, not 401; use {"count": n}'
    assert caught.value.detail == {"limit": "frames", "wanted": 401, "maximum": 400}
    limits.check(work((64, 64), 401, "npy"), None)


def test_an_inline_answer_that_is_too_large_is_refused() -> None:
    limits.check(work((64, 64), 300, "inline"), None)
    with pytest.raises(errors.LimitExceeded, match="inline") as caught:
        limits.check(work((64, 64), 400, "inline"), None)
    answer = (128 + 400 * 64 * 64 * 3) * 4 // 3  # in base64
    assert caught.value.detail == {"limit": "answer", "wanted": answer, "maximum": MAX_ANSWER_BYTES}
    limits.check(work((64, 64), 400, "inline", reduce="mean"), None)
    limits.check(work((64, 64), 400, "npy"), None)


def test_an_inline_answer_may_be_as_large_as_lambda_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = (128 + 3 * 16 * 16 * 3) * 4 // 3
    monkeypatch.setattr(limits, "MAX_ANSWER_BYTES", answer)
    limits.check(work((16, 16), 3, "inline"), None)
    monkeypatch.setattr(limits, "MAX_ANSWER_BYTES", answer - 1)
    with pytest.raises(errors.LimitExceeded):
        limits.check(work((16, 16), 3, "inline"), None)


def test_a_large_fetch_is_counted_in_temporary_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Mock(free=100 * MIB))
    limits.check(work(HD, 10, fetched=60 * MIB), None)
    limits.check(work(HD, 10, fetched=100 * MIB), None)
    limits.check(work(HD, 10, fetched=200 * MIB, byte_addressable=False), None)  # is there already
    with pytest.raises(errors.StorageFull) as caught:
        limits.check(work(HD, 10, fetched=110 * MIB), None)
    assert caught.value.detail == {"wanted": 110 * MIB, "free": 100 * MIB}
    assert str(110 * MIB) in caught.value.message


def test_a_fetch_that_is_held_in_memory_needs_no_temporary_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Mock(free=MIB))
    for fetched in (FETCH_MEMORY_BYTES, FETCH_MEMORY_BYTES - MIB // 2):
        limits.check(work(HD, 1, fetched=fetched), None)
    with pytest.raises(errors.StorageFull):
        limits.check(work(HD, 1, fetched=FETCH_MEMORY_BYTES + 1), None)


def test_batches_are_bounded_but_hold_a_frame() -> None:
    hd, uhd = Shape.of(HD, None, 0), Shape.of(UHD, None, 0)
    assert limits.batch_bytes(hd, work(HD, 1).treatment) == 8 * MIB
    assert limits.batch_bytes(hd, work(HD, 1, reduce="sum").treatment) == 4 * MIB
    assert limits.batch_bytes(uhd, work(UHD, 1).treatment) == UHD_FRAME


def test_the_memory_limit_is_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512")
    assert limits.function_memory() == 512 * MIB
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "much")
    assert limits.function_memory() is None
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


def test_own_code_has_its_frames_a_copy_of_them_and_what_it_declares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what any array needs: a batch put together, as much for the code itself, the results, the model."""
    plain = memory(HD, 100, "npy") - 2 * 32 * MIB
    most = 8 * MIB
    assert memory(HD, 100, "npy", apply="embed") - plain == 2 * most + 32 * MIB
    assert memory(HD, 100, "npy", apply="embed", batch=64) - plain == 4 * 64 * HD_FRAME - 2 * most + 32 * MIB
    monkeypatch.setenv("HWANG_APPLY_MB", "300")
    assert memory(HD, 100, "npy", apply="embed") - plain == 2 * most + 332 * MIB
    assert memory(HD, 100, "npy") - 2 * 32 * MIB == plain
