"""Own code on frames, from the event to the objects: which frames it gets, what it may return, how it fails."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from function.actions import limits
from function.errors import ApplyFailed, BadRequest, FunctionError, LimitExceeded
from function.frames import own_code
from function.models.event import Decode, parse_event
from function.session import Session
from tests.support.fakes3 import FakeS3
from tests.unit.function.fakedecoder import VIDEO, FakeVideo, frame, index_of, install

WIDTH, HEIGHT, COUNT = 32, 18, 30
CODE = """
import os, sys
import numpy as np

calls = []

def brightness(frames, rows, seconds):
    calls.append((frames.shape, frames.dtype, rows.tolist(), seconds.tolist()))
    return frames.mean((1, 2, 3))

def vectors(frames, rows, seconds):
    return np.stack([rows, rows * 2], axis=1).astype(np.float32)

def values(frames, rows, seconds):
    return [{"row": int(row), "half": row / 2} for row in rows]

class Counted:
    made = 0

    def __init__(self):
        Counted.made += 1

    def __call__(self, frames, rows, seconds):
        return rows

def raises(frames, rows, seconds):
    raise KeyError("https://host/secret?token=1")

def leaves(frames, rows, seconds):
    sys.exit(3)

def hungry(frames, rows, seconds):
    raise MemoryError

def returns(frames, rows, seconds):
    return RETURNED(rows)

def changing(frames, rows, seconds):
    return np.zeros((len(rows), 2 if 0 in rows else 3))

def mixed(frames, rows, seconds):
    return np.zeros(len(rows)) if 0 in rows else [0] * len(rows)

number = 7
"""
NAMES = ("brightness", "vectors", "values", "Counted", "raises", "leaves", "hungry", "returns", "changing", "mixed")
LISTED = ", ".join(f"{name} = my_code:{name}" for name in NAMES)


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of own code, listed in the environment as in an image."""
    (tmp_path / "my_code.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HWANG_APPLY", LISTED)
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    own_code.load.cache_clear()
    own_code.content.cache_clear()
    import my_code  # type: ignore[import-not-found]

    yield my_code
    del sys.modules["my_code"]
    own_code.load.cache_clear()
    own_code.content.cache_clear()


@pytest.fixture(autouse=True)
def video(monkeypatch: pytest.MonkeyPatch, code: Any) -> FakeVideo:  # noqa: ARG001
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT)))


def decode(client: FakeS3, session: Session | None = None, **fields: Any) -> dict[str, Any]:
    from function.actions.decode import decode as action

    request = parse_event({"video": VIDEO, **fields})
    assert isinstance(request, Decode)
    return action(request, session or Session(cast("Any", client)))


def failure(**fields: Any) -> FunctionError:
    """The error of a request that must leave nothing behind."""
    client = FakeS3()
    with pytest.raises(FunctionError) as caught:
        decode(client, **{"frames": "0:20", "output": "s3://out/a.npy", **fields})
    assert not client.objects
    return caught.value


