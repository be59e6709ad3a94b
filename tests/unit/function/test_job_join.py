"""Own code in a job: pieces of a video joined in one result, in the order of rows; keyed by the code."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest

from function.errors import CorruptMedia, FunctionError, JobIncomplete, SourceUnavailable
from function.frames import own_code
from function.jobs import gather as gather_module
from function.models import job_files as files
from function.models.places import Output
from function.models.result import FrameList
from function.output.applied import Results, write_applied
from function.output.publish import Publication
from function.output.undo_log import Journal
from tests.support.memory_s3 import MemoryS3
from tests.unit.function.jobsteps import (
    COUNTERS,
    OUTPUT,
    Json,
    cut_up,
    decoded,
    do_all,
    document,
    gathered,
    lines,
    session,
    surveyed,
)

OTHER_ROWS = {0: [0, 1, 4, 6], 10: [2, 3, 5, 9]}  # of pieces whose rows lie between each other's, by their first
CODE = "c" * 32


@pytest.fixture(autouse=True)
def code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_code, "content", lambda: CODE)


def results_of(s3: MemoryS3, rows_of: Any = None, *, clockless: bool = False, with_asked: bool = False) -> Any:
    """A decode that applies a function: a vector of each row, or JSON values."""

    def decode(request: Json) -> Json | FunctionError:
        first = int(request["frames"].split(":")[0])
        rows = np.array((rows_of or {}).get(first, list(range(first, first + 10))), np.int64)
        seconds = [float("nan")] * len(rows) if clockless else (rows / 25).tolist()
        output = Output(bucket="results", key=request["output"].removeprefix("s3://results/"))
        parts: list[Any] = [rows[:3], rows[3:]]
        if request["format"] == "jsonl":
            parts = [[{"row": row} for row in part.tolist()] for part in parts]
        else:
            parts = [np.stack([part, part * 2.5], 1) for part in parts]
        journal = Journal("run", "asked", output.manifest_key, lambda _: None)
        with Publication(session(s3).client, output, files_writing(), journal) as publication:
            written = write_applied(
                publication, output, request["format"], Results("embed", rows, seconds, iter(parts))
            )
            result = decoded(request) | {
                "request": f"{first:032d}",
                "frames": FrameList.of(
                    rows.tolist(), seconds, (rows + 0.5).tolist() if with_asked else None
                ).model_dump(exclude_none=True),
                "output": [one.model_dump(exclude_none=True) for one in written],
                "objects": 1,
                "manifest": f"s3://results/{output.manifest_key}",
                "applied": {"function": "embed", "image": CODE},
            }
            publication.put_manifest(json.dumps(result).encode())
        return result

    return decode


def files_writing() -> Any:
    from function.models.form import Writing

    return Writing()


def job_of(format_: str, *pieces: list[float]) -> MemoryS3:
    s3 = surveyed(*pieces, apply="embed", format=format_)
    cut_up(s3)
    return s3


def joined(s3: MemoryS3, name: str) -> tuple[list[int], Any]:
    """Rows and values of a result."""
    data = s3.objects[f"{OUTPUT}{name}"]
    if name.endswith("jsonl"):
        some = [json.loads(line) for line in data.splitlines()]
        return [one["row"] for one in some], [one["value"]["row"] for one in some]
    found = np.load(io.BytesIO(data), allow_pickle=False)
    if name.endswith("npy"):
        return found[:, 0].astype(int).tolist(), found
    return found["rows"].tolist(), found["values"]


@pytest.mark.parametrize("format_", ["npy", "npz", "jsonl"])
@pytest.mark.parametrize("rows_of", [None, OTHER_ROWS])
def test_the_pieces_of_a_video_are_joined_in_the_order_of_rows(format_: str, rows_of: Any) -> None:
    s3 = job_of(format_, [0.6, 0.6], [0.4])
    assert {request["apply"] for request in requests(s3)} == {f"embed@{CODE}"}
    do_all(s3, results_of(s3, rows_of))
    answer = gathered(s3)
    assert answer["complete"]
    rows, values = joined(s3, f"v0.mp4.{format_}")
    assert rows == (list(range(20)) if rows_of is None else [0, 1, 2, 3, 4, 5, 6, 9])
    expected = rows if format_ == "jsonl" else np.stack([rows, np.array(rows) * 2.5], 1)
    np.testing.assert_array_equal(values, expected)
    single = rows_of[0] if rows_of else list(range(10))
    assert joined(s3, f"v1.mp4.{format_}")[0] == single
    manifest = json.loads(s3.objects[f"{OUTPUT}v0.mp4.{format_}.manifest.json"])
    assert manifest["frames"] == {"count": len(rows), "rows": rows, "timestamps": [row / 25 for row in rows]}
    assert manifest["counters"] == {name: 2 * value for name, value in COUNTERS.items()}
    results = json.loads(s3.objects[f"{OUTPUT}_manifest.json"])["results"]
    assert {(one["video"], one["frames"], tuple(one["output"])) for one in results} == {
        ("s3://films/2024/v0.mp4", len(rows), (f"{OUTPUT}v0.mp4.{format_}",)),
        ("s3://films/2024/v1.mp4", len(single), (f"{OUTPUT}v1.mp4.{format_}",)),
    }


def test_the_times_asked_for_are_joined_with_their_rows() -> None:
    s3 = job_of("npz", [0.6, 0.6])
    decode = results_of(s3, OTHER_ROWS, with_asked=True)
    do_all(s3, decode)
    gathered(s3)
    frames = json.loads(s3.objects[f"{OUTPUT}v0.mp4.npz.manifest.json"])["frames"]
    assert frames["rows"] == [0, 1, 2, 3, 4, 5, 6, 9]
    assert frames["asked"] == [row + 0.5 for row in frames["rows"]]


def requests(s3: MemoryS3) -> list[Json]:
    return [piece["request"] for part in lines(s3, files.PARTS) for piece in part["pieces"]]


def test_a_raw_stream_is_joined_without_times() -> None:
    s3 = job_of("npz", [0.6, 0.6])
    do_all(s3, results_of(s3, clockless=True))
    gathered(s3)
    assert "timestamps" not in json.loads(s3.objects[f"{OUTPUT}v0.mp4.npz.manifest.json"])["frames"]
    assert np.isnan(np.load(io.BytesIO(s3.objects[f"{OUTPUT}v0.mp4.npz"]))["timestamps"]).all()


def test_other_code_makes_other_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = job_of("npz", [0.6, 0.6])
    do_all(s3, results_of(s3))
    assert cut_up(s3)["to_do"] == 0
    monkeypatch.setattr(own_code, "content", lambda: "d" * 32)
    assert cut_up(s3)["to_do"] == 2


def test_pieces_of_a_video_that_is_not_whole_stay_apart() -> None:
    s3 = job_of("npz", [0.6, 0.6])
    decode = results_of(s3)
    do_all(
        s3, lambda request: CorruptMedia("it is cut off") if request["frames"].startswith("10:") else decode(request)
    )
    with pytest.raises(JobIncomplete):
        gathered(s3)
    assert f"{OUTPUT}v0.mp4.npz" not in s3.objects
    [result] = document(s3, files.SUMMARY)["results"]
    assert result["output"] == [f"{OUTPUT}_job/pieces/v0.mp4/rows-00000000.npy"]


@pytest.mark.parametrize("format_", ["npy", "npz", "jsonl"])
def test_a_piece_that_is_damaged_fails_its_video_alone_and_is_made_again(format_: str) -> None:
    s3 = job_of(format_, [0.6, 0.6], [0.6, 0.6])
    do_all(s3, results_of(s3))
    piece = f"rows-00000010.{'npy' if format_ == 'npz' else format_}"
    uri = f"{OUTPUT}_job/pieces/v0.mp4/{piece}"
    s3.objects[uri] = s3.objects[uri][:-30]
    with pytest.raises(JobIncomplete, match=r"1 of 2 videos failed .CorruptMedia.") as raised:
        gathered(s3)
    failures: Any = raised.value.detail["failures"]
    assert failures[0]["message"].endswith(f"{piece} is damaged; run the job again, which makes it again")
    assert joined(s3, f"v1.mp4.{format_}")[0] == list(range(20))
    assert f"{OUTPUT}v0.mp4.{format_}" not in s3.objects
    assert len(document(s3, files.SUMMARY)["results"]) == 3
    assert cut_up(s3)["to_do"] == 2
    do_all(s3, results_of(s3))
    assert gathered(s3)["complete"]
    assert joined(s3, f"v0.mp4.{format_}")[0] == list(range(20))


def test_pieces_that_cannot_be_read_for_now_fail_their_video_and_are_joined_by_another_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s3 = job_of("npz", [0.6, 0.6])
    do_all(s3, results_of(s3))

    def join(*_: object) -> Json:
        raise SourceUnavailable("try again")

    with monkeypatch.context() as patch:
        patch.setattr(gather_module, "join", join)
        with pytest.raises(JobIncomplete, match="SourceUnavailable"):
            gathered(s3)
    assert cut_up(s3)["to_do"] == 0
    assert gathered(s3)["complete"]
