"""The combine action from manifests to one object: exact, whatever the cut, and every wrong part named."""

from __future__ import annotations

import hashlib
import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from function.actions import combine as module
from function.actions.combine import combine as action
from function.deadline import Deadline
from function.errors import (
    BadRequest,
    CorruptMedia,
    DeadlineExceeded,
    OutputConflict,
    SourceForbidden,
    SourceNotFound,
)
from function.frames.reduce import REDUCTIONS
from function.models.event import Combine, parse_event
from function.models.form import Reduce
from function.output.undo_log import REQUEST
from function.session import Session
from tests.support.fakes3 import FakeS3, refused


def store_part(client: FakeS3, key: str, kind: Reduce, frames: NDArray[np.uint8], request: str = "") -> None:
    """A partial result as a decode writes it."""
    reducer = REDUCTIONS[kind].new()
    reducer.add(frames, np.ones(len(frames), np.int64))
    store(client, key, reducer.result(), {"reduce": kind, "frames": len(frames)}, request)


def store(client: FakeS3, key: str, values: NDArray[Any], partial: dict[str, Any], request: str = "") -> None:
    data = io.BytesIO()
    np.save(data, values)
    client.store(key, data.getvalue())
    describe(client, key, {"request": request or key, "partial": partial})


def describe(client: FakeS3, key: str, manifest: dict[str, Any]) -> None:
    """A manifest of the object that is there."""
    data = client.objects[key]
    output = [{"uri": f"s3://out/{key}", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}]
    client.store(f"{key}.manifest.json", json.dumps({**manifest, "output": output}).encode())


def combine(client: FakeS3, parts: list[Any], session: Session | None = None, **fields: Any) -> dict[str, Any]:
    places = [f"s3://out/{part}" if isinstance(part, str) else part for part in parts]
    request = parse_event({"action": "combine", "parts": places, "output": "s3://out/all.npy", **fields})
    assert isinstance(request, Combine)
    return action(request, session or Session(cast("Any", client)))


