"""A part of a job: every piece has an outcome, and a crash or a failure is of its piece alone."""

from __future__ import annotations

import pytest

from function.errors import (
    BadRequest,
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    SourceUnavailable,
    WorkerCrashed,
)
from function.jobs.part import do_part
from function.models import job_files as files
from function.models.event import parse_as, parse_event
from function.models.job_steps import Part
from function.models.part_messages import ClosePart, OpenPart
from tests.unit.function.jobsteps import (
    COUNTERS,
    OUTPUT,
    Json,
    asker,
    cut_up,
    decoded,
    document,
    parts_of,
    store,
    surveyed,
)


def test_a_part_keeps_the_outcome_of_every_piece() -> None:
    s3 = surveyed([0.4, 0.4], part_seconds=2)
    cut_up(s3)
    (part,) = parts_of(s3)

    def decode(request: Json) -> Json | FunctionError:
        return CorruptMedia("it is cut off") if request["output"].endswith("10/") else decoded(request)

    answer = do_part(part, asker(s3, decode))
    assert answer == {
        "part": 0,
        "pieces": 2,
        "failed": 1,
        "frames": 5,
        "attempts": 1,
        "milliseconds": {"open": 10.5, "decode": 100.2},
        "counters": COUNTERS,
    }
    (line,) = s3.objects[f"{OUTPUT}_job/parts.jsonl"].splitlines()
    result = document(s3, files.done_name(line))
    video = {"bucket": "films", "key": "2024/v0.mp4"}
    done, failed = result["pieces"]
    assert done == {
        "video": video,
        "first": 0,
        "last": 9,
        "frames": 5,
        "manifest": f"{OUTPUT}v0.mp4/rows-00000000/_manifest.json",
        "objects": 5,
        "output": [f"{OUTPUT}v0.mp4/rows-00000000/{n}.jpg" for n in range(3)],
        "bytes_written": 500,
        "counters": COUNTERS,
        "milliseconds": {"open": 10.5, "decode": 100.25},
    }
    assert failed == {"video": video, "first": 10, "last": 19, "code": "CorruptMedia", "message": "it is cut off"}
    assert result["started"] <= result["ended"]
    assert result["predicted_seconds"] == 0.8


def test_a_part_that_is_done_is_not_done_again() -> None:
    s3 = surveyed([0.4])
    cut_up(s3)
    (part,) = parts_of(s3)
    first = do_part(part, asker(s3))
    again = do_part(part, asker(s3, lambda _: pytest.fail("nothing is to be decoded")))
    assert again == {**first, "kept": True}


def test_a_piece_that_crashes_the_worker_is_tried_twice_and_fails_alone() -> None:
    s3 = surveyed([0.2, 0.2], [0.2], part_seconds=2)
    cut_up(s3)
    (part,) = parts_of(s3)
    asked: list[str] = []

    def decode(request: Json) -> Json | FunctionError:
        asked.append(request["output"])
        crashes = {f"{OUTPUT}v0.mp4/rows-00000000/": 1, f"{OUTPUT}v1.mp4/": 2}
        if asked.count(asked[-1]) <= crashes.get(asked[-1], 0):
            return WorkerCrashed("the process that did the work has died")
        return decoded(request)

    assert do_part(part, asker(s3, decode))["failed"] == 1
    assert len(asked) == 5


def test_what_may_pass_is_raised_when_the_other_pieces_are_done() -> None:
    s3 = surveyed([0.2, 0.2], part_seconds=2)
    cut_up(s3)
    (part,) = parts_of(s3)
    asked: list[str] = []

    def decode(request: Json) -> Json | FunctionError:
        asked.append(request["output"])
        return SourceUnavailable("try again") if len(asked) == 1 else decoded(request)

    with pytest.raises(SourceUnavailable):
        do_part(part, asker(s3, decode))
    assert len(asked) == 2
    assert not list(store(s3).names(files.DONE))


def test_a_part_whose_time_is_up_begins_no_other_piece() -> None:
    s3 = surveyed([0.2, 0.2], part_seconds=2)
    cut_up(s3)
    (part,) = parts_of(s3)
    asked: list[str] = []

    def decode(request: Json) -> Json | FunctionError:
        asked.append(request["output"])
        return DeadlineExceeded("too late")

    with pytest.raises(DeadlineExceeded):
        do_part(part, asker(s3, decode))
    assert len(asked) == 1


def test_a_video_that_has_changed_since_the_survey_fails() -> None:
    s3 = surveyed([0.4])
    cut_up(s3)
    (part,) = parts_of(s3)
    assert do_part(part, asker(s3, lambda request: decoded(request, "e2")))["failed"] == 1
    (line,) = s3.objects[f"{OUTPUT}_job/parts.jsonl"].splitlines()
    assert document(s3, files.done_name(line))["pieces"][0]["code"] == "SourceChanged"


def test_a_message_about_a_part_that_is_malformed_is_refused() -> None:
    place = {"job": OUTPUT, "part": 0, "offset": 0, "length": 9}
    outcome = {"video": "s3://films/a.mp4", "first": 0, "last": 9}
    with pytest.raises(BadRequest, match=r"length: is required"):
        parse_as({"job": OUTPUT, "part": 0, "offset": 0, "action": "open_part"}, OpenPart)
    with pytest.raises(BadRequest, match=r"outcomes\[0\]"):
        parse_as({**place, "action": "close_part", "started": 1.0, "outcomes": [outcome]}, ClosePart)
    with pytest.raises(BadRequest, match="offset: must be an integer, not a string"):
        parse_as({**place, "offset": "0", "action": "part"}, Part)
    with pytest.raises(BadRequest, match="must be one of"):
        parse_event({**place, "action": "open_part"})
