"""The benchmark's own arithmetic: the rows asked for, what a barcode says, medians and ratios, bytes on the wire."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from bench import stats
from bench.barcode import TIMING, Layout
from bench.contestants import Contestant
from bench.process import Process
from bench.rangeserver import RangeServer
from bench.record import Record
from bench.remote import index_bytes
from bench.settings import Settings
from bench.video import Video
from bench.workloads import BY_NAME, OF_CLIP, WORKLOADS, Workload
from local.stack import DIRECT


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
@pytest.mark.parametrize("frames", [1, 40, 1500, 2250])
def test_rows_are_inside_the_video_and_the_same_every_time(workload: Workload, frames: int) -> None:
    rows = workload.rows(frames)
    assert rows
    assert set(rows) <= set(range(frames))
    assert len(set(rows)) == len(rows)
    assert rows == workload.rows(frames)


def test_every_request_of_a_clip_is_known() -> None:
    assert {name for names in OF_CLIP.values() for name in names} == set(BY_NAME)


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (224, 224)])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_drawn_number_is_read_at_every_size_and_whichever_way_up(size: tuple[int, int], turns: int) -> None:
    frame = drawn(1234, TIMING, size)
    assert TIMING.read(np.rot90(frame, turns)) == 1234


def test_blended_frames_show_no_number() -> None:
    blend = drawn(5, TIMING, (1280, 720)) // 2 + drawn(6, TIMING, (1280, 720)) // 2
    assert TIMING.read(blend) is None


def drawn(number: int, layout: Layout, size: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pattern = layout.patterns(number + 1)[number]
    y = np.arange(size[1]) * layout.down // size[1]
    x = np.arange(size[0]) * layout.across // size[0]
    inside = (y[:, None] < 2) & (x[None, :] < layout.bits)
    gray = np.full((size[1], size[0]), 90, np.uint8)
    places = np.nonzero(inside)
    gray[places] = pattern[y[places[0]].astype(int), x[places[1]].astype(int)]
    return np.repeat(gray[:, :, None], 3, axis=2)


def test_frames_with_another_or_no_number_are_wrong() -> None:
    assert Video("clip", TIMING, range(10)).wrong([1, 2, 3], [1, 3, None]) == 2


def test_medians_are_of_the_variant_that_went_on() -> None:
    def run(variant: str, wall: float) -> Record:
        return Record("clip", "W1", "peer", "warm", variant, wall, 2 * wall)

    records = [run("a", 1.0), run("b", 2.0), run("a", 4.0), run("a", 3.0)]
    failed = Record("clip", "W1", "other", "warm", error="broken")
    cell = stats.medians([*records, failed])["clip", "W1"]
    assert cell == {"peer": stats.Median(3.0, 6.0, 3, "a")}
    assert stats.best(cell, ["other"]) is None
    assert stats.ratio(cell, ["peer"], ["peer"], "cpu") == 1.0


def test_each_round_begins_with_another() -> None:
    assert [stats.rotated("abc", n)[0] for n in range(4)] == ["a", "b", "c", "a"]
    assert stats.rotated([], 3) == []


def test_settings_know_the_names_and_refuse_others() -> None:
    quick = Settings.of({"QUICK": "1"})
    assert len(quick.clips) == 2
    chosen = Settings.of({"CLIPS": "h264-720p", "WORKLOADS": "W2,W8"})
    assert [(clip, [w.name for w in asked]) for clip, asked in chosen.cells()] == [("h264-720p", ["W2"])]
    with pytest.raises(ValueError, match="W9"):
        Settings.of({"WORKLOADS": "W9"})


def test_the_server_answers_ranges_and_counts_what_it_sends(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(range(200)))
    with RangeServer(tmp_path / "clip.mp4") as server:
        asked = urllib.request.Request(server.url, headers={"Range": "bytes=10-19"})  # noqa: S310 - the loopback's own
        with DIRECT.open(asked, timeout=10) as response:
            assert response.status == 206
            assert response.read() == bytes(range(10, 20))
        with DIRECT.open(urllib.request.Request(server.url, method="HEAD"), timeout=10) as response:  # noqa: S310
            assert response.headers["Content-Length"] == "200"
        assert (server.counters.requests, server.counters.sent_bytes) == (2, 10)


def test_the_index_is_all_that_is_not_media(tmp_path: Path) -> None:
    boxes = [(b"ftyp", 12), (b"mdat", 1000), (b"moov", 300)]
    content = b"".join((8 + size).to_bytes(4, "big") + kind + bytes(size) for kind, size in boxes)
    (tmp_path / "clip.mp4").write_bytes(content)
    assert index_bytes(tmp_path / "clip.mp4") == 20 + 16 + 308


def test_a_contestant_stands_still_once_it_has_answered() -> None:
    busy = (
        "# busy\n"
        "import json, sys, threading\n"
        "threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()\n"
        'print(json.dumps({"import_seconds": 0.0, "version": "1"}), flush=True)\n'
        "for line in sys.stdin: print(json.dumps({'wall': 1.0}), flush=True)\n"
    )
    with Process(Contestant("busy", "busy", (sys.executable, "-c", busy))) as process:
        process.start()
        assert process.run(Video("v", TIMING, [0]), {}, [0]) == {"wall": 1.0}
        deadline = time.monotonic() + 10
        while child("busy")[0] != "T":
            assert time.monotonic() < deadline
        _, spent = child("busy")
        time.sleep(0.3)  # the time in which it would work
        assert child("busy") == ("T", spent)
        assert process.run(Video("v", TIMING, [0]), {}, [0]) == {"wall": 1.0}


def child(word: str) -> tuple[str, int]:
    """The state of the one child process with this word in its command, and its CPU time in the kernel's ticks."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *_ = fields = stat.read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid() and word in (stat.parent / "cmdline").read_text():
                return state, int(fields[11]) + int(fields[12])
    raise AssertionError(f"no child has {word} in its command")
