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

from function.models.job_files import spread
from function.report import Unreadable, write_report
from function.report.pictures import MAX_PICTURES
from tests.support.jobs import JOB, Job, encoded, make_job, reduced, scene, scene_number
from tests.unit.function.pages import read_page

SIZE = (160, 90)


def pictures(job: Job) -> list[Image.Image]:
    html = write_report(job.model, job.read).decode()
    found = re.findall('src="data:image/jpeg;base64,([^"]+)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def text(job: Job) -> str:
    return read_page(write_report(job.model, job.read)).text


def is_alike(picture: Image.Image, frame: object) -> bool:
    """But for JPEG's losses."""
    difference = np.asarray(picture.convert("RGB"), dtype=int) - np.asarray(frame, dtype=int)
    return float(np.abs(difference).mean()) < 4


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_pictures_are_shown_with_their_videos_and_names(kind: str) -> None:
    job = make_job(videos=2, parts=2, kind=kind, rows=2, size=SIZE)
    shown = pictures(job)
    assert [picture.size for picture in shown] == [SIZE] * 4
    expected = [
        scene(scene_number(result["video"]), row / 25 / 60 % 1, SIZE)
        for result in job.manifest["results"]
        for row in (0, 50)
    ]
    assert all(map(is_alike, shown, expected))
    assert "episode-01.mp4 frame-000000." in text(job)
    assert "episode-02.mp4 frame-000050." in text(job)


@pytest.mark.parametrize("kind", ["npy", "npz", "mp4"])
def test_what_is_no_picture_is_not_read(kind: str) -> None:
    job = make_job(videos=2, parts=2, kind=kind, size=SIZE)
    job.objects.clear()
    assert pictures(job) == []
    assert "left out because" not in text(job)


def test_sheets_are_shown_larger_with_their_number_of_frames() -> None:
    job = make_job(videos=2, parts=2, kind="sheet", size=(320, 180))
    assert [picture.width for picture in pictures(job)] == [1080, 1080]
    assert "episode-01.mp4 6 frames" in text(job)


@pytest.mark.parametrize("videos", [1, 5, 40, 48, 49, 3000])
def test_the_choice_is_spread_evenly_over_the_videos(videos: int) -> None:
    job = make_job(videos=videos, parts=4, rows=3, with_objects=False)
    read: Counter[str] = Counter()

    def counting(uri: str, length: int) -> bytes:
        read[uri.removeprefix(JOB).partition("/")[0]] += 1
        return job.read(uri, length)

    write_report(job.model, counting)
    assert sum(read.values()) <= MAX_PICTURES
    assert len(set(read.values())) == 1
    assert len(read) == min(videos, MAX_PICTURES)


def test_a_spread_takes_each_at_most_once_and_in_order() -> None:
    for number in range(30):
        chosen = spread(range(number), 7)
        assert chosen == sorted(set(chosen))
        assert len(chosen) == min(number, 7)


def test_a_number_is_shown_in_full() -> None:
    job = reduced("sum", np.array(30_209_340_567, dtype=np.uint64))
    assert "30,209,340,567 The sum of 4,800 frames: reduced.npy" in text(job)


def test_of_an_array_the_place_is_shown() -> None:
    job = reduced("mean", np.zeros((9, 9, 3)))
    assert pictures(job) == []
    assert "The mean of 4,800 frames: reduced.npy" in text(job)


def test_pictures_that_cannot_be_had_are_left_out_and_said_to_be() -> None:
    job = make_job(videos=4, parts=4, rows=2, size=SIZE)
    first, second, third, _ = job.manifest["results"]
    del job.objects[first["output"][0]]
    job.objects[second["output"][0]] = b"\xff\xd8\xff nonsense"
    job.objects[third["output"][0]] = b"\x93NUMPY"
    assert len(pictures(job)) == 8 - 3
    shown = text(job)
    assert "1 picture left out because it does not exist." in shown
    assert "2 pictures left out because each is not a picture." in shown


def test_only_what_lies_below_the_jobs_prefix_is_read() -> None:
    job = make_job(videos=1, parts=1, size=SIZE)
    outside = "s3://elsewhere/secret/frame.jpg"
    job.manifest["results"][0]["output"] = [outside]
    job.objects[outside] = encoded(scene(1, 0, SIZE), "jpeg")
    for outputs in ([], 7, [{"output": "s3://elsewhere/other/"}], [{"output": "s3://elsewhere/secret"}, {}, 7]):
        job.manifest["request"]["outputs"] = outputs
        assert pictures(job) == []
        assert "does not lie below the job" in text(job)


def test_results_that_the_job_writes_elsewhere_are_shown() -> None:
    here = make_job(videos=1, parts=1, size=SIZE)
    place, elsewhere = here.manifest["job"], "s3://elsewhere/wide/"
    there = Job(json.loads(json.dumps(here.manifest).replace(place, elsewhere)))
    there.objects = {uri.replace(place, elsewhere): data for uri, data in here.objects.items()}
    there.manifest["job"] = place
    assert pictures(there) == []
    there.manifest["request"]["outputs"] = [{"output": elsewhere}]
    assert pictures(there) == pictures(here) != []


def test_a_store_that_does_not_answer_costs_the_time_that_was_given_and_no_picture_more() -> None:
    job = make_job(videos=8, parts=4, size=SIZE)
    answer = threading.Event()

    def silent(uri: str, length: int) -> bytes:
        if "episode-03" in uri:
            answer.wait(60)
            raise Unreadable("is late")
        return job.read(uri, length)

    started = time.monotonic()
    try:
        page = read_page(write_report(job.model, silent, reading_seconds=1.0))
    finally:
        answer.set()
    assert time.monotonic() - started < 10
    assert "was not there in time" in page.text
    assert "episode-01.mp4 frame-" in page.text


def test_pictures_of_noise_do_not_make_the_page_too_large() -> None:
    job = make_job(videos=48, parts=4, rows=1, size=(16, 16))
    noise = np.random.default_rng(1).integers(0, 256, (340, 340, 3), dtype=np.uint8)
    for uri in job.objects:
        if uri.endswith(".jpg"):
            job.objects[uri] = encoded(noise, "png")
    html = write_report(job.model, job.read)
    assert len(html) < 3_000_000
    assert re.search(r"\d+ pictures left out because each would make this page too large", read_page(html).text)
