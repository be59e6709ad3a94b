"""The videos of a job: found, pinned, named; and their surveys."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from function.errors import (
    BadRequest,
    CorruptMedia,
    JobIncomplete,
    OutputConflict,
    OutputNotFound,
    SourceForbidden,
    SourceNotFound,
    SourceUnavailable,
    WorkerCrashed,
)
from function.models.event import parse_event
from function.models.job import Job
from function.models.job_files import ListedVideo
from function.models.job_steps import MAX_ATTEMPTS, Survey
from function.session import Session
from hwang.index import VideoIndex
from tests.support.fakes3 import refused
from tests.support.memory_s3 import MemoryS3
from tests.unit.function.jobsteps import (
    JOB,
    OUTPUT,
    Json,
    cut_up,
    do_all,
    document,
    films,
    gathered,
    keep_index,
    lines,
    listed,
    store,
    survey_step,
    surveyed,
)


def test_a_prefix_lists_its_videos_in_order_and_nothing_else() -> None:
    s3 = films(b=20, a=10)
    s3.objects |= {"s3://films/2024/readme.txt": b"", "s3://films/2024/C.MOV": b"123", "s3://films/2023/x.mp4": b""}
    answer = listed(s3, JOB)
    assert answer == {
        "job": OUTPUT,
        "videos": 3,
        "refused": 0,
        "skipped": 1,
        "chunks": 1,
        "concurrency": 100,
        "tolerated_failure_percentage": 0.0,
        "items": {"bucket": "results", "key": "run/_job/surveys.json"},
    }
    assert [(line["name"], line["bytes"]) for line in lines(s3, "videos/000000.jsonl")] == [
        ("C.MOV", 3),
        ("a.mp4", 10),
        ("b.mp4", 20),
    ]
    assert document(s3, "surveys.json") == [{"action": "survey", "job": OUTPUT, "chunk": 0}]
    assert parse_event(document(s3, "surveys.json")[0]) == Survey(
        action="survey", job=Job.model_validate(JOB).output, chunk=0
    )


def test_what_the_job_writes_itself_is_not_among_its_videos() -> None:
    s3 = films(a=10)
    s3.objects["s3://films/2024/out/a.mp4"] = b"1"
    assert listed(s3, JOB | {"output": "s3://films/2024/out/"})["videos"] == 1


def test_what_several_results_are_written_as_is_not_among_the_videos() -> None:
    s3 = films(a=1)
    s3.objects |= {f"s3://films/2024/{name}/a.mp4.mp4": b"v" for name in ("clips", "clip")}
    s3.objects |= {"s3://films/.keep": b"", "s3://results/.keep": b""}
    listed(s3, JOB | {"outputs": [{"output": "s3://films/2024/clips/", "format": "mp4"}]})
    assert [video["name"] for video in lines(s3, "videos/000000.jsonl")] == ["a.mp4", "clip/a.mp4.mp4"]


def test_the_buckets_of_all_results_are_checked_before_anything_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = films(a=1)
    known = s3.head_bucket

    def head_bucket(Bucket: str) -> Any:  # noqa: N803 - botocore's name
        if Bucket == "nowhere":
            raise refused(404, "NoSuchBucket")
        return known(Bucket=Bucket)

    monkeypatch.setattr(s3, "head_bucket", head_bucket)
    with pytest.raises(OutputNotFound, match="bucket nowhere"):
        listed(s3, JOB | {"outputs": [{"output": "s3://nowhere/a/"}]})
    assert not any("_job/" in uri for uri in s3.objects)


def test_a_chunk_has_250_videos() -> None:
    s3 = MemoryS3()
    answer = listed(s3, JOB | {"videos": [f"s3://films/{n}.mp4" for n in range(251)]})
    assert (answer["videos"], answer["chunks"]) == (251, 2)
    assert [len(lines(s3, f"videos/{chunk:06d}.jsonl")) for chunk in (0, 1)] == [250, 1]


def test_a_list_names_each_video_once_by_a_place_that_no_other_has() -> None:
    s3 = MemoryS3()
    videos: list[Any] = ["s3://films/a/x.mp4", "s3://films/a/x.mp4", "https://host/x.mp4?sign=1", "https://host/x.mp4"]
    videos.append({"bucket": "films", "key": "a/x.mp4", "version_id": "7"})
    listed(s3, JOB | {"videos": videos})
    names = [line["name"] for line in lines(s3, "videos/000000.jsonl")]
    assert names[0] == "films/a/x.mp4"
    assert names[3] == "films/a/x.mp4/7"
    assert all(name.startswith("https/") and name.endswith("-x.mp4") for name in names[1:3])
    assert len(set(names)) == len(names) == 4


@pytest.mark.parametrize("key", ["_job/a.mp4", "a//b.mp4", "a/../b.mp4", "x" * 701 + ".mp4"])
def test_a_key_that_no_result_can_have_is_replaced(key: str) -> None:
    s3 = MemoryS3({f"s3://films/2024/{key}": b"1"})
    listed(s3, JOB)
    (line,) = lines(s3, "videos/000000.jsonl")
    assert line["video"]["key"] == f"2024/{key}"
    assert "/" not in line["name"]
    assert line["name"].endswith(".mp4")


def test_an_object_may_list_the_videos_as_addresses_and_as_json() -> None:
    text = 's3://films/a.mp4\n\n{"bucket": "films", "key": "b.mp4"}\ns3://films/a.mp4\n'
    s3 = MemoryS3({"s3://lists/all.txt": text.encode()})
    assert listed(s3, JOB | {"videos": {"manifest": "s3://lists/all.txt"}})["videos"] == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [(b"\nftp", "line 2: must be like s3://"), (b"\xff", "UTF-8"), (b'{"bucket": "films"}\nftp', "line 1")],
)
def test_a_list_of_wrong_lines_alone_is_refused_with_the_first(text: bytes, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        listed(MemoryS3({"s3://lists/all.txt": text}), JOB | {"videos": {"manifest": "s3://lists/all.txt"}})


def test_a_job_without_videos_fails_with_the_place_that_was_searched() -> None:
    with pytest.raises(SourceNotFound, match="below s3://films/2024/ whose names end in 3gp"):
        listed(MemoryS3(), JOB)
    with pytest.raises(SourceNotFound, match=r"s3://lists/all.txt does not exist"):
        listed(MemoryS3(), JOB | {"videos": {"manifest": "s3://lists/all.txt"}})


@pytest.mark.parametrize("videos", ["s3://films/2024/", {"manifest": "s3://lists/all.txt"}])
def test_a_place_that_may_not_be_read_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch, videos: Any) -> None:
    s3 = films(a=10)
    denied = ClientError(
        {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}},  # type: ignore[typeddict-item]
        "GetObject",
    )

    def deny(**_: Any) -> None:
        raise denied

    monkeypatch.setattr(s3, "list_objects_v2", deny)
    reading = s3.get_object
    monkeypatch.setattr(s3, "get_object", lambda **place: reading(**place) if "_job/" in place["Key"] else deny())
    with pytest.raises(SourceForbidden, match="AccessDenied"):
        listed(s3, JOB | {"videos": videos})


def test_another_job_does_not_take_the_place_of_the_first() -> None:
    s3 = films(a=10)
    listed(s3, JOB)
    listed(s3, JOB | {"part_seconds": 7, "concurrency": 3, "videos": ["s3://films/2024/a.mp4"]})
    with pytest.raises(OutputConflict, match="results of another job"):
        listed(s3, JOB | {"frames": "all"})


def test_a_job_says_which_events_it_was_begun_with_and_one_of_version_1_goes_on_so() -> None:
    s3 = films(a=10)
    listed(s3, JOB)
    kept = document(s3, "job.json")
    assert (kept["events"], "rotate" in kept["job"]) == (2, False)
    assert store(s3).job().settled("jpeg").rotate is True
    with pytest.raises(OutputConflict):
        listed(s3, JOB | {"rotate": False})

    store(s3).put_json("job.json", {"job": kept["job"]})  # as version 1 kept it
    for again in (JOB, JOB | {"rotate": False, "tone": "stored"}):
        listed(s3, again)
        assert document(s3, "job.json") == {"job": kept["job"]}
        begun = store(s3).job()
        assert (begun.rotate, begun.tone) == (False, "stored")
    with pytest.raises(OutputConflict):
        listed(s3, JOB | {"rotate": True})


def test_a_survey_finds_pieces_by_the_index_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    keep_index(s3, "a", 800)
    listed(s3, JOB)
    s3.reads.clear()
    answer = survey(s3)
    assert not [uri for uri in s3.reads if uri.startswith("s3://films/")]
    summary, video = lines(s3, "surveys/000000.jsonl")
    assert (answer["videos"], answer["failed"]) == (1, 0)
    assert summary["seconds"] == pytest.approx(answer["seconds"], abs=1e-3)
    assert sum(piece["count"] for piece in video["pieces"]) == 32
    assert len(video["pieces"]) > 3
    s3.reads.clear()
    assert survey(s3) == answer
    assert not [uri for uri in s3.reads if uri.endswith(".hwang")]


def test_a_survey_of_another_job_or_other_videos_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    keep_index(s3, "a", 100)
    listed(s3, JOB)
    first = survey(s3)
    listed(s3, JOB | {"part_seconds": 2})
    keep_index(s3, "b", 100)
    listed(s3, JOB)
    assert survey(s3)["videos"] == first["videos"] + 1


def test_a_sheet_is_one_piece_with_the_frames_as_they_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    keep_index(s3, "a", 800)
    listed(s3, JOB | {"frames": {"count": 16}, "format": "sheet"})
    survey(s3)
    (piece,) = lines(s3, "surveys/000000.jsonl")[1]["pieces"]
    assert piece["frames"] == {"count": 16}
    assert (piece["first"], piece["last"], piece["count"]) == (25, 775, 16)


def test_a_wrong_line_among_good_ones_is_a_failure_of_that_line_alone() -> None:
    text = '\ufeffs3://films/a.mp4\nftp\n{"bucket": "films"}\n\ns3://films/b.mp4\n'
    s3 = MemoryS3({"s3://lists/all.txt": text.encode() + b"\xff\n"})
    answer = listed(s3, JOB | {"videos": {"manifest": "s3://lists/all.txt"}})
    assert (answer["videos"], answer["refused"]) == (2, 3)
    assert document(s3, "listing.json")["refusals"] == [
        {
            "video": f"s3://lists/all.txt line {number}",
            "code": "BadRequest",
            "message": f"videos.manifest line {number}: {told}",
        }
        for number, told in (
            (2, "must be like s3://bucket/key or https://host/path"),
            (3, "is required"),
            (6, "is not UTF-8"),
        )
    ]


def test_keys_that_are_no_videos_are_counted_and_the_first_named() -> None:
    s3 = films(a=10)
    s3.objects |= {f"s3://films/2024/{n:02}.txt": b"" for n in range(30)} | {"s3://films/2024/folder/": b""}
    assert listed(s3, JOB)["skipped"] == 30
    assert document(s3, "listing.json") == {
        "refused": 0,
        "refusals": [],
        "skipped": 30,
        "skipped_keys": [f"s3://films/2024/{n:02}.txt" for n in range(20)],
    }


def test_a_key_that_reads_like_a_version_of_another_has_a_place_of_its_own() -> None:
    s3 = MemoryS3()
    version = {"bucket": "films", "key": "a.mp4", "version_id": "7"}
    listed(s3, JOB | {"videos": [version, "s3://films/a.mp4/7", "s3://films/a.mp4"]})
    first, second, third = [line["name"] for line in lines(s3, "videos/000000.jsonl")]
    assert (first, third) == ("films/a.mp4/7", "films/a.mp4")
    assert second.endswith("-7")
    assert "/" not in second


def test_what_an_earlier_run_has_cut_holds_no_more_once_the_videos_are_listed_again() -> None:
    s3 = surveyed([0.4])
    cut_up(s3)
    do_all(s3)
    s3.objects["s3://films/2024/a.mp4"] = b"v"
    listed(s3, JOB)
    with pytest.raises(JobIncomplete, match="not all surveyed"):
        gathered(s3)


def put_videos(s3: MemoryS3, count: int) -> None:
    for number in range(count):
        keep_index(s3, f"{number:04}", 100)


Surveyed = Callable[[ListedVideo, Session], tuple[VideoIndex, str, int]]


def failing(monkeypatch: pytest.MonkeyPatch, failures: dict[str, Callable[[Session], object]]) -> list[str]:
    """The videos that are indexed from now on; those of these names call what is given first."""
    from function.jobs import survey

    indexed: Surveyed = survey._indexed
    asked: list[str] = []

    def fail(video: ListedVideo, of: Session) -> tuple[VideoIndex, str, int]:
        asked.append(video.name)
        if video.name in failures:
            failures[video.name](of)
        return indexed(video, of)

    monkeypatch.setattr(survey, "_indexed", fail)
    return asked


def raising(error: Exception) -> Callable[[Session], object]:
    def fail(_: Session) -> None:
        raise error

    return fail


def failures_of(s3: MemoryS3) -> dict[str, Json]:
    videos = [line for line in lines(s3, "surveys/000000.jsonl")[1:] if "failure" in line]
    return {video["name"]: video["failure"] for video in videos}


def test_a_video_that_cannot_be_had_fails_alone_after_all_attempts_and_another_run_asks_for_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    put_videos(s3, 9)
    listed(s3, JOB)
    gone = {"0003.mp4": raising(SourceUnavailable("no answer")), "0005.mp4": raising(CorruptMedia("cut off"))}
    asked = failing(monkeypatch, gone)
    answer = survey(s3)
    assert (answer["videos"], answer["failed"], answer["passing"]) == (9, 2, 1)
    assert Counter(asked) == {f"{number:04}.mp4": MAX_ATTEMPTS if number == 3 else 1 for number in range(9)}
    assert failures_of(s3) == {
        "0003.mp4": {"code": "SourceUnavailable", "message": "no answer", "retryable": True},
        "0005.mp4": {"code": "CorruptMedia", "message": "cut off"},
    }
    asked.clear()
    gone.clear()
    assert survey(s3)["failed"] == 0
    assert sorted(asked) == ["0003.mp4", "0005.mp4"]
    asked.clear()
    survey(s3)
    assert asked == []


def test_videos_that_hang_leave_time_to_the_others_and_fail_once_they_had_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    put_videos(s3, 12)
    listed(s3, JOB)
    given: list[float] = []
    ended = threading.Event()

    def hang(of: Session) -> None:
        given.append(of.deadline.seconds_left)
        ended.wait(60)

    asked = failing(monkeypatch, {f"{number:04}.mp4": hang for number in range(8)})
    before = time.monotonic()
    with pytest.raises(SourceUnavailable, match="12 of 12 videos cannot be surveyed for now"):
        survey(s3, seconds=2.0, attempts=range(1))
    assert given[0] == pytest.approx(1.5 / 16, abs=0.05)
    assert [failures_of(s3)[f"{number:04}.mp4"]["code"] for number in (0, 8)] == [
        "DeadlineExceeded",
        "SourceUnavailable",
    ]
    asked.clear()
    answer = survey(s3, seconds=2.0, attempts=range(1, 3))
    ended.set()
    assert time.monotonic() - before < 15
    assert {"0008.mp4", "0009.mp4", "0010.mp4", "0011.mp4"} <= set(asked[:12])
    assert (answer["failed"], answer["passing"]) == (8, 0)
    assert {failure["code"] for failure in failures_of(s3).values()} == {"DeadlineExceeded"}


def test_a_video_that_crashes_the_worker_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    put_videos(s3, 250)
    listed(s3, JOB)

    def crash(event: Json) -> None:
        if event["start"] <= 77 < event["stop"] and "failure" not in event:
            raise WorkerCrashed("the worker was ended by SIGSEGV")

    assert survey(s3, crash)["failed"] == 1
    crashed = {"code": "WorkerCrashed", "message": "the worker was ended by SIGSEGV", "retryable": False}
    assert failures_of(s3) == {"0077.mp4": crashed}


def test_a_survey_that_cannot_be_kept_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    put_videos(s3, 9)
    listed(s3, JOB)
    asked: list[Json] = []

    def refuse(event: Json) -> None:
        asked.append(event)
        raise SourceUnavailable("S3 does not answer")

    with pytest.raises(SourceUnavailable):
        survey(s3, refuse, attempts=range(1))
    assert len(asked) == 2


def test_a_survey_that_is_damaged_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    put_videos(s3, 1)
    listed(s3, JOB)
    s3.objects[f"{OUTPUT}_job/surveys/000000.jsonl"] = b"<html>"
    assert survey(s3)["failed"] == 0


def test_a_video_of_another_size_fails_alone_in_a_reduction_over_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    survey = survey_step(monkeypatch)
    s3 = MemoryS3()
    keep_index(s3, "a", 100, width=640)
    for name in ("b", "c"):
        keep_index(s3, name, 100)
    listed(s3, JOB | {"reduce": "mean"})
    survey(s3)
    assert cut_up(s3)["pieces"] == 2
    do_all(s3, lambda _: CorruptMedia("not here"))
    with pytest.raises(JobIncomplete, match="3 of 3"):
        gathered(s3)
    failures = document(s3, "summary.json")["failures"]
    assert (
        failures[0]["message"]
        == "its frames have 640x720 pixels, and those of most videos 1280x720; give the job a size"
    )
