"""The report's page: what it tells of every kind of job, and that no name can make it do anything."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from typing import Any

import pytest

from function import errors
from function.report import write_report
from tests.support.hostile_names import HOSTILE_NAMES
from tests.support.jobs import JOB, Job, make_job, names
from tests.unit.function.pages import Page, read_page

MOST_BYTES = 3_000_000
FAILURES: list[dict[str, Any]] = [
    {"video": video, "code": code, "message": message, "part": 3, "first": 0, "last": 99}
    for video, code, message in (
        (names(9)[6], "CorruptMedia", "its index is cut off"),
        (names(9)[7], "CorruptMedia", "its index is cut off"),
        (names(9)[8], "SourceUnavailable", "the server gave up"),
    )
]
JOBS = {
    "usual": make_job(videos=10, parts=6),
    "one part": make_job(videos=1, parts=1, workers=1),
    "incomplete": make_job(parts=6, missing=(2, 5), failures=FAILURES),
    "failures": make_job(failures=FAILURES),
    "hostile names": make_job(
        videos=HOSTILE_NAMES,
        failures=[{"video": name, "code": name, "message": name} for name in HOSTILE_NAMES],
    ),
    "nothing": make_job(videos=0, parts=0),
    "nothing done": make_job(parts=3, missing=(0, 1, 2)),
    "no pictures": make_job(with_objects=False),
    "10,000 parts": make_job(videos=3000, parts=10_000, workers=100, rows=1, with_objects=False),
    **{kind: make_job(kind=kind) for kind in ("png", "webp", "sheet", "npy", "npz", "mp4")},
}


def report(job: Job, **options: Any) -> bytes:
    return write_report(job.model, job.read, **options)


def shown(job: Job, **options: Any) -> Page:
    return read_page(report(job, **options))


@pytest.mark.parametrize("name", JOBS)
def test_every_job_has_a_page_in_order_that_asks_for_nothing(name: str) -> None:
    html = report(JOBS[name])
    page = read_page(html)
    assert page.problems == []
    assert [link[:30] for link in page.links if not link.startswith("data:")] == []
    assert not {"script", "iframe", "object", "embed", "form", "base", "a", "use", "image"} & set(page.tags)
    assert [name for name, _ in page.attributes if name.startswith("on") or name == "style"] == []
    assert len(html) < MOST_BYTES


@pytest.mark.parametrize("name", JOBS)
def test_equal_jobs_make_equal_bytes(name: str) -> None:
    assert report(JOBS[name]) == report(JOBS[name])


def test_the_policy_allows_the_pages_own_style_and_pictures_alone() -> None:
    html = report(JOBS["usual"]).decode()
    policy = re.search('Content-Security-Policy" content="([^"]*)"', html)
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert policy
    assert style
    hashed = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1].split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src 'sha256-{hashed}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_every_heading_table_and_chart_has_a_name() -> None:
    page = shown(JOBS["incomplete"])
    assert page.tags.count("h1") == 1
    assert page.tags.count("caption") == page.tags.count("table") == 2
    charts = [value for name, value in page.attributes if name == "aria-labelledby"]
    ids = [value for name, value in page.attributes if name == "id"]
    assert charts == ids
    assert len(set(ids)) == len(ids) == 2


def test_a_complete_job_is_told_in_its_figures() -> None:
    job = make_job(videos=10, parts=6, retried=(1,))
    text = shown(job).text
    assert "Complete. Every part has a result." in text
    assert '"frames": { "every_seconds": 2 }, "format": "jpeg"' in text
    for figure in ("videos 10", "frames 60", "parts of 10 pieces 6", "retry 1"):
        assert figure in text
    assert re.search(r"Read [\d.]+ MB of [\d.]+ GB 5\.3 % of the bytes in the files", text)


def test_an_incomplete_job_says_what_is_missing_and_what_to_do() -> None:
    text = shown(JOBS["incomplete"]).text
    assert "Incomplete. 2 parts of 6 left no result. 3 videos of 4 failed" in text
    assert "Start the same job again: it does only what is missing." in text
    assert "Without a result: parts 2, 5." in text


def test_keys_that_were_skipped_are_counted_and_the_first_named() -> None:
    job = make_job()
    job.manifest |= {"skipped": 30, "skipped_keys": ["s3://footage/season-3/notes.txt", *HOSTILE_NAMES]}
    page = shown(job)
    assert page.problems == []
    assert "Skipped 30 objects below the prefix have no extension of a video." in page.text
    assert "notes.txt" in page.text
    assert f"and {29 - len(HOSTILE_NAMES)} more" in page.text
    assert "skipped" not in shown(make_job()).text


def test_a_job_that_lacks_no_more_than_it_tolerates_is_done() -> None:
    job = make_job(parts=6, missing=(2,), failures=FAILURES)
    job.manifest["request"]["tolerated_failure_percentage"] = 75
    text = shown(job).text
    assert "Done. 1 part of 6 left no result. 3 videos of 4 failed" in text
    assert "The job tolerates this." in text
    assert "Start the same job again" not in text


def test_results_that_are_a_sample_are_said_to_be() -> None:
    job = make_job(videos=10, parts=6)
    assert "counted over" not in shown(job).text
    job.manifest["pieces"] = 30_000
    assert "counted over 10 of 30,000 pieces, evenly spread" in shown(job).text


def test_videos_are_listed_by_their_frames_with_the_place_of_their_results() -> None:
    job = make_job(videos=2, parts=3, with_objects=False)
    assert "episode-01.mp4 12 12 0, 2 episode-01.mp4/0/ episode-02.mp4 6 6 1 episode-02.mp4/1/" in shown(job).text
    for result in job.manifest["results"]:
        result["manifest"] = f"{JOB}_job/pieces/a.npy.manifest.json"
    assert "episode-01.mp4 12 12 0, 2 episode-02.mp4 6 6 1 " in shown(job).text


def test_of_many_videos_the_last_ones_are_counted_together() -> None:
    job = make_job(videos=203, parts=4, rows=2, with_objects=False)
    assert "and 3 more 6 6" in shown(job).text


def test_failures_are_grouped_by_code_with_what_it_means() -> None:
    text = shown(JOBS["failures"]).text
    assert text.index("CorruptMedia 2 times, 2 videos") < text.index("SourceUnavailable 1 time, 1 video")
    assert errors.CorruptMedia.__doc__
    assert errors.CorruptMedia.__doc__ in text
    assert "its index is cut off \N{MULTIPLICATION SIGN} 2" in text
    assert text.count("another run of the job tries again") == 1
    assert "episode-09.mp4" in text


def test_messages_that_differ_in_the_videos_name_alone_are_one() -> None:
    failures = [{"video": name, "code": "SourceNotFound", "message": f"{name} does not exist"} for name in names(3)]
    text = shown(make_job(failures=failures)).text
    assert "… does not exist \N{MULTIPLICATION SIGN} 3" in text


def test_a_code_that_nobody_knows_is_shown_all_the_same() -> None:
    assert "Sunspots 1 time, 1 video" in shown(make_job(failures=[{"video": "s3://a/b", "code": "Sunspots"}])).text


def test_no_address_shows_its_query_or_password() -> None:
    video = "https://user:hush@host.example/a.mp4?X-Amz-Signature=hush"
    job = make_job(videos=[video], parts=1, failures=[{"video": video, "code": "SourceExpired"}])
    job.manifest["request"]["videos"] = [video]
    html = report(job).decode()
    assert "hush" not in html
    assert "https://…@host.example/a.mp4?…" in html


def test_long_names_keep_their_beginning_and_their_end() -> None:
    video = "s3://footage/" + "x" * 1000 + "-final.mp4"
    page = shown(make_job(videos=[video], parts=1))
    assert re.search("x+…x+-final.mp4", page.text)
    assert video not in page.text
    assert ("title", video) in page.attributes


def test_a_small_job_has_a_bar_for_each_part_and_marks_retries() -> None:
    job = make_job(videos=8, parts=8, workers=3, retried=(4,))
    html = report(job).decode()
    assert len(re.findall("<title>Part ", html)) == 8
    assert html.count('class="retried" x=') == 1
    assert "One line for each of 3 workers." in read_page(html.encode()).text


def test_of_ten_thousand_parts_the_slowest_are_shown() -> None:
    html = report(JOBS["10,000 parts"])
    text = read_page(html).text
    assert "The 120 longest of 10,000 parts. One line for each of" in text
    assert "and 2,800 more" in text
    assert len(html) < 500_000


def test_ten_thousand_parts_take_seconds_at_most() -> None:
    started = time.process_time()
    report(JOBS["10,000 parts"])
    assert time.process_time() - started < 10
