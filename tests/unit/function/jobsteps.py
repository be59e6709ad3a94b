"""The steps of a job over S3 in memory, with decodes that are answered and not done."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from function.deadline import Deadline
from function.errors import FunctionError, SourceUnavailable
from function.jobs.cut import cut
from function.jobs.gather import gather
from function.jobs.listing import list_videos
from function.jobs.part import Ask, close_part, do_part, open_part
from function.jobs.store import Store
from function.models import job_files as files
from function.models.event import parse_as
from function.models.job import Job
from function.models.job_steps import (
    MAX_ATTEMPTS,
    ClosePart,
    Cut,
    Gather,
    List,
    OpenPart,
    Part,
    Survey,
    SurveyRange,
)
from function.session import Session
from hwang.index import VideoIndex
from tests.support.memory_s3 import MemoryS3, etag_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Json = dict[str, Any]
OUTPUT = "s3://results/run/"
JOB: Json = {"videos": "s3://films/2024/", "frames": {"every_seconds": 1}, "output": OUTPUT, "part_seconds": 1}
COUNTERS = {"bytes_read": 100, "requests": 4, "samples_decoded": 50, "samples_skipped": 3, "frames_decoded": 2}


def session(s3: MemoryS3) -> Session:
    return Session(cast("S3Client", s3))


def store(s3: MemoryS3) -> Store:
    return Store(session(s3).client, Job.model_validate(JOB).output)


def document(s3: MemoryS3, name: str) -> Any:
    return json.loads(s3.objects[f"{OUTPUT}_job/{name}"])


def lines(s3: MemoryS3, name: str) -> list[Any]:
    return [json.loads(line) for line in s3.objects[f"{OUTPUT}_job/{name}"].splitlines()]


def listed(s3: MemoryS3, job: Json) -> Json:
    return list_videos(parse_as({"action": "list", "job": job}, List), session(s3))


def films(**sizes: int) -> MemoryS3:
    """Videos of so many bytes below the job's prefix."""
    return MemoryS3({f"s3://films/2024/{name}.mp4": b"v" * size for name, size in sizes.items()})


def surveyed(*pieces: list[float], **job: Any) -> MemoryS3:
    """A job whose videos were surveyed: the predicted seconds of each video's pieces."""
    s3 = MemoryS3()
    kept = store(s3)
    kept.put_json(files.JOB, {"job": Job.model_validate(JOB | job).document(), "events": 2})
    kept.put_json(files.SURVEY_EVENTS, [{"action": "survey", "job": OUTPUT, "chunk": chunk} for chunk in range(2)])
    videos = [_surveyed(f"v{number}.mp4", seconds) for number, seconds in enumerate(pieces)]
    for chunk, some in enumerate((videos[:1], videos[1:])):
        summary = files.SurveySummary(version="1", videos=len(some), seconds=sum(video.seconds for video in some))
        kept.put_lines(files.survey_name(chunk), [summary, *some])
    return s3


def _surveyed(name: str, seconds: list[float]) -> files.SurveyedVideo:
    pieces = [
        {"frames": f"{10 * n}:{10 * n + 10}:1", "first": 10 * n, "last": 10 * n + 9, "count": 10, "seconds": one}
        for n, one in enumerate(seconds)
    ]
    found: Json = {"pieces": pieces} if pieces else {"failure": {"code": "CorruptMedia", "message": "it is cut off"}}
    video = {"bucket": "films", "key": f"2024/{name}"}
    return files.SurveyedVideo.model_validate({"video": video, "name": name, "etag": "e1", "bytes": 1000, **found})


def cut_up(s3: MemoryS3) -> Json:
    return cut(parse_as({"action": "cut", "job": OUTPUT}, Cut), session(s3))


