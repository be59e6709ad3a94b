"""Shards for training: what the `webdataset` package reads back, offsets of the manifest, names under retry."""

from __future__ import annotations

import io
import json
import math
import tarfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import webdataset  # type: ignore[import-untyped]
from PIL import Image

from function.errors import BadRequest
from function.models.event import Decode, parse_event
from function.models.form import SHARD_MB, Writing
from function.models.places import Output
from function.output.publish import Publication
from function.output.shards import _Shard
from function.output.undo_log import Journal
from function.session import Session
from tests.support.fakes3 import FakeS3
from tests.unit.function.fakedecoder import VIDEO, FakeVideo, frame, index_of, install

ROOT = Path(__file__).resolve().parents[3]
WIDTH, HEIGHT, COUNT = 320, 180, 40
# webdataset leaves its files to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
TITLES = {"jpeg": "jpg", "png": "png", "webp": "webp"}


@pytest.fixture(autouse=True)
def video(monkeypatch: pytest.MonkeyPatch) -> FakeVideo:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT)))


def decode(client: FakeS3, **fields: Any) -> dict[str, Any]:
    from function.actions.decode import decode as action

    request = parse_event({"video": VIDEO, "frames": "all", "format": "tar", "output": "s3://out/set/", **fields})
    assert isinstance(request, Decode)
    return action(request, Session(cast("Any", client)))


def read_back(client: FakeS3, folder: Path) -> list[dict[str, Any]]:
    """The samples of all shards, as a training program gets them."""
    shards = []
    for key in sorted(key for key in client.objects if key.endswith(".tar")):
        shards.append(str(folder / key.replace("/", "-")))
        Path(shards[-1]).write_bytes(client.objects[key])
    return list(webdataset.WebDataset(shards, shardshuffle=False))


@pytest.mark.parametrize("kind", TITLES)
def test_shards_are_read_back_as_samples(kind: str, tmp_path: Path) -> None:
    client = FakeS3()
    decode(client, picture=kind, shard_mb=1)
    samples = read_back(client, tmp_path)
    assert [sample["__key__"] for sample in samples] == [f"clip.mp4/frame-{row:06d}" for row in range(COUNT)]
    for row, sample in enumerate(samples):
        assert json.loads(sample["json"]) == {"video": VIDEO, "row": row, "seconds": pytest.approx(row / 25)}
        pixels = np.asarray(Image.open(io.BytesIO(sample[TITLES[kind]])).convert("RGB"))
        assert np.abs(pixels.astype(int) - frame(row, WIDTH, HEIGHT)).mean() < (0.1 if kind == "png" else 4)


def test_a_shard_ends_behind_its_size_and_the_manifest_tells_where_each_picture_lies() -> None:
    client = FakeS3()
    decode(client, quality=100, shard_mb=1, size={"width": 1600})
    manifest = json.loads(client.objects["set/_manifest.json"])
    shards = manifest["output"]
    assert [one["uri"] for one in shards] == [f"s3://out/set/shard-{n:06d}.tar" for n in range(len(shards))]
    assert len(shards) > 2
    assert all(one["bytes"] >= 10**6 for one in shards[:-1])
    assert all(one["bytes"] < 1.5 * 10**6 for one in shards)
    assert [member["row"] for one in shards for member in one["members"]] == list(range(COUNT))
    for one in shards:
        data = client.objects[one["uri"].removeprefix("s3://out/")]
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in one["members"]:
                entry = archive.extractfile(member["name"])
                assert entry
                assert data[member["offset"] : member["offset"] + member["bytes"]] == entry.read()
                assert archive.getmember(member["name"]).mtime == 0


def test_members_are_in_the_manifest_and_not_in_the_answer() -> None:
    client = FakeS3()
    answer = decode(client)
    assert "members" not in answer["output"][0]
    assert len(json.loads(client.objects["set/_manifest.json"])["output"][0]["members"]) == COUNT


def test_the_same_request_makes_the_same_bytes() -> None:
    one, other = FakeS3(), FakeS3()
    decode(one, shard_mb=1)
    decode(other, shard_mb=1)
    assert {k: v for k, v in one.objects.items() if k.endswith(".tar")} == {
        k: v for k, v in other.objects.items() if k.endswith(".tar")
    }


def test_a_key_is_one_shard_of_each_row_once(tmp_path: Path) -> None:
    client = FakeS3()
    result = decode(client, frames=[7, 3, 7], output="s3://out/one.tar", name="{row:03d}-{position}.{ext}")
    assert [one["uri"] for one in result["output"]] == ["s3://out/one.tar"]
    assert [sample["__key__"] for sample in read_back(client, tmp_path)] == ["clip.mp4/003-1", "clip.mp4/007-0"]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"name": "{row}-{seconds:.2f}.{ext}"}, "name"),
        ({"name": "a.{row}.{ext}"}, "name"),
        ({"name": "{row}"}, "name"),
        ({"picture": "tiff"}, "picture"),
        ({"shard_mb": 0}, "shard_mb"),
        ({"format": "jpeg", "shard_mb": 5}, "shard_mb"),
        ({"format": "jpeg", "picture": "png"}, "picture"),
        ({"output": "s3://out/set.jpg"}, "output"),
        ({"picture": "png", "quality": 5}, "quality"),
    ],
)
def test_fields_that_do_not_agree_are_named(fields: dict[str, Any], path: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_event({"video": VIDEO, "frames": "all", "format": "tar", "output": "s3://out/set/", **fields})
    problems = cast("list[dict[str, str]]", caught.value.detail["problems"])
    assert [problem["path"] for problem in problems] == [path]


@pytest.mark.parametrize(("kilobytes", "documented"), [(15, "529"), (60, "1,937"), (300, "9,425")])
def test_a_million_frames_take_the_requests_that_are_documented(kilobytes: int, documented: str) -> None:
    """And at most a hundredth of those for single pictures."""
    client = CountingS3()
    journal = Journal("run", "asked", "set/_manifest.json", lambda _: None)
    picture, facts = bytes(kilobytes * 1000), {"video": "s3://films/clip.mp4", "row": 1, "seconds": 1.0}
    with Publication(cast("Any", client), Output(bucket="out", key="set/"), Writing(), journal) as publication:
        shard = _Shard(publication, "set/shard.tar", "application/x-tar")
        frames = 0
        while shard.size < SHARD_MB * 10**6:
            shard.add(f"clip.mp4/frame-{frames:06d}.jpg", picture, facts)
            frames += 1
        shard.close()
    shards = math.ceil(1_000_000 / frames)
    requests = shards * client.writes + 1
    assert f"{requests:,}" == documented
    assert f"| 1,000,000 | {documented} |" in (ROOT / "docs/cost.md").read_text()
    assert requests <= 10_000


class CountingS3(FakeS3):
    """Counts the requests that write, and keeps nothing."""

    writes = 0

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name in ("put_object", "create_multipart_upload", "upload_part", "complete_multipart_upload"):
            self.writes += 1
        return found
