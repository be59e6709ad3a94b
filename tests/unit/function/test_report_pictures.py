"""The report's pictures: which are chosen, of every format, and what happens if they cannot be had."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from function.models.job_files import PieceResult
from function.report import Unreadable, write_report
from function.report.gallery import MAX_FRAMES, choose, spread
from tests.support.jobs import JOB, Job, encoded, make_job, reduced, scene, scene_number
from tests.unit.function.pages import read_page

MOST_READS = 250
SIZE = (160, 90)


def pictures(job: Job) -> list[Image.Image]:
    html = write_report(job.manifest, job.read).decode()
    found = re.findall('src="data:image/jpeg;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def text(job: Job) -> str:
    return read_page(write_report(job.manifest, job.read)).text


def is_alike(picture: Image.Image, frame: object) -> bool:
    """But for JPEG's losses."""
    difference = np.asarray(picture.convert("RGB"), dtype=int) - np.asarray(frame, dtype=int)
    return float(np.abs(difference).mean()) < 4


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "npy", "npz"])
def test_frames_are_shown_with_their_rows_and_times(kind: str) -> None:
    job = make_job(videos=2, parts=2, kind=kind, rows=2, size=SIZE)
    shown = pictures(job)
    assert [picture.size for picture in shown] == [SIZE] * 4
    expected = [
        scene(scene_number(result["video"]), row / 25 / 60 % 1, SIZE)
        for result in job.manifest["results"]
        for row in (0, 50)
    ]
    assert all(map(is_alike, shown, expected))
    assert "episode-01.mp4 row 0 · 0.00 s" in text(job)
    assert "episode-02.mp4 row 50 · 2.00 s" in text(job)


def test_of_an_array_only_the_frames_that_are_shown_are_read() -> None:
    job = make_job(videos=1, parts=1, kind="npy", rows=100, size=SIZE)
    read = Counter[str]()

    def counting(uri: str, start: int, length: int) -> bytes:
        data = job.read(uri, start, length)
        read["array" if uri.endswith(".npy") else "rest"] += len(data)
        return data

    write_report(job.manifest, counting)
    assert read["array"] == 6 * SIZE[0] * SIZE[1] * 3


def test_sheets_are_shown_larger_with_their_number_of_frames() -> None:
    job = make_job(videos=2, parts=2, kind="sheet", size=(320, 180))
    assert [picture.width for picture in pictures(job)] == [1080, 1080]
    assert "episode-01.mp4 6 frames" in text(job)


def test_clips_are_said_not_to_be_shown() -> None:
    job = make_job(videos=3, parts=3, kind="mp4")
    assert pictures(job) == []
    assert "3 clips not shown" in text(job)


@pytest.mark.parametrize("videos", [1, 5, 40, 48, 49, 3000])
def test_the_choice_is_spread_evenly_over_the_videos(videos: int) -> None:
    results = [PieceResult(video=f"s3://v/{n}", first=turn * 10, frames=10) for turn in range(3) for n in range(videos)]
    chosen = choose(results)
    shown = Counter(result.video for result, positions in chosen for _ in positions)
    assert sum(shown.values()) <= MAX_FRAMES
    assert max(shown.values()) - min(shown.values()) == 0
    places = [int(video.rpartition("/")[2]) for video in shown]
    gaps = np.diff([-1, *places, videos])
    assert max(gaps) - min(gaps) <= max(2, videos / MAX_FRAMES)


def test_a_spread_takes_each_at_most_once_and_in_order() -> None:
    for number in range(30):
        chosen = spread(range(number), 7)
        assert chosen == sorted(set(chosen))
        assert len(chosen) == min(number, 7)


def test_a_number_is_shown_in_full() -> None:
    job = reduced("sum", np.array(30_209_340_567, dtype=np.uint64))
    assert "30,209,340,567 The sum of all bytes of 4,800 frames" in text(job)


@pytest.mark.parametrize(
    ("kind", "of_frame"),
    [
        ("mean", lambda frame: frame.astype(np.float64)),
        ("sum_frames", lambda frame: frame.astype(np.uint64) * 4800),
        ("min", lambda frame: frame),
        ("max", lambda frame: frame),
    ],
)
def test_a_reduction_is_shown_as_the_picture_that_it_is(kind: str, of_frame: object) -> None:
    frame = scene(1, 0.5, (320, 180))
    job = reduced(kind, of_frame(frame))  # type: ignore[operator]
    (picture,) = pictures(job)
    assert is_alike(picture, frame)
    assert "4,800 frames" in text(job)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense" * 100,
        encoded(scene(1, 0, SIZE), "jpeg"),
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '|O', 'fortran_order': False, 'shape': (9, 9, 3)}".ljust(128) + b"x" * 300,
        b"\x93NUMPY\x01\x00\x76\x00{'descr': '<u8', 'fortran_order': False, 'shape': (99999, 99999, 3)}".ljust(128),
    ],
    ids=["empty", "nonsense", "picture", "objects", "too little"],
)
def test_a_reduction_that_is_none_is_said_to_be(data: bytes) -> None:
    job = reduced("mean", np.zeros((9, 9, 3)))
    job.objects[f"{JOB}reduced.npy"] = data
    assert pictures(job) == []
    assert "The combined result is" in text(job)


