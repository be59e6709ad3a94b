"""A Decoder travels to other processes, and copies, by being opened again."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwang
from tests.decoder.conftest import MakeClip, Truth
from tests.support.clips import read_number


def pickled(decoder: hwang.Decoder) -> Any:
    return pickle.loads(pickle.dumps(decoder))  # noqa: S301 - our own bytes


COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, pickled]


def number_of(decoder: hwang.Decoder, row: int) -> int:
    """The number that a frame shows, found in another process."""
    return read_number(decoder[row])


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", ["h264-open-gop", "h264-fragmented", "h264-matroska"])
def test_a_copy_is_independent(copied: Callable[[Any], Any], name: str, clip: MakeClip, truth: Truth) -> None:
    decoder = hwang.Decoder(clip(name), threads=1)
    decoder.frames([3])
    again = copied(decoder)
    assert again.stats.requests == 0  # the index came along
    decoder.close()
    np.testing.assert_array_equal(again[[7, 30]], truth(name)[[7, 30]])
    again.close()


@pytest.mark.parametrize("copied", COPIES)
def test_copies_harm_nobody(copied: Callable[[Any], Any], clip: MakeClip) -> None:
    """Files stay open for those that use them: a closed descriptor would soon be another file's."""
    with hwang.Decoder(clip("h264-open-gop")) as decoder:
        for _ in range(20):
            copied(decoder).close()
            assert number_of(decoder, 17) == 17


def test_the_path_is_found_from_another_directory(
    clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = clip("h264-open-gop")
    monkeypatch.chdir(path.parent)
    data = pickle.dumps(hwang.Decoder(path.name))
    monkeypatch.chdir(tmp_path)
    assert number_of(pickle.loads(data), 5) == 5  # noqa: S301 - our own bytes


def test_bytes_travel_and_options_too(clip: MakeClip) -> None:
    decoder = hwang.Decoder(clip("h264-raw").read_bytes(), fps=(30000, 1001), max_pixels=20_000)
    again = pickled(decoder)
    assert number_of(again, 9) == 9
    assert read_number(again.frames_at(1.0)[0]) == 29
    assert pickled(again)._options["max_pixels"] == 20_000


def test_others_say_that_they_do_not(clip: MakeClip) -> None:
    path = clip("h264-open-gop")
    with path.open("rb") as file, hwang.Decoder(file) as decoder:
        for copied in COPIES:
            with pytest.raises(TypeError, match="can be neither pickled nor copied"):
                copied(decoder)
        assert number_of(decoder, 17) == 17
    closed = hwang.Decoder(path)
    closed.close()
    for copied in COPIES:
        with pytest.raises(hwang.SourceError, match="closed"):
            copied(closed)


def test_other_processes_decode(clip: MakeClip) -> None:
    with hwang.Decoder(clip("h264-open-gop")) as decoder, multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.starmap(number_of, [(decoder, row) for row in (30, 3, 12)]) == [30, 3, 12]


def test_a_process_may_end_with_decoders_in_use(clip: MakeClip) -> None:
    code = f"import builtins, hwang; builtins.kept = hwang.Decoder({str(clip('h264-open-gop'))!r}); kept[3]"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
