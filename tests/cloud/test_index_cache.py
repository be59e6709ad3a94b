"""Indexes that are kept: the next request reads no header, and an index that does not fit is not believed."""

from __future__ import annotations

import io
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from hwang.isobmff.file import read_index
from hwang.sources import open_source
from local import clip as real_clip
from tests.cloud.asked import CLIP_URI, OK, Asked, Put, frames_in
from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, VIDEOS
from tests.support.boxes import Movie
from tests.support.faults.client import Faults
from tests.support.patch import body

CACHE = "index-cache/"
KEPT = pytest.mark.limits(environment={"HWANG_INDEX_CACHE": f"s3://{RESULTS}/{CACHE}"})
BESIDE = pytest.mark.limits(environment={"HWANG_INDEX_CACHE": "beside"})
HEAD_BYTES = 65536  # are read of any video


@pytest.fixture
def asked(function: Function, put: Put, after: Postconditions, prefix: str) -> Iterator[Asked]:
    yield Asked(function, after, prefix, put)
    for key in function.keys(CACHE):
        function.stack.s3.delete_object(Bucket=RESULTS, Key=key)


def header_of(data: bytes) -> range:
    """Where moov is; behind what is read of any video, in these tests."""
    place = body(data, b"moov")
    assert place.start > HEAD_BYTES
    return range(place.start - 8, place.stop)


def read_of(header: range, faults: Faults, video: str) -> int:
    """How many requests asked for bytes of the video's header."""
    count = 0
    for entry in faults.log("GET"):
        if urllib.parse.unquote(entry.path) != f"/{video.removeprefix('s3://')}":
            continue
        first, last = map(int, entry.range.removeprefix("bytes=").split("-"))
        count += first < header.stop and last >= header.start
    return count


def kept(asked: Asked, name: str) -> list[str]:
    """The indexes of this video; those of others are there too."""
    return [key for key in asked.function.keys(f"{CACHE}{VIDEOS}/") if name in key]


def behind_the_head(asked: Asked) -> bytes:
    """A clip whose header comes late: 40 frames behind a stretch of free space."""
    data = asked.clip("h264-closed-gop").read_bytes()
    at = body(data, b"moov").start - 8
    free = (70_000).to_bytes(4, "big") + b"free" + bytes(70_000 - 8)
    return data[:at] + free + data[at:]


@KEPT
def test_with_a_kept_index_no_header_is_read(asked: Asked, faults: Faults) -> None:
    """Of the real clip, whose header stands behind its frames."""
    header = header_of(real_clip.fetch().read_bytes())
    counts, sums = [], []
    for _ in range(3):
        faults.clear()
        answer = asked.frames(CLIP_URI, [130], reduce="sum", output=f"{asked.output}x.npy")
        assert answer.code == OK, answer.value
        counts.append(read_of(header, faults, CLIP_URI))
        sums.append(answer.value["reduced"])
    assert counts == [1, 0, 0]
    assert len(set(sums)) == 1
    [key] = kept(asked, "clip.mp4")
    assert key.startswith(f"{CACHE}{VIDEOS}/clip.mp4.")
    asked.after.succeeded(answer)


@KEPT
def test_the_index_action_keeps_it_for_decodes(asked: Asked, faults: Faults) -> None:
    data = behind_the_head(asked)
    video = asked.video(data)
    answer = asked.function.invoke({"action": "index", "video": video})
    assert answer.code == OK, answer.value
    faults.clear()
    got = frames_in(asked.frames(video, [3, 39]))
    assert read_of(header_of(data), faults, video) == 0
    np.testing.assert_array_equal(got, asked.truth("h264-closed-gop")[[3, 39]])
    asked.hold(answer)


@KEPT
def test_a_container_that_has_to_be_read_whole_is_read_in_ranges_with_an_index(asked: Asked) -> None:
    video = asked.video(asked.clip("h264-matroska").read_bytes(), "video.mkv")
    reads = []
    for _ in range(2):
        answer = asked.frames(video, [39], output=f"{asked.output}x.npy")
        assert answer.code == OK, answer.value
        np.testing.assert_array_equal(
            asked.function.stored_array(f"{asked.output}x.npy"), asked.truth("h264-matroska")[[39]]
        )
        reads.append(answer.value["counters"]["requests"])
    assert reads[1] <= reads[0]
    asked.after.succeeded(answer, touched=asked.touched)


