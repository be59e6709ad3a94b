"""Sources give exactly the bytes asked for, or say why not."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from hwang.errors import CorruptFrameError, CorruptMediaError, HwangError, SourceError
from hwang.sources import open_source
from hwang.sources.local import CountingSource, FileSource, VideoInput
from tests.support.processes import there_and_back

DATA = bytes(range(256)) * 40


@pytest.fixture(params=["path", "string", "bytes", "view", "file", "buffer"])
def video(request: pytest.FixtureRequest, tmp_path: Path) -> VideoInput:
    path = tmp_path / "video.bin"
    path.write_bytes(DATA)
    kinds: dict[str, VideoInput] = {
        "path": path,
        "string": str(path),
        "bytes": DATA,
        "view": memoryview(DATA),
        "file": io.BytesIO(DATA),
        "buffer": bytearray(DATA),
    }
    return kinds[request.param]


def test_every_kind_of_source_reads_ranges_in_the_order_asked(video: VideoInput) -> None:
    source = open_source(video)
    assert source.size == len(DATA)
    assert source.read_ranges([(300, 4), (0, 2), (len(DATA), 0)]) == [DATA[300:304], DATA[:2], b""]


@pytest.mark.parametrize("wanted", [(len(DATA) - 1, 2), (-1, 2), (0, -1), (1 << 62, 1)])
def test_range_outside_the_source_is_a_source_error(video: VideoInput, wanted: tuple[int, int]) -> None:
    with pytest.raises(SourceError, match="truncated"):
        open_source(video).read_ranges([wanted])


def test_file_that_shrinks_is_a_source_error(tmp_path: Path) -> None:
    path = tmp_path / "video.bin"
    path.write_bytes(DATA)
    with closing(FileSource(path)) as source:
        os.truncate(path, 10)
        with pytest.raises(SourceError, match="10 of 20 bytes"):
            source.read_ranges([(0, 20)])


def test_file_source_closes_its_descriptor_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "video.bin"
    path.write_bytes(DATA)
    with closing(FileSource(path)) as source:
        descriptor = source.fileno()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read_ranges([(0, 1)])


def test_file_object_of_the_caller_stays_open_and_is_safe_between_threads() -> None:
    file = io.BytesIO(DATA)
    source = open_source(file)
    with ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda at: source.read_ranges([(at, 7)])[0] == DATA[at : at + 7], range(2000))
        assert all(parts)
    assert not file.closed


@pytest.mark.parametrize("empty", [b"", io.BytesIO()])
def test_empty_video_is_corrupt_media(empty: VideoInput) -> None:
    with pytest.raises(CorruptMediaError, match="is empty"):
        open_source(empty)


@pytest.mark.parametrize("wrong", [3, None, object(), io.StringIO("text")])
def test_other_objects_are_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError, match="video"):
        open_source(wrong)  # type: ignore[arg-type]


def test_range_source_of_the_caller_is_used_as_it_is() -> None:
    mine = CountingSource(open_source(DATA))
    assert open_source(mine) is mine


def test_counting_source_counts_bytes_and_requests() -> None:
    source = CountingSource(open_source(DATA))
    source.read_ranges([(0, 10), (20, 5)])
    source.count(1, 100)
    assert (source.requests, source.bytes_read) == (3, 115)


def test_errors_are_builtins_too_and_survive_the_way_to_another_process() -> None:
    error = there_and_back(CorruptFrameError("two frames", [7, 3, 7]))
    assert (str(error), error.rows) == ("two frames", (3, 7))
    assert isinstance(error, ValueError)
    assert isinstance(error, HwangError)
    assert issubclass(SourceError, OSError)