def array(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


@pytest.mark.parametrize("rows", [[0, 7, 29], [3, 3, 4], [9, 2, 9, 0], list(range(30))])
@pytest.mark.parametrize("batch", [None, 1, 2, 4, 64])
@pytest.mark.parametrize("decoded_at_a_time", [1, 5000, 10**6])
def test_results_are_in_the_order_asked_for(
    code: Any, rows: list[int], batch: int | None, decoded_at_a_time: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(limits, "BATCH_BYTES", decoded_at_a_time)
    client = FakeS3()
    more: dict[str, Any] = {"batch": batch} if batch else {}
    result = decode(client, frames=rows, apply="brightness", output="s3://out/a.npy", **more)
    expected = np.stack([frame(row, WIDTH, HEIGHT) for row in rows]).mean((1, 2, 3))
    np.testing.assert_array_equal(array(client.objects["a.npy"]), expected, strict=True)
    assert result["applied"] == {"function": "brightness", "image": own_code.content()}
    [written] = result["output"]
    assert (written["shape"], written["dtype"]) == ([len(rows)], "float64")
    assert [row for _, _, some, _ in code.calls for row in some] == rows
    assert [second for _, _, _, some in code.calls for second in some] == [row / 25 for row in rows]
    assert all(shape[1:] == (HEIGHT, WIDTH, 3) and dtype == np.uint8 for shape, dtype, _, _ in code.calls)
    if batch:
        sizes = [shape[0] for shape, *_ in code.calls]
        assert sizes[:-1] == [batch] * (len(sizes) - 1)
        assert sizes[-1] <= batch


def test_an_archive_holds_rows_times_and_values() -> None:
    client = FakeS3()
    decode(client, frames=[4, 2, 2], apply="vectors", output="s3://out/a.npz")
    found = array(client.objects["a.npz"])
    assert sorted(found) == ["rows", "timestamps", "values"]
    assert (found["rows"].tolist(), found["timestamps"].tolist()) == ([4, 2, 2], [4 / 25, 2 / 25, 2 / 25])
    np.testing.assert_array_equal(found["values"], np.array([[4, 8], [2, 4], [2, 4]], np.float32), strict=True)


@pytest.mark.parametrize("rows", [[5, 1], [1, 1, 5]])
def test_lines_hold_row_seconds_and_value(rows: list[int]) -> None:
    client = FakeS3()
    decode(client, frames=rows, apply="values", output="s3://out/a.jsonl")
    lines = [json.loads(line) for line in client.objects["a.jsonl"].splitlines()]
    assert lines == [{"row": row, "seconds": row / 25, "value": {"row": row, "half": row / 2}} for row in rows]
    decode(client, frames=rows, apply="vectors", output="s3://out/b.jsonl")
    lines = [json.loads(line)["value"] for line in client.objects["b.jsonl"].splitlines()]
    assert lines == [[row, 2 * row] for row in rows]


def test_an_answer_holds_values_or_an_array() -> None:
    values = decode(FakeS3(), frames=[5, 1], apply="values", format="inline")
    assert values["values"] == [{"row": 5, "half": 2.5}, {"row": 1, "half": 0.5}]
    arrays = decode(FakeS3(), frames=[5, 1], apply="vectors", format="inline")
    assert arrays["inline"]["shape"] == [2, 2]


def test_an_answer_that_is_too_long_says_so(code: Any) -> None:
    code.RETURNED = lambda rows: ["x" * 4_000_000 for _ in rows]
    error = failure(frames="0:2", apply="returns", format="inline", output=None)
    assert isinstance(error, LimitExceeded)
    assert error.detail["limit"] == "answer"


def test_a_class_is_made_once(code: Any) -> None:
    for number in range(3):
        decode(FakeS3(), frames=[number], apply="Counted", output="s3://out/a.npy")
    assert code.Counted.made == 1


def test_an_event_can_name_what_is_listed_and_nothing_else(video: FakeVideo) -> None:
    error = failure(apply="number")
    assert isinstance(error, BadRequest)
    assert error.message == f"apply: must be one of {', '.join(NAMES)}"
    assert not video.decoder.decoded


@pytest.mark.parametrize(
    ("listed", "name", "said"),
    [
        ("", "a", "apply: needs functions in HWANG_APPLY"),
        ("a=nowhere:a", "a", "apply: a could not be loaded with ModuleNotFoundError"),
        ("a=my_code:b", "a", "apply: a could not be loaded with AttributeError"),
        ("a=my_code:number", "a", "apply: a is not a function or a class of callable objects"),
        ("a my_code:b", "a", """HWANG_APPLY: 'a my_code:b' is not like "name=module:function\""""),
        ("a=my_code:raises, a=my_code:raises", "a", "HWANG_APPLY: 'a=my_code:raises' is there twice"),
    ],
)
def test_a_list_that_is_wrong_is_named(listed: str, name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWANG_APPLY", listed)
    assert failure(apply=name).message == said


def test_an_exception_is_named_and_its_text_is_for_the_log_alone() -> None:
    error = failure(apply="raises", batch=8)
    assert isinstance(error, ApplyFailed)
    assert error.message == "apply: raises failed with KeyError on rows 0 to 7"
    assert error.detail == {"apply": "raises", "rows": list(range(8)), "exception": "KeyError"}
    assert "secret" not in error.message
    assert "secret" in error.trace[-1]
    assert "my_code.py" in "".join(error.trace)


@pytest.mark.parametrize(("name", "kind"), [("leaves", "SystemExit"), ("hungry", None)])
def test_what_ends_a_process_does_not_end_it(name: str, kind: str | None) -> None:
    error = failure(apply=name)
    assert error.detail["apply"] == name
    assert error.detail.get("exception") == kind
    assert isinstance(error, LimitExceeded if kind is None else ApplyFailed)


RETURNS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "nothing": (lambda _: None, "NoneType instead of an array or a list"),
    "number": (lambda _: 5, "int instead of an array or a list"),
    "text": (lambda _: "abc", "str instead of an array or a list"),
    "generator": (lambda rows: (row for row in rows), "generator instead of an array or a list"),
    "dictionary": (lambda rows: {"a": len(rows)}, "dict instead of an array or a list"),
    "too few": (lambda rows: np.zeros(len(rows) - 1), "19 results for 20 frames"),
    "too many": (lambda rows: [0] * (len(rows) + 1), "21 results for 20 frames"),
    "one axis less": (lambda rows: np.zeros((1, len(rows))), "1 results for 20 frames"),
    "objects": (lambda rows: np.array([{}] * len(rows)), "dtype object"),
    "texts": (lambda rows: np.array(["a"] * len(rows)), "dtype <U1"),
    "dates": (lambda rows: np.array(rows, "M8[s]"), "dtype datetime64[s]"),
    "records": (lambda rows: np.zeros(len(rows), [("a", "i4")]), "dtype [('a', '<i4')]"),
    "arrays": (lambda rows: [np.zeros(3) for _ in rows], "item 0 is not JSON (Object of type ndarray"),
    "bytes": (lambda rows: [b"a" for _ in rows], "item 0 is not JSON (Object of type bytes"),
    "not a number": (lambda rows: [1.0] * (len(rows) - 1) + [float("nan")], "item 19 is not JSON (Out of range"),
    "sets": (lambda rows: [{1} for _ in rows], "item 0 is not JSON"),
}


@pytest.mark.parametrize("case", RETURNS)
@pytest.mark.parametrize("output", ["a.npy", "a.npz", "a.jsonl"])
def test_what_is_no_result_for_each_frame_is_refused(code: Any, case: str, output: str) -> None:
    code.RETURNED, said = RETURNS[case]
    error = failure(apply="returns", output=f"s3://out/{output}")
    assert isinstance(error, ApplyFailed)
    assert error.message.startswith("apply: returns returned ")
    assert said in error.message
    assert error.detail["rows"] == list(range(20))


@pytest.mark.parametrize(
    ("name", "said"), [("changing", "float64 [3] for each frame, and float64 [2]"), ("mixed", "a list for")]
)
def test_batches_have_one_form(name: str, said: str) -> None:
    error = failure(apply=name, batch=10)
    assert said in error.message
    assert error.detail["rows"] == list(range(10, 20))


def test_json_values_need_lines_and_nan_needs_an_array(code: Any) -> None:
    assert failure(apply="values").message == "apply: values returns JSON values, which are written as jsonl"
    code.RETURNED = lambda rows: np.full(len(rows), np.nan)
    assert "what JSON has not for row 0" in failure(apply="returns", output="s3://out/a.jsonl").message


def test_numbers_of_numpy_are_json(code: Any) -> None:
    code.RETURNED = lambda rows: [np.float32(0.5), *map(np.int64, rows[1:])]
    client = FakeS3()
    decode(client, frames="0:3", apply="returns", output="s3://out/a.jsonl")
    assert [json.loads(line)["value"] for line in client.objects["a.jsonl"].splitlines()] == [0.5, 1, 2]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"apply": "a", "reduce": "sum"}, "apply"),
        ({"batch": 4}, "batch"),
        ({"apply": "a", "batch": 0}, "batch"),
        ({"apply": "a b"}, "apply"),
        ({"apply": "a", "output": "s3://out/prefix/"}, "output"),
        ({"apply": "a", "output": "s3://out/a.jpg"}, "format"),
        ({"apply": "a", "format": "png"}, "format"),
        ({"output": "s3://out/a.jsonl"}, "format"),
        ({"format": "jsonl", "output": "s3://out/a.jsonl"}, "format"),
    ],
)
def test_fields_that_do_not_agree_are_named(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_event({"video": VIDEO, "frames": "all", "output": "s3://out/a.npy", **fields})
    problems = cast("list[dict[str, str]]", caught.value.detail["problems"])
    assert [problem["path"] for problem in problems] == [path]


def test_the_memory_that_own_code_declares_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
    decode(FakeS3(), frames=[0], apply="vectors", output="s3://out/a.npy")
    monkeypatch.setenv("HWANG_APPLY_MB", "200")
    error = failure(apply="vectors")
    assert isinstance(error, LimitExceeded)
    assert error.detail["memory_mb"] == 256
    assert cast("int", error.detail["wanted_mb"]) >= 350
    monkeypatch.setenv("HWANG_APPLY_MB", "much")
    assert failure(apply="vectors").message == "HWANG_APPLY_MB: 'much' is not a number of megabytes"


def test_a_result_is_kept_for_the_same_code_alone(tmp_path: Path) -> None:
    client = FakeS3()
    asked: dict[str, Any] = {"frames": [1], "output": "s3://out/a.npy", "if_exists": "reuse"}
    decode(client, apply="vectors", **asked)
    assert decode(client, apply="vectors", **asked)["kept"]
    assert "kept" not in decode(client, apply="brightness", **asked)
    assert decode(client, apply="brightness", **asked)["kept"]
    (tmp_path / "weights.bin").write_bytes(b"new")
    own_code.content.cache_clear()
    assert "kept" not in decode(client, apply="brightness", **asked)


def test_a_piece_of_a_job_insists_on_the_code_it_was_planned_with() -> None:
    decode(FakeS3(), frames=[1], apply=f"vectors@{own_code.content()}", output="s3://out/a.npy")
    error = failure(apply=f"vectors@{'0' * 32}")
    assert error.message == "apply: vectors is of another image than the job was planned with; run the job again"


def test_what_own_code_is_doing_is_told_before_it_begins(code: Any) -> None:
    told: list[Any] = []
    session = Session(cast("Any", FakeS3()))
    session.tell = lambda: told.append(session.progress())

    def returned(rows: Any) -> Any:
        told.append("called")
        return np.zeros(len(rows))

    code.RETURNED = returned
    decode(FakeS3(), session, frames="0:4", apply="returns", batch=2, output="s3://out/a.npy")
    assert told[0] == {"apply": "returns"}
    about = [(one["apply"], one["rows"]) if isinstance(one, dict) else one for one in told[1:]]
    assert about == [("returns", [0, 1]), "called", ("returns", [2, 3]), "called"]


def test_code_outside_an_image_is_named_by_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAMBDA_TASK_ROOT")
    before = own_code.content()
    own_code.content.cache_clear()
    (tmp_path / "other.txt").touch()
    assert own_code.content() == before
    own_code.content.cache_clear()
    (tmp_path / "my_code.py").write_text(CODE + "\n")
    assert own_code.content() != before