def combined(client: FakeS3) -> NDArray[Any]:
    values: NDArray[Any] = np.load(io.BytesIO(client.objects["all.npy"]), allow_pickle=False)
    return values


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(["sum", "sum_frames", "mean", "min", "max"]),
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=20),
    seed=st.integers(0, 999),
)
def test_a_combination_equals_the_reduction_of_all_frames_exactly(kind: Reduce, sizes: list[int], seed: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (sum(sizes), 2, 3, 3), dtype=np.uint8)
    client = FakeS3()
    names = [f"part{number}.npy" for number in range(len(sizes))]
    for name, some in zip(names, np.split(frames, np.cumsum(sizes)[:-1]), strict=True):
        store_part(client, name, kind, some)
    result = combine(client, names)
    whole = REDUCTIONS[kind].new()
    whole.add(frames, np.ones(len(frames), np.int64))
    np.testing.assert_array_equal(combined(client), whole.result(), strict=True)
    assert result["partial"] == {"reduce": kind, "frames": len(frames)}
    assert result["parts"] == len(sizes)
    assert result.get("reduced") == (int(frames.sum()) if kind == "sum" else None)
    assert (result["output"][0]["shape"], result["output"][0]["dtype"]) == (
        list(combined(client).shape),
        combined(client).dtype.name,
    )


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeS3:
    """Two parts of a mean."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    client = FakeS3()
    for name, value in (("a.npy", 10), ("b.npy", 40)):
        store_part(client, name, "mean", np.full((1 if value == 10 else 2, 1, 1, 3), value, np.uint8))
    return client


def test_means_are_weighted_by_their_frames(client: FakeS3) -> None:
    combine(client, ["a.npy", "b.npy"])
    assert combined(client).tolist() == [[[30.0] * 3]]


def test_the_manifest_is_the_answer_and_a_part_of_later_combinations(client: FakeS3) -> None:
    result = combine(client, ["a.npy", "b.npy"])
    manifest = json.loads(client.objects["all.npy.manifest.json"])
    assert manifest == {name: value for name, value in result.items() if name != "milliseconds"}
    assert result["manifest"] == "s3://out/all.npy.manifest.json"
    assert client.log[-1] == "put_object all.npy.manifest.json"
    assert client.versions["all.npy"][-1].metadata[REQUEST] == result["request"]
    assert {"open", "combine", "write", "total"} <= set(result["milliseconds"])
    client.versions["a.npy"] = client.versions["all.npy"]
    client.versions["a.npy.manifest.json"] = client.versions["all.npy.manifest.json"]
    combine(client, ["a.npy", "a.npy"])
    assert combined(client).tolist() == [[[30.0] * 3]]


def test_every_missing_part_is_named(client: FakeS3) -> None:
    with pytest.raises(SourceNotFound) as caught:
        combine(client, ["x.npy", "a.npy", "y.npy"])
    assert caught.value.detail["missing"] == ["s3://out/x.npy", "s3://out/y.npy"]
    assert "2 of 3" in caught.value.message


def test_a_part_whose_object_is_gone_is_named(client: FakeS3) -> None:
    del client.versions["b.npy"]
    with pytest.raises(SourceNotFound, match=r"b\.npy"):
        combine(client, ["a.npy", "b.npy"])


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"nothing", "not the result of a reduction"),
        (b"[]", "not the result of a reduction"),
        (b"[" * 100_000, "not the result of a reduction"),
        (
            b'{"request": "r", "partial": {"reduce": "mean", "frames": 1}, "output": []}',
            "not the result of a reduction",
        ),
        ({"request": "r"}, "not the result of a reduction"),
        ({"request": "r", "partial": {"reduce": 3}}, "not the result of a reduction"),
        ({"request": "r", "partial": {"reduce": "median", "frames": 1}}, "not the result of a reduction"),
        ({"request": "r", "partial": {"reduce": "mean", "frames": 0}}, "not the result of a reduction"),
        ({"request": "r", "partial": {"reduce": "sum", "frames": 1}}, "one kind of reduction, not mean, sum"),
    ],
)
def test_a_part_that_is_none_or_of_another_kind_is_refused(
    client: FakeS3, manifest: bytes | dict[str, Any], said: str
) -> None:
    if isinstance(manifest, bytes):
        client.store("b.npy.manifest.json", manifest)
    else:
        describe(client, "b.npy", manifest)
    with pytest.raises(BadRequest, match=said):
        combine(client, ["a.npy", "b.npy"])
    assert "all.npy" not in client.objects


@pytest.mark.parametrize("data", [b"", b"no array", b"\x93NUMPY\x01\x00v\x00{"])
def test_a_part_that_is_no_array_is_corrupt(client: FakeS3, data: bytes) -> None:
    client.store("b.npy", data)
    describe(client, "b.npy", {"request": "r", "partial": {"reduce": "mean", "frames": 2}})
    with pytest.raises(CorruptMedia, match=r"b\.npy is not a .npy file"):
        combine(client, ["a.npy", "b.npy"])


def test_a_part_that_is_another_than_its_manifest_describes_is_named(client: FakeS3) -> None:
    client.store("b.npy", client.objects["a.npy"])
    with pytest.raises(CorruptMedia, match=r"s3://out/b\.npy is not what its manifest describes") as raised:
        combine(client, ["a.npy", "b.npy"])
    assert raised.value.detail["video"] == "s3://out/b.npy"
    assert "all.npy" not in client.objects


def test_parts_of_different_shapes_are_refused_with_both(client: FakeS3) -> None:
    store_part(client, "b.npy", "mean", np.zeros((1, 2, 2, 3), np.uint8))
    with pytest.raises(BadRequest, match=r"\(2, 2, 3\).*\(1, 1, 3\)"):
        combine(client, ["a.npy", "b.npy"])


def test_a_version_of_a_part_is_read_as_it_is_named() -> None:
    client = FakeS3(versioned=True)
    for value in (10, 40):
        store_part(client, "a.npy", "max", np.full((1, 1, 1, 3), value, np.uint8))
    client.store("a.npy", b"written since")
    older, described, _ = (
        {"bucket": "out", "key": "a.npy", "version_id": one.version} for one in client.versions["a.npy"]
    )
    combine(client, [described])
    assert combined(client).tolist() == [[[40] * 3]]
    with pytest.raises(CorruptMedia, match="is not what its manifest describes"):
        combine(client, [older])


def test_a_refused_part_is_named_with_what_s3_answers(client: FakeS3) -> None:
    def before(_: int) -> None:
        if client.log[-1] == "get_object b.npy":
            raise refused(403, "AccessDenied")

    client.before = before
    with pytest.raises(SourceForbidden, match=r"b\.npy"):
        combine(client, ["a.npy", "b.npy"])


def test_an_equal_combination_is_the_answer_unless_a_part_is_another(client: FakeS3) -> None:
    first = combine(client, ["a.npy", "b.npy"], if_exists="reuse")
    again = combine(client, ["a.npy", "b.npy"], if_exists="reuse")
    assert (again["kept"], again["request"]) == (True, first["request"])
    store_part(client, "b.npy", "mean", np.full((1, 1, 1, 3), 20, np.uint8), request="another")
    assert "kept" not in combine(client, ["a.npy", "b.npy"], if_exists="reuse")
    assert combined(client).tolist() == [[[15.0] * 3]]
    with pytest.raises(OutputConflict):
        combine(client, ["a.npy"], if_exists="keep")


def test_a_manifest_that_is_refused_takes_the_result_back(client: FakeS3) -> None:
    def before(_: int) -> None:
        if client.log[-1] == "put_object all.npy.manifest.json":
            raise refused(403, "AccessDenied")

    client.before = before
    with pytest.raises(Exception, match="manifest"):
        combine(client, ["a.npy", "b.npy"])
    assert not {"all.npy", "all.npy.manifest.json"} & set(client.objects)


def test_a_deadline_ends_the_combination_before_anything_is_written(client: FakeS3) -> None:
    with pytest.raises(DeadlineExceeded):
        combine(client, ["a.npy"], Session(cast("Any", client), Deadline(time.monotonic() - 1)))
    assert "all.npy" not in client.objects


def test_no_more_parts_are_fetched_at_a_time_than_fit(client: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"part{number}.npy" for number in range(12)]
    for name in names:
        store_part(client, name, "min", np.full((1, 1, 1, 3), 7, np.uint8))
    workers: list[int] = []

    def pool(most: int, name: str = "") -> ThreadPoolExecutor:
        workers.append(most)
        return ThreadPoolExecutor(most, name)

    monkeypatch.setattr(module, "ThreadPoolExecutor", pool)
    for fetched_bytes, most in ((64 << 20, 8), (300, 2), (1, 1)):
        monkeypatch.setattr(module, "MAX_FETCHED_BYTES", fetched_bytes)
        combine(client, names)
        assert workers[-1] == most
        assert combined(client).tolist() == [[[7] * 3]]
