"""Every output format from a real decode, read back: the numbers in the pixels are those of the rows."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import hwang
from function.actions.decode import decode
from function.frames.sheet import layout
from function.models.event import Decode, parse_event
from function.models.formats import FORMATS, Format
from function.session import Session
from function.source import video
from hwang.sources.local import FileSource
from tests.support.clips import BY_NAME, numbers_of
from tests.support.fakes3 import FakeS3

ROWS = [37, 3, 3, 20]
SIZE = BY_NAME["h264-open-gop"].size


class _File(FileSource):
    """A file in place of an object that is read over the network."""

    uri, etag, requests, bytes_read = "s3://films/clip.mp4", '"e1"', 0, 0

    @property
    def remote(self) -> _File:
        """Itself, which counts as well."""
        return self

    def expect(self, ranges: Any) -> None:
        """Nothing is fetched ahead."""


@pytest.fixture
def written(
    clip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Format], tuple[FakeS3, dict[str, Any]]]:
    monkeypatch.setattr(video, "open_source", lambda *_: _File(clip("h264-open-gop")))

    def write(name: Format) -> tuple[FakeS3, dict[str, Any]]:
        facts = FORMATS[name]
        end = "/" if facts.many else f".{facts.extensions[0]}" if facts.extensions else ""
        output = {"output": f"s3://out/x{end}"} if facts.is_stored else {}
        request = parse_event({"video": _File.uri, "frames": ROWS, "format": name, **output})
        assert isinstance(request, Decode)
        client = FakeS3()
        return client, decode(request, Session(cast("Any", client)))

    return write


def _pictures(client: FakeS3, result: dict[str, Any]) -> list[NDArray[np.uint8]]:
    data = [client.objects[one["uri"].removeprefix("s3://out/")] for one in result["output"]]
    return [np.asarray(Image.open(io.BytesIO(one)).convert("RGB")) for one in data]


@pytest.mark.parametrize("name", [name for name, facts in FORMATS.items() if facts.takes_frames])
def test_every_format_shows_the_rows_that_were_asked_for(
    name: Format, written: Callable[[Format], tuple[FakeS3, dict[str, Any]]], clip: Callable[[str], Path]
) -> None:
    client, result = written(name)
    with hwang.Decoder(clip("h264-open-gop")) as decoder:
        truth = decoder.frames(ROWS)
    match FORMATS[name].writer:
        case "array":
            np.testing.assert_array_equal(np.load(io.BytesIO(client.objects["x.npy"])), truth)
        case "archive":
            loaded = np.load(io.BytesIO(client.objects["x.npz"]))
            np.testing.assert_array_equal(loaded["frames"], truth)
            assert loaded["rows"].tolist() == ROWS
        case "answer":
            np.testing.assert_array_equal(np.load(io.BytesIO(base64.b64decode(result["inline"]["data"]))), truth)
        case "pictures":
            assert [one["row"] for one in result["output"]] == [37, 3, 20]
            pictures = _pictures(client, result)
            assert numbers_of(pictures) == [37, 3, 20]
            if name in ("png", "tiff"):
                np.testing.assert_array_equal(np.stack(pictures), truth[[0, 1, 3]])
        case "shards":
            [shard] = result["output"]
            with tarfile.open(fileobj=io.BytesIO(client.objects[shard["uri"].removeprefix("s3://out/")])) as archive:
                members = [archive.extractfile(name) for name in archive.getnames() if name.endswith(".jpg")]
                pictures = [np.asarray(Image.open(io.BytesIO(member.read()))) for member in members if member]
            assert numbers_of(pictures) == sorted({*ROWS})
        case "contact_sheet":
            [sheet] = _pictures(client, result)
            grid = layout(len(ROWS), *SIZE)
            corners = [grid.corner(position) for position in range(len(ROWS))]
            assert numbers_of(sheet[top : top + SIZE[1], left : left + SIZE[0]] for left, top in corners) == ROWS
        case "clip":
            with hwang.Decoder(io.BytesIO(client.objects["x.mp4"])) as decoder:
                assert numbers_of(decoder.frames(range(len(ROWS)))) == ROWS
        case other:
            raise AssertionError(f"a format that no case looks at: {other}")


@pytest.mark.parametrize("frames", ["0:40:3", ROWS])
@pytest.mark.parametrize("name", ["h264-open-gop", "hevc-10bit", "h264-full-range-709", "h264-rotated"])
def test_each_of_several_results_has_the_bytes_of_its_request_alone(
    name: str, frames: Any, monkeypatch: pytest.MonkeyPatch, clip: Callable[[str], Path]
) -> None:
    monkeypatch.setattr(video, "open_source", lambda *_: _File(clip(name)))
    outputs: list[dict[str, Any]] = [
        {"output": "s3://out/96/", "format": "png", "size": {"max_side": 96}},
        {"output": "s3://out/48/", "format": "png", "size": {"max_side": 48}},
        {"output": "s3://out/21/", "format": "jpeg", "size": {"width": 21}},
        {"output": "s3://out/sheet.png"},
        {"output": "s3://out/whole.npy"},
        {"output": "s3://out/upright.npy", "rotate": True, "tone": "sdr"},
        {"output": "s3://out/mean.npy", "reduce": "mean", "size": {"height": 33}},
        {"output": "s3://out/clip.mp4", "size": {"max_side": 64}},
    ]
    shared = {"video": _File.uri, "frames": frames}

    def objects(*requests: dict[str, Any]) -> dict[str, bytes]:
        client = FakeS3()
        for fields in requests:
            request = parse_event({**shared, **fields})
            assert isinstance(request, Decode)
            decode(request, Session(cast("Any", client)))
        return {key: data for key, data in client.objects.items() if not key.endswith("manifest.json")}

    together = objects({"outputs": outputs})
    assert together == objects(*outputs)
    assert len(together) == 3 * len({*(ROWS if frames is ROWS else range(0, 40, 3))}) + 5
