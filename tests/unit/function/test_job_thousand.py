"""One bad video among a thousand costs one result, whichever step it is bad in, and the job names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from function.errors import (
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    JobIncomplete,
    OutputForbidden,
    SourceUnavailable,
    WorkerCrashed,
)
from function.frames import own_code
from function.jobs import gather as gather_module
from function.jobs.part import do_part
from function.models.job_files import ListedVideo
from function.models.job_steps import MAX_ATTEMPTS
from function.session import Session
from tests.support.memory_s3 import MemoryS3, etag_of
from tests.unit.function.jobsteps import (
    JOB,
    OUTPUT,
    Decoding,
    Json,
    asker,
    cut_up,
    decoded,
    document,
    gathered,
    keep_index,
    listed,
    parts_of,
    survey_step,
    surveyed,
)

VIDEOS = 1000
BAD = "0500"
URI = f"s3://films/2024/{BAD}.mp4"
WHOLE: Json = {"frames": "0:5", "part_seconds": 10}


@pytest.fixture
def survey(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Json]:
    return survey_step(monkeypatch)


def thousand() -> MemoryS3:
    s3 = MemoryS3()
    for number in range(VIDEOS):
        keep_index(s3, f"{number:04}", 10)
    return s3


def work(s3: MemoryS3, decode: Decoding) -> None:
    """All parts, tried as often as the state machine tries them."""
    cut_up(s3)
    for part in parts_of(s3):
        for attempt in range(MAX_ATTEMPTS):
            try:
                do_part(part.model_copy(update={"attempt": attempt}), asker(s3, decode))
                break
            except (SourceUnavailable, DeadlineExceeded):
                continue
        else:
            pytest.fail("the last attempt keeps what fails")


def fetching(s3: MemoryS3, error: FunctionError | None = None) -> Decoding:
    """Decodes of which those of the bad video end in the error."""

    def decode(request: Json) -> Json | FunctionError:
        if error and BAD in request["video"]["key"]:
            return error
        return decoded(request, etag_of(s3.objects["s3://{bucket}/{key}".format(**request["video"])]))

    return decode


def check(s3: MemoryS3, code: str, bad: str = URI) -> None:
    """999 results and a failure that is named; the job is done if it tolerates a thousandth."""
    with pytest.raises(JobIncomplete, match=f"1 of 1000 videos failed .{code}., 0 of ") as raised:
        gathered(s3)
    assert bad in raised.value.message
    summary = document(s3, "summary.json")
    videos = {result["video"] for result in summary["results"] if "_job/" not in result["output"][0]}
    assert len(videos) == VIDEOS - 1
    assert [(failure["video"], failure["code"]) for failure in summary["failures"]] == [(bad, code)]
    assert bad.rpartition("/")[2] in s3.objects[f"{OUTPUT}report.html"].decode()
    name = f"{OUTPUT}_job/job.json"
    s3.objects[name] = s3.objects[name].replace(b'{"job": {', b'{"job": {"tolerated_failure_percentage": 0.1, ')
    answer = gathered(s3)
    assert (answer["videos"], answer["failed_videos"], answer["complete"]) == (VIDEOS, 1, False)


def test_a_line_that_is_no_video(survey: Callable[..., Json], monkeypatch: pytest.MonkeyPatch) -> None:
    from function.jobs import survey as module

    s3 = thousand()
    lines = [f"s3://films/2024/{number:04}.mp4" for number in range(VIDEOS)]
    lines[500] = "ftp"
    s3.objects["s3://lists/all.txt"] = "\n".join(lines).encode()
    listed(s3, JOB | WHOLE | {"videos": {"manifest": "s3://lists/all.txt"}})
    indexed = module._indexed

    def pinned(video: ListedVideo, session: Session) -> Any:
        data = s3.objects[video.video.uri]  # type: ignore[union-attr]
        return indexed(video.model_copy(update={"etag": etag_of(data), "bytes": len(data)}), session)

    monkeypatch.setattr(module, "_indexed", pinned)
    survey(s3)
    work(s3, fetching(s3))
    check(s3, "BadRequest", "s3://lists/all.txt line 501")


def test_a_video_that_has_no_answer_for_the_survey(
    survey: Callable[..., Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    from function.jobs import survey as module

    s3 = thousand()
    listed(s3, JOB | WHOLE)
    indexed = module._indexed

    def fail(video: ListedVideo, session: Session) -> Any:
        if video.name == f"{BAD}.mp4":
            raise SourceUnavailable("no answer")
        return indexed(video, session)

    monkeypatch.setattr(module, "_indexed", fail)
    survey(s3)
    work(s3, fetching(s3))
    check(s3, "SourceUnavailable")


def test_a_video_that_crashes_the_survey(survey: Callable[..., Json]) -> None:
    s3 = thousand()
    listed(s3, JOB | WHOLE)

    def crash(event: Json) -> None:
        if event["chunk"] == 2 and event["start"] == 0 < event["stop"] and "failure" not in event:
            raise WorkerCrashed("it was ended by SIGSEGV")

    survey(s3, crash)
    work(s3, fetching(s3))
    check(s3, "WorkerCrashed")


@pytest.mark.parametrize(
    "error",
    [
        SourceUnavailable("no answer"),
        DeadlineExceeded("too late"),
        WorkerCrashed("it was ended by SIGSEGV"),
        OutputForbidden("denied"),
    ],
    ids=repr,
)
def test_a_video_that_cannot_be_read_or_written(survey: Callable[..., Json], error: FunctionError) -> None:
    s3 = thousand()
    listed(s3, JOB | WHOLE)
    survey(s3)
    work(s3, fetching(s3, error))
    check(s3, error.code)


def test_a_video_that_cannot_be_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_code, "content", lambda: "c" * 32)
    s3 = surveyed(*[[0.2, 0.2]] * VIDEOS, apply="embed")

    def decode(request: Json) -> Json:
        written = {"uri": request["output"], "bytes": 100, "sha256": "0" * 64}
        return decoded(request) | {"output": [written], "objects": 1}

    def join(_store: object, _job: object, pieces: list[str], key: str, _session: object) -> Json:
        if f"v{int(BAD)}." in key:
            raise CorruptMedia(f"{pieces[0]} is damaged")
        return {
            "frames": {"count": 10},
            "manifest": f"s3://results/{key}.json",
            "output": [{"uri": f"s3://results/{key}"}],
        }

    monkeypatch.setattr(gather_module, "join", join)
    work(s3, decode)
    uri = f"s3://films/2024/v{int(BAD)}.mp4"
    with pytest.raises(JobIncomplete, match=r"1 of 1000 videos failed .CorruptMedia., 0 of ") as raised:
        gathered(s3)
    assert uri in raised.value.message
    whole = [result for result in document(s3, "summary.json")["results"] if "_job/" not in result["output"][0]]
    assert len(whole) == VIDEOS - 1