def test_a_reduction_that_is_not_combined_yet_is_said_to_be() -> None:
    job = make_job(parts=3, missing=(1,), kind="npy")
    job.manifest["request"]["reduce"] = "mean"
    assert pictures(job) == []
    assert "There is no combined result yet." in text(job)


def test_pictures_that_cannot_be_had_are_left_out_and_said_to_be() -> None:
    job = make_job(videos=4, parts=4, rows=2, size=SIZE)
    first, second, third, _ = job.manifest["results"]
    del job.objects[first["output"][0]]
    job.objects[second["output"][0]] = b"\xff\xd8\xff nonsense"
    job.objects[third["manifest"]] = b"{]"
    assert len(pictures(job)) == 8 - 4
    shown = text(job)
    assert "1 picture is left out: it does not exist." in shown
    assert "1 picture is left out: it is not a picture." in shown
    assert "2 pictures are left out: each of them has a manifest that is not one" in shown


def test_only_what_lies_below_the_jobs_prefix_is_read() -> None:
    job = make_job(videos=1, parts=1, size=SIZE)
    result = job.manifest["results"][0]
    outside = "s3://elsewhere/secret/frame.jpg"
    piece = json.loads(job.objects[result["manifest"]])
    for written in piece["output"]:
        written["uri"] = outside
    job.objects |= {result["manifest"]: json.dumps(piece).encode(), outside: encoded(scene(1, 0, SIZE), "jpeg")}
    for outputs in ([], 7, [{"output": "s3://elsewhere/other/"}], [{"output": "s3://elsewhere/secret"}, {}, 7]):
        job.manifest["request"]["outputs"] = outputs
        assert pictures(job) == []
        assert "does not lie below the job" in text(job)


def test_results_that_the_job_writes_elsewhere_are_shown() -> None:
    here = make_job(videos=1, parts=1, size=SIZE)
    place, elsewhere = here.manifest["job"], "s3://elsewhere/wide/"
    there = Job(json.loads(json.dumps(here.manifest).replace(place, elsewhere)))
    for uri, data in here.objects.items():
        moved = data.replace(place.encode(), elsewhere.encode()) if uri.endswith(".json") else data
        there.objects[uri.replace(place, elsewhere)] = moved
    there.manifest["job"] = place
    assert pictures(there) == []
    there.manifest["request"]["outputs"] = [{"output": elsewhere}]
    assert pictures(there) == pictures(here) != []


@pytest.mark.parametrize("kind", ["jpeg", "npy", "npz", "sheet"])
@pytest.mark.parametrize("videos", [1, 7, 60])
def test_the_number_of_reads_is_bounded(kind: str, videos: int) -> None:
    job = make_job(videos=videos, parts=4, kind=kind, rows=40, size=(16, 16))
    reads = []

    def counting(uri: str, start: int, length: int) -> bytes:
        reads.append(length)
        return job.read(uri, start, length)

    write_report(job.manifest, counting)
    assert len(reads) <= MOST_READS


def test_a_store_that_does_not_answer_costs_the_time_that_was_given_and_no_picture_more() -> None:
    job = make_job(videos=8, parts=4, size=SIZE)
    answer = threading.Event()

    def silent(uri: str, start: int, length: int) -> bytes:
        if "episode-03" in uri:
            answer.wait(60)
            raise Unreadable("is late")
        return job.read(uri, start, length)

    started = time.monotonic()
    try:
        page = read_page(write_report(job.manifest, silent, reading_seconds=1.0))
    finally:
        answer.set()
    assert time.monotonic() - started < 10
    assert "was not there in time" in page.text
    assert "episode-01.mp4 row" in page.text


def test_pictures_of_noise_do_not_make_the_page_too_large() -> None:
    job = make_job(videos=48, parts=4, rows=1, size=(16, 16))
    noise = np.random.default_rng(1).integers(0, 256, (340, 340, 3), dtype=np.uint8)
    for uri in job.objects:
        if uri.endswith(".jpg"):
            job.objects[uri] = encoded(noise, "png")
    html = write_report(job.manifest, job.read)
    assert len(html) < 3_000_000
    assert re.search(r"\d+ pictures are left out: each of them would make this page too large", read_page(html).text)
