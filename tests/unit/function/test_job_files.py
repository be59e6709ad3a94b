"""The files of a job: a job that an earlier version has begun goes on, and no file changes its bytes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from function.errors import CorruptMedia
from function.models import job_files as files
from tests.support.jobs import make_job

EARLIER: Final[dict[str, str]] = json.loads(Path(__file__).with_name("earlier_job.json").read_text())
"""The files of an interrupted job, by their names below its output, as the version before the models wrote them."""

LINES: Final[dict[str, list[type[files.KeptModel]]]] = {
    "_job/videos/000000.jsonl": [files.ListedVideo] * 4,
    "_job/surveys/000000.jsonl": [files.SurveySummary, *[files.SurveyedVideo] * 4],
    "_job/parts.jsonl": [files.PlannedPart] * 2,
    "_job/cut.json": [files.CutSummary],
    "_job/done/bae1455bb93f5cf33a86494a2be0913d.json": [files.PartResult],
}


@pytest.mark.parametrize("name", LINES)
def test_a_file_of_an_earlier_version_is_read_and_written_again_with_the_same_bytes(name: str) -> None:
    lines = EARLIER[name].encode().splitlines()
    assert [model.read(line, name).line() for model, line in zip(LINES[name], lines, strict=True)] == lines


def test_the_manifest_of_an_earlier_version_is_read_and_written_again_with_the_same_fields() -> None:
    document = json.loads(EARLIER["_job/summary.json"])
    assert json.loads(files.JobManifest.model_validate(document).line()) == document


def test_the_result_of_a_part_is_found_by_the_digest_of_its_line() -> None:
    first, second = EARLIER["_job/parts.jsonl"].encode().splitlines(keepends=True)
    assert f"_job/{files.done_name(first)}" in EARLIER
    assert f"_job/{files.done_name(second)}" not in EARLIER
    assert files.done_name(first) == files.done_name(first.strip())
    assert files.partial_name(first) == "partials/bae1455bb93f5cf33a86494a2be0913d.npy"


def test_chunks_have_files_that_sort_by_their_number() -> None:
    assert files.videos_name(7) == "videos/000007.jsonl"
    assert files.survey_name(1234) == "surveys/001234.jsonl"


def test_fields_of_a_later_version_are_no_obstacle() -> None:
    line = b'{"video": {"bucket": "films", "key": "a.mp4"}, "name": "a.mp4", "colour": "blue"}'
    assert files.ListedVideo.read(line, "videos").name == "a.mp4"


@pytest.mark.parametrize("data", [b"", b"<html>", b"[]", b'{"video": 7}', b'{"name": "a"}', b"\xff"])
def test_a_file_that_something_else_has_written_is_named(data: bytes) -> None:
    with pytest.raises(CorruptMedia, match=r"^job: s3://b/_job/videos is not what a job keeps there; remove it"):
        files.ListedVideo.read(data, "s3://b/_job/videos")


def test_a_video_keeps_its_version_and_a_web_address_stays_one() -> None:
    for video in ({"bucket": "films", "key": "a.mp4", "version_id": "7"}, {"url": "https://host/a.mp4?sign=1"}):
        listed = files.ListedVideo.model_validate({"video": video, "name": "a"})
        assert json.loads(listed.line()) == {"video": video, "name": "a"}


def test_counters_add_up_one_by_one() -> None:
    one = files.JobCounters(bytes_read=1, requests=2, samples_decoded=3, samples_skipped=4, frames_decoded=5)
    assert one + one == files.JobCounters(
        bytes_read=2, requests=4, samples_decoded=6, samples_skipped=8, frames_decoded=10
    )


def test_the_jobs_of_the_report_tests_have_the_fields_of_real_ones() -> None:
    document = make_job(parts=2, videos=2).manifest
    models: dict[str, type[files.KeptModel]] = {"timeline": files.TimelinePart, "results": files.PieceResult}
    assert set(document) <= set(files.JobManifest.model_fields)
    for name, model in models.items():
        assert all(set(item) <= set(model.model_fields) for item in document[name])


@pytest.mark.parametrize(
    ("missing", "failed", "percentage", "tolerable"),
    [(0, 0, 0, True), (1, 0, 0, False), (0, 1, 0, False), (1, 1, 10, True), (2, 1, 10, False), (1, 2, 10, False)],
)
def test_a_job_tolerates_its_percentage_of_parts_and_of_videos(
    missing: int, failed: int, percentage: float, tolerable: bool
) -> None:
    totals: dict[str, Any] = {"videos": 10, "parts": 10, "failed_videos": failed, "missing": range(missing)}
    job = files.JobManifest(job="s3://b/", complete=False, timeline=(), **totals | {"missing": tuple(range(missing))})
    assert job.is_tolerable(percentage) is tolerable


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"timeline": [{"part": 1}]}, "timeline.0.started"),
        ({"videos": -1}, "videos"),
        ({"started": float("nan")}, "started"),
        ({"ended": 1e300}, "ended"),
        ({"complete": None}, "complete"),
    ],
)
def test_what_is_no_manifest_is_refused(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(place)):
        files.JobManifest.model_validate(make_job(with_objects=False).manifest | change)


def test_failed_videos_are_counted_in_manifests_that_have_no_number_of_them() -> None:
    failures = tuple(files.Failure(video=video, code="CorruptMedia") for video in ("a", "a", "b"))
    job = files.JobManifest(job="s3://b/", complete=False, timeline=(), videos=3, parts=1, failures=failures)
    assert job.failed == 2
