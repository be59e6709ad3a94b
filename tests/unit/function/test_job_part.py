"""A part of a job: every piece has an outcome, and a crash or a failure is of its piece alone."""

from __future__ import annotations

import pytest

from function.errors import (
    BadRequest,
    CorruptMedia,
    DeadlineExceeded,
    FunctionError,
    JobIncomplete,
    SourceForbidden,
    SourceUnavailable,
    WorkerCrashed,
)
from function.jobs.part import do_part
from function.models import job_files as files
from function.models.event import parse_as, parse_event
from function.models.job_steps import MAX_ATTEMPTS, ClosePart, OpenPart, Part
from tests.support.memory_s3 import MemoryS3
from tests.unit.function.jobsteps import (
    COUNTERS,
    OUTPUT,
    Json,
    asker,
    cut_up,
    decoded,
    do_all,
    document,
    gathered,
    parts_of,
    store,
    surveyed,
)


def test_several_results_lie_in_buckets_of_their_own_and_a_piece_shows_the_first_object_of_each() -> None:
    s3 = surveyed([0.4], outputs=[{"output": f"s3://{bucket}/a/"} for bucket in ("one", "two", "three")])
    cut_up(s3)

    def decode(request: Json) -> Json:
        places = [one["output"] for one in request["outputs"]]
        result = decoded({**request, "output": places[0]})
        uris = [f"{place}{number}.jpg" for place in places for number in range(3)]
        written = [{"uri": uri, "bytes": 10, "sha256": "0" * 64} for uri in uris]
        outputs = [{"output": place, "format": "jpeg", "objects": 3} for place in places]
        # an answer lists the first objects only
        return result | {"output": written[:6], "objects": 9, "bytes_written": 90, "outputs": outputs}

    do_all(s3, decode)
    gathered(s3)
    summary = document(s3, files.SUMMARY)
    assert (summary["objects"], summary["bytes_written"]) == (9, 90)
    assert summary["results"][0]["output"] == ["s3://one/a/v0.mp4/0.jpg", "s3://two/a/v0.mp4/0.jpg"]
    del s3.objects["s3://one/a/v0.mp4/_manifest.json"]
    assert cut_up(s3)["to_do"] == 1


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
    result = document(s3, files.failed_name(line))
    video = {"bucket": "films", "key": "2024/v0.mp4"}
    done, failed = result["pieces"]
    assert done == {
        "video": video,
        "first": 0,
        "last": 9,
        "frames": 5,
        "manifest": f"{OUTPUT}v0.mp4/rows-00000000/_manifest.json",
        "objects": 5,
        "output": [f"{OUTPUT}v0.mp4/rows-00000000/{n}.jpg" for n in (0, 2, 4)],
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


def test_a_part_whose_results_are_gone_is_done_again() -> None:
    s3 = surveyed([0.4])
    cut_up(s3)
    (part,) = parts_of(s3)
    do_part(part, asker(s3))
    del s3.objects[f"{OUTPUT}v0.mp4/_manifest.json"]
    assert "kept" not in do_part(part, asker(s3))
    assert do_part(part, asker(s3))["kept"]


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


def part_of(s3: MemoryS3, attempt: int = 0) -> Part:
    """The only part of the job."""
    return parts_of(s3)[0].model_copy(update={"attempt": attempt})


def kept(s3: MemoryS3, folder: str) -> list[Json]:
    """The outcomes of the pieces of the only part."""
    (name,) = store(s3).names(folder)
    pieces: list[Json] = document(s3, name)["pieces"]
    return pieces


def test_what_may_pass_is_raised_when_the_other_pieces_are_done_and_kept_in_the_last_attempt() -> None:
    s3 = surveyed([0.2, 0.2], part_seconds=2)
    cut_up(s3)
    asked: list[str] = []

    def decode(request: Json) -> Json | FunctionError:
        asked.append(request["output"])
        return SourceUnavailable("try again") if request["output"].endswith("00/") else decoded(request)

    for attempt in range(MAX_ATTEMPTS - 1):
        with pytest.raises(SourceUnavailable):
            do_part(part_of(s3, attempt), asker(s3, decode))
        assert [piece.get("code") for piece in kept(s3, files.FAILED)] == ["SourceUnavailable", None]
    answer = do_part(part_of(s3, MAX_ATTEMPTS - 1), asker(s3, decode))
    assert (answer["failed"], answer["attempts"]) == (1, MAX_ATTEMPTS)
    assert len(asked) == 2 * MAX_ATTEMPTS
    assert not list(store(s3).names(files.DONE))
    with pytest.raises(JobIncomplete, match=r"1 of 1 videos failed .SourceUnavailable., 0 of 1 parts are missing"):
        gathered(s3)


def test_another_run_tries_the_pieces_that_failed_again() -> None:
    s3 = surveyed([0.2], [0.2], part_seconds=2)
    cut_up(s3)
    do_all(s3, lambda request: SourceForbidden("denied") if "v0" in request["output"] else decoded(request))
    assert cut_up(s3)["to_do"] == 1
    do_all(s3)
    assert gathered(s3)["complete"]
    assert cut_up(s3)["to_do"] == 0


def test_pieces_that_take_all_the_time_come_last_in_the_next_attempt() -> None:
    s3 = surveyed([0.2, 0.2, 0.2, 0.2], part_seconds=4)
    cut_up(s3)
    asked: list[str] = []

    def decode(request: Json) -> Json | FunctionError:
        asked.append(request["output"][-3:-1])
        return DeadlineExceeded("too late") if asked[-1] in ("10", "20") else decoded(request)

    orders = []
    for attempt in range(3):
        with pytest.raises(DeadlineExceeded):
            do_part(part_of(s3, attempt), asker(s3, decode))
        orders.append(asked.copy())
        asked.clear()
    assert orders == [["00", "10"], ["00", "20"], ["00", "30", "10"]]
    assert [piece.get("code") for piece in kept(s3, files.FAILED)] == [None, None, *["DeadlineExceeded"] * 2]


def test_a_part_leaves_time_to_keep_its_outcomes() -> None:
    s3 = surveyed([0.2])
    cut_up(s3)
    reserved: dict[str, float] = {}
    ask = asker(s3)

    def counted(event: Json, reserved_seconds: float = 0) -> Json | FunctionError:
        reserved[event.get("action", "decode")] = reserved_seconds
        return ask(event)

    do_part(part_of(s3), counted)
    assert reserved == {"open_part": 0, "decode": 5, "close_part": 0}


def test_a_result_of_a_part_that_cannot_be_read_is_missing_until_another_run() -> None:
    s3 = surveyed([0.2])
    cut_up(s3)
    do_all(s3)
    (name,) = store(s3).names(files.DONE)
    store(s3).put(name, b"<html>")
    with pytest.raises(JobIncomplete, match="1 of 1 parts are missing"):
        gathered(s3)
    assert cut_up(s3)["to_do"] == 1
    do_all(s3)
    assert gathered(s3)["complete"]


def test_a_video_that_has_changed_since_the_survey_fails() -> None:
    s3 = surveyed([0.4])
    cut_up(s3)
    (part,) = parts_of(s3)
    assert do_part(part, asker(s3, lambda request: decoded(request, "e2")))["failed"] == 1
    (line,) = s3.objects[f"{OUTPUT}_job/parts.jsonl"].splitlines()
    assert document(s3, files.failed_name(line))["pieces"][0]["code"] == "SourceChanged"


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