@BESIDE
def test_an_index_is_kept_beside_its_video(asked: Asked, faults: Faults) -> None:
    s3, data, key = asked.function.stack.s3, behind_the_head(asked), f"{asked.prefix}video.mp4"
    s3.put_object(Bucket=RESULTS, Key=key, Body=data)
    video = f"s3://{RESULTS}/{key}"
    counts = []
    for _ in range(2):
        faults.clear()
        answer = asked.frames(video, [39], output=f"{asked.output}x.npy")
        assert answer.code == OK, answer.value
        counts.append(read_of(header_of(data), faults, video))
    assert counts == [1, 0]
    indexes = [name for name in asked.function.keys(asked.prefix) if name.endswith(".hwang")]
    assert [name.startswith(f"{key}.") for name in indexes] == [True]
    np.testing.assert_array_equal(
        asked.function.stored_array(f"{asked.output}x.npy"), asked.truth("h264-closed-gop")[[39]]
    )
    asked.hold(answer)


@BESIDE
def test_an_index_that_may_not_be_written_costs_the_request_nothing(asked: Asked) -> None:
    """The function may only read where the videos are."""
    answer = asked.frames(asked.video(behind_the_head(asked)), [39], output=f"{asked.output}x.npy")
    asked.after.succeeded(answer, touched=asked.touched)


@KEPT
def test_a_video_that_is_replaced_is_indexed_anew(asked: Asked) -> None:
    for clip in ("h264-closed-gop", "h264-open-gop", "h264-matroska", "h264-closed-gop"):
        video = asked.video(asked.clip(clip).read_bytes())
        for _ in range(2):
            asked.frames(video, [0], output=f"{asked.output}x.npy")
            answer = asked.frames(video, [3, 39])
            np.testing.assert_array_equal(frames_in(answer), asked.truth(clip)[[3, 39]], err_msg=clip)
    assert len(kept(asked, asked.prefix)) == 3, "one for each version"
    asked.hold(answer)


@dataclass(frozen=True)
class Wrong:
    """An index that is there in place of the right one; `believed` where nothing can show that it is wrong."""

    make: Callable[[bytes, Asked], bytes]
    believed: bool = False


def other_index(_: bytes, asked: Asked) -> bytes:
    index = read_index(open_source(asked.clip("h264-open-gop").read_bytes()))
    assert index
    return index.serialize()


def of_a_longer_video(_: bytes, asked: Asked) -> bytes:  # noqa: ARG001
    index = read_index(open_source(Movie(sizes=(1 << 20,) * 4).build()))
    assert index
    return index.serialize()


WRONG = {
    "empty": Wrong(lambda _, asked: b""),  # noqa: ARG005
    "text": Wrong(lambda _, asked: b"no index\n" * 100),  # noqa: ARG005
    "cut": Wrong(lambda right, asked: right[: len(right) // 2]),  # noqa: ARG005
    "cut-early": Wrong(lambda right, asked: right[:3]),  # noqa: ARG005
    "noise": Wrong(lambda right, asked: np.random.default_rng(1).bytes(len(right))),  # noqa: ARG005
    "with-more": Wrong(lambda right, asked: right + bytes(1000)),  # noqa: ARG005
    "npy": Wrong(lambda _, asked: _npy(asked.truth())),
    "longer-video": Wrong(of_a_longer_video),
    "other-video": Wrong(other_index, believed=True),
}


def _npy(array: np.typing.NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    np.save(data, array)
    return data.getvalue()


def check_exact_or_named(asked: Asked, answer: Answer, wrong: Wrong) -> None:
    if wrong.believed and answer.code != OK:
        assert answer.code in ("FrameCorrupt", "CorruptMedia"), answer.value
    else:
        np.testing.assert_array_equal(frames_in(answer), asked.truth("h264-closed-gop")[[3, 39]])


@KEPT
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_a_kept_index_that_does_not_fit_is_not_believed(wrong: Wrong, asked: Asked) -> None:
    """The frames are exact, or named where it could be the right one."""
    video = asked.video(behind_the_head(asked))
    assert asked.function.invoke({"action": "index", "video": video}).code == OK
    [key] = kept(asked, asked.prefix)
    right = asked.function.stored(f"s3://{RESULTS}/{key}")
    asked.function.stack.s3.put_object(Bucket=RESULTS, Key=key, Body=wrong.make(right, asked))
    answer = asked.frames(video, [3, 39])
    check_exact_or_named(asked, answer, wrong)
    asked.hold(answer)
