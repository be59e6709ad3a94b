"""The videos of a job: found, pinned, named; and their surveys."""

from __future__ import annotations

from typing import Any

import pytest

from function.errors import (
    BadRequest,
    OutputConflict,
    SourceNotFound,
)
from function.models.event import parse_event
from function.models.job import Job
from function.models.job_steps import Survey
from tests.support.memory_s3 import MemoryS3
from tests.unit.function.jobsteps import JOB, OUTPUT, document, films, keep_index, lines, listed, survey_step


def test_a_prefix_lists_its_videos_in_order_and_nothing_else() -> None:
    s3 = films(b=20, a=10)
    s3.objects |= {"s3://films/2024/readme.txt": b"", "s3://films/2024/C.MOV": b"123", "s3://films/2023/x.mp4": b""}
    answer = listed(s3, JOB)
    assert answer == {
        "job": OUTPUT,
        "videos": 3,
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
    [(b"s3://films/a.mp4\nftp", "line 2"), (b"\xff", "UTF-8"), (b'{"bucket": "films"}', "line 1")],
)
def test_a_wrong_line_of_such_an_object_is_named(text: bytes, told: str) -> None:
    with pytest.raises(BadRequest, match=told):
        listed(MemoryS3({"s3://lists/all.txt": text}), JOB | {"videos": {"manifest": "s3://lists/all.txt"}})


def test_a_job_without_videos_fails_with_the_place_that_was_searched() -> None:
    with pytest.raises(SourceNotFound, match="below s3://films/2024/ whose names end in 3gp"):
        listed(MemoryS3(), JOB)
    with pytest.raises(SourceNotFound, match=r"s3://lists/all.txt does not exist"):
        listed(MemoryS3(), JOB | {"videos": {"manifest": "s3://lists/all.txt"}})


def test_another_job_does_not_take_the_place_of_the_first() -> None:
    s3 = films(a=10)
    listed(s3, JOB)
    listed(s3, JOB | {"part_seconds": 7, "concurrency": 3, "videos": ["s3://films/2024/a.mp4"]})
    with pytest.raises(OutputConflict, match="results of another job"):
        listed(s3, JOB | {"frames": "all"})


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