def decoded(request: Json, etag: str = "e1") -> Json:
    """The result of a decode that worked."""
    uri = "s3://{bucket}/{key}".format(**request["video"])
    video = {"uri": uri, "etag": etag, "bytes": 5, "width": 64, "height": 48, "rotation": 0, "frames": 100}
    video |= {"fps": 25.0, "seconds": 4.0, "keyframes": 2, "codec": "h264", "container": "mp4"}
    output = [{"uri": f"{request['output']}{n}.jpg", "bytes": 100, "sha256": "0" * 64, "row": n} for n in range(5)]
    return {
        "request": "0" * 32,
        "video": video,
        "frames": {"count": 5},
        "output": output,
        "objects": 5,
        "manifest": f"{request['output']}_manifest.json",
        "counters": COUNTERS,
        "milliseconds": {"open": 10.5, "decode": 100.25},
    }


Decoding = Callable[[Json], Json | FunctionError]


def asker(s3: MemoryS3, decode: Decoding = decoded) -> Ask:
    """Carries a part's messages out as the worker does, through JSON; a decode is answered by `decode`."""

    def ask(event: Json, reserved_seconds: float = 0) -> Json | FunctionError:  # noqa: ARG001
        event = json.loads(json.dumps(event))
        try:
            match event.get("action"):
                case "open_part":
                    return open_part(parse_as(event, OpenPart), session(s3))
                case "close_part":
                    return close_part(parse_as(event, ClosePart), session(s3))
            outcome = decode(event)
        except FunctionError as error:
            return error
        if isinstance(outcome, dict):
            s3.objects.setdefault(outcome["manifest"], b"{}")
        return outcome

    return ask


def parts_of(s3: MemoryS3) -> list[Part]:
    return [parse_as({**event, "attempt": 0}, Part) for event in document(s3, "parts.json")]


def do_all(s3: MemoryS3, decode: Decoding = decoded) -> None:
    for part in parts_of(s3):
        do_part(part, asker(s3, decode))


def gathered(s3: MemoryS3) -> Json:
    return gather(parse_as({"action": "gather", "job": OUTPUT}, Gather), session(s3))


def keep_index(s3: MemoryS3, name: str, frames: int, gop: int = 50, width: int = 1280) -> None:
    """A video of 720p at 25 frames a second whose index is kept."""
    rows: Any = np.arange(frames)
    index = VideoIndex(
        sample_offset=rows * 100,
        sample_size=np.full(frames, 100),
        pts=rows,
        dts=rows,
        sync=rows % gop == 0,
        disposable=np.zeros(frames, np.bool_),
        order=rows,
        row_pts=rows,
        width=width,
        height=720,
        time_base=(1, 25),
        duration_ticks=frames,
        container="mp4",
        codec="h264",
    )
    data = s3.objects[f"s3://films/2024/{name}.mp4"] = name.encode().ljust(frames * 100, b"v")
    s3.objects[f"s3://results/indexes/films/2024/{name}.mp4.{etag_of(data)}.hwang"] = index.serialize()


def survey_step(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Json]:
    """The step for all chunks, in its attempts, which returns the first one's answer.

    `asked` may raise what the worker dies of.

    The compiled core is replaced where it is not built; indexes are kept below s3://results/.
    """
    try:
        from hwang import _core  # noqa: F401
    except ImportError:
        monkeypatch.setitem(sys.modules, "hwang._core", ModuleType("hwang._core"))
    from function.jobs import chunk, survey

    monkeypatch.setenv("HWANG_INDEX_CACHE", "s3://results/indexes/")
    monkeypatch.setattr("time.sleep", lambda _: None)

    def all_chunks(
        s3: MemoryS3,
        asked: Callable[[Json], None] = lambda _: None,
        seconds: float = math.inf,
        attempts: range = range(MAX_ATTEMPTS),
    ) -> Json:
        def ask(event: Json, reserved_seconds: float = 0) -> Json | FunctionError:  # noqa: ARG001
            try:
                asked(event)
                of = Session(session(s3).client, Deadline.within(seconds))
                return survey.survey_range(parse_as(event, SurveyRange), of)
            except FunctionError as error:
                return error

        def tried(event: Json) -> Json:
            for attempt in attempts:
                try:
                    return chunk.do_survey(parse_as(event | {"attempt": attempt}, Survey), ask)
                except SourceUnavailable:
                    if attempt == attempts[-1]:
                        raise
            raise AssertionError

        first, *_ = [tried(event) for event in document(s3, files.SURVEY_EVENTS)]
        return first

    return all_chunks
