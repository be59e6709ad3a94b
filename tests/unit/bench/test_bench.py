"""The benchmark's own arithmetic: the rows asked for, what a barcode says, medians and ratios, bytes on the wire."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from bench import report
from bench.contenders import EVERYONE, Contender
from bench.process import ContenderError, Process
from bench.remote import index_bytes, range_server
from bench.results import Median, Record, Results, best, medians, ratio
from bench.run import opened_and_run, rotated, warm
from bench.video import TIMING, Layout, Video
from bench.workloads import BY_NAME, OF_CLIP, WORKLOADS, Settings, Workload
from local.stack import DIRECT

ROOT = Path(__file__).resolve().parents[3]
TABLES = ("hwang, relative", "All decoders", "Cold", "Wrong frames while racing", "Exactness", "Frames over HTTP")


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
        return Record("warm", "clip", "W1", "peer", variant, wall, 2 * wall)

    records = [run("a", 1.0), run("b", 2.0), run("a", 4.0), run("a", 3.0)]
    failed = Record("warm", "clip", "W1", "other", error="broken")
    cell = medians([*records, failed])["clip", "W1"]
    assert cell == {"peer": Median(3.0, 6.0, 3, "a")}
    assert best(cell, ["other"]) is None
    assert ratio(cell, "peer", ["peer"], "cpu") == 1.0


def test_each_round_begins_with_another() -> None:
    assert [rotated("abc", n)[0] for n in range(4)] == ["a", "b", "c", "a"]
    assert rotated([], 3) == []


def test_settings_know_the_names_and_refuse_others() -> None:
    quick = Settings.of({"QUICK": "1"})
    assert len(quick.clips) == 2
    chosen = Settings.of({"CLIPS": "h264-720p", "WORKLOADS": "W2,W8"})
    assert [(clip, [w.name for w in asked]) for clip, asked in chosen.cells()] == [("h264-720p", ["W2"])]
    with pytest.raises(ValueError, match="W9"):
        Settings.of({"WORKLOADS": "W9"})


def test_the_server_answers_ranges_and_counts_what_it_sends(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(range(200)))
    with range_server(tmp_path / "clip.mp4") as served:
        asked = urllib.request.Request(served.url, headers={"Range": "bytes=10-19"})  # noqa: S310 - the loopback's own
        with DIRECT.open(asked, timeout=10) as response:
            assert response.status == 206
            assert response.read() == bytes(range(10, 20))
        with DIRECT.open(urllib.request.Request(served.url, method="HEAD"), timeout=10) as response:  # noqa: S310
            assert response.headers["Content-Length"] == "200"
    assert (served.requests, served.sent_bytes) == (2, 10)


def test_the_index_is_all_that_is_not_media(tmp_path: Path) -> None:
    boxes = [(b"ftyp", 12), (b"mdat", 1000), (b"moov", 300)]
    content = b"".join((8 + size).to_bytes(4, "big") + kind + bytes(size) for kind, size in boxes)
    (tmp_path / "clip.mp4").write_bytes(content)
    assert index_bytes(tmp_path / "clip.mp4") == 20 + 16 + 308


ROWS = Workload("W1", "", lambda frames: list(range(frames)))
# A worker whose answers are made by `answer(request)`, which a test defines.
WORKER = """# {name}
import json, sys, threading, time
{code}
print(json.dumps({{"import_seconds": 0.0, "version": "1"}}), flush=True)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
"""


def contender(name: str, code: str, **more: Any) -> Contender:
    return Contender(name, name, (sys.executable, "-c", WORKER.format(name=name, code=dedent(code))), **more)


COST = (
    '{"wall": 0.0, "cpu": 0.0, "peak_bytes": 0, "read_bytes": 0, "output_bytes": 0, "frames": 3, "numbers": [5, 6, 7]}'
)
VIDEO = Video("v", TIMING, [5, 6, 7])


def test_a_contender_stands_still_once_it_has_answered() -> None:
    busy = f"""
        threading.Thread(target=lambda: [None for _ in iter(int, 1)], daemon=True).start()
        answer = lambda _: {COST}
    """
    with Process(contender("busy", busy)) as process:
        assert process.start().run(VIDEO, {}, ROWS)["wrong"] == 0
        deadline = time.monotonic() + 10
        while child("busy")[0] != "T":
            assert time.monotonic() < deadline
        _, spent = child("busy")
        time.sleep(0.3)  # the time in which it would work
        assert child("busy") == ("T", spent)
        assert process.run(VIDEO, {}, ROWS)["wrong"] == 0


def test_a_contender_that_dies_is_an_error_with_its_last_words_and_starts_again() -> None:
    dying = """
        def answer(request):
            sys.exit("the end") if request["do"] == "open" else None
            return {"numbers": [5, 6, 0]}
    """
    with Process(contender("dying", dying)) as process:
        with pytest.raises(ContenderError, match="ended with status 1: the end"):
            process.open(VIDEO, {}, ROWS)
        assert process.run(VIDEO, {}, ROWS)["wrong"] == 1


def test_missing_rows_are_wrong_frames() -> None:
    short = f"answer = lambda _: {COST.replace('3', '2')}"
    with Process(contender("short", short)) as process:
        record = opened_and_run("exact", "clip", VIDEO, ROWS, process, {"some": 1})
    assert (record.kind, record.error, record.wrong, record.variant) == ("exact", "", 1, '{"some": 1}')


def test_later_rounds_go_on_with_the_fastest_variant_and_without_the_hopeless() -> None:
    code = f"answer = lambda request: {{**{COST}, 'wall': request['options']['wall']}}"
    quick = contender("quick", code, variants=({"wall": 3.0}, {"wall": 2.0}))
    slow = contender("slow", code, variants=({"wall": 9.0},))
    settings = replace(Settings.of({"REPEAT": "2"}), budget_seconds=100)
    with Process(quick) as one, Process(slow) as other:
        records = [(run.contender, run.wall) for run in warm("clip", VIDEO, ROWS, [one, other], settings)]
    assert records == [("quick", 3.0), ("quick", 2.0), ("slow", 9.0), ("quick", 2.0)]


def test_the_page_has_a_table_of_each_kind_of_result() -> None:
    results = Results("CPU", 2, "6.18", "2026-11-24", remote_floor_bytes=1_000_000)
    names = [one.name for one in EVERYONE]
    for number, name in enumerate(names):
        warm_run = Record("warm", "h264-720p", "W3", name, "{}", 1.0 + number, 2.0, read_bytes=3_000_000)
        results.records += [warm_run, replace(warm_run, kind="cold"), replace(warm_run, kind="remote", requests=number)]
    results.records.append(Record("exact", "vp9", "exact", "pyav", wrong=2))
    page = report.markdown(results)
    assert "Measured on CPU, 2 cores, Linux 6.18, on 2026-11-24." in page
    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert titles == [f"## {title}" for title in TABLES]
    assert "| H.264 720p, GOP 250 | W3 10 random | 0.50 | 1.00 | 0.33 | 1.00 | PyAV, 3.000 s |" in page
    assert "| PyAV | vp9 | 0 | 0 | 1 |" in page
    assert "| PyAV |  | 3.00 | 3.00 | 2 | 3.00 | 0 |" in page


def test_the_page_in_the_tree_is_introduced_as_the_next_one_will_be() -> None:
    def words(page: str) -> list[str]:
        before, _, behind = page.partition("Measured on")
        return [*before.split(), *behind.partition("* Each decoder")[2].partition("## ")[0].split()]

    assert words((ROOT / "docs/bench.md").read_text()) == words(report.INTRODUCTION)


def child(word: str) -> tuple[str, int]:
    """The state of the one child process with this word in its command, and its CPU time in the kernel's ticks."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, *_ = fields = stat.read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid() and word in (stat.parent / "cmdline").read_text():
                return state, int(fields[11]) + int(fields[12])
    raise AssertionError(f"no child has {word} in its command")
