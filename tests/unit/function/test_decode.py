"""The decode action from event to objects: pixels, names, manifest and progress, without core and network."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import time
import zipfile
from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from function.actions import limits
from function.deadline import Deadline
from function.errors import BadRequest, DeadlineExceeded, FrameCorrupt, LimitExceeded, OutputConflict, OutputNotFound
from function.frames.sheet import layout
from function.frames.tone import ToneMap
from function.models.event import Decode, parse_event
from function.models.fingerprint import digest
from function.models.result import MAX_LISTED
from function.output.undo_log import REQUEST
from function.session import Session
from hwang.errors import CorruptFrameError
from hwang.metadata import color_names
from tests.support.fakes3 import FakeS3, refused
from tests.unit.function.fakedecoder import VIDEO, FakeVideo, frame, index_of, install

WIDTH, HEIGHT, COUNT = 32, 18, 30


@pytest.fixture
def video(monkeypatch: pytest.MonkeyPatch) -> FakeVideo:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    return install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT)))


def turned(monkeypatch: pytest.MonkeyPatch) -> FakeVideo:
    return install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT), rotation=90))


def decode(client: FakeS3, session: Session | None = None, **fields: Any) -> dict[str, Any]:
    from function.actions.decode import decode as action

    request = parse_event({"video": VIDEO, **fields})
    assert isinstance(request, Decode)
    return action(request, session or Session(cast("Any", client)))


def frames(rows: list[int], width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    return np.stack([frame(row, width, height) for row in rows])


def array(data: bytes) -> NDArray[Any]:
    loaded: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return loaded


def picture(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def distance(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("rows", [[0, 7, 29], [3, 3, 4], [9, 2, 9, 0]])
@pytest.mark.parametrize("batch", [1, 4000, 10**6])
def test_an_array_holds_the_frames_in_the_order_asked_for(
    video: FakeVideo, rows: list[int], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BATCH_BYTES", batch)
    client = FakeS3()
    result = decode(client, frames=rows, output="s3://out/a.npy")
    np.testing.assert_array_equal(array(client.objects["a.npy"]), frames(rows), strict=True)
    [written] = result["output"]
    assert (written["shape"], written["dtype"]) == ([len(rows), HEIGHT, WIDTH, 3], "uint8")
    assert written["bytes"] == len(client.objects["a.npy"])
    decoded = sorted(set(rows)) if rows == sorted(rows) else rows
    assert max(video.decoder.batch_sizes) == min(len(decoded), max(1, batch // (WIDTH * HEIGHT * 3)))
    assert video.decoder.decoded == decoded


@pytest.mark.usefixtures("video")
def test_an_archive_holds_frames_rows_and_times() -> None:
    client = FakeS3()
    result = decode(client, frames=[5, 2, 5], output="s3://out/a.npz")
    data = client.objects["a.npz"]
    loaded = np.load(io.BytesIO(data), allow_pickle=False)
    np.testing.assert_array_equal(loaded["frames"], frames([5, 2, 5]), strict=True)
    np.testing.assert_array_equal(loaded["rows"], np.array([5, 2, 5], np.int64), strict=True)
    np.testing.assert_array_equal(loaded["timestamps"], np.array([0.2, 0.08, 0.2]), strict=True)
    assert result["output"][0]["shape"] == [3, HEIGHT, WIDTH, 3]
    assert {member.date_time for member in zipfile.ZipFile(io.BytesIO(data)).infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert client.versions["a.npz"][-1].sent["ContentType"] == "application/zip"


@pytest.mark.parametrize(
    ("kind", "extension", "most"), [("jpeg", "jpg", 4), ("png", "png", 0), ("webp", "webp", 6), ("tiff", "tiff", 0)]
)
def test_pictures_below_a_prefix_are_named_by_their_rows(
    video: FakeVideo, kind: str, extension: str, most: float
) -> None:
    client = FakeS3()
    result = decode(client, frames=[9, 2, 9, 4], output="s3://out/run/", format=kind)
    assert [written["row"] for written in result["output"]] == [9, 2, 4]
    assert result["objects"] == 3
    assert set(client.objects) == {*(f"run/frame-{row:06d}.{extension}" for row in (2, 4, 9)), "run/_manifest.json"}
    for written in result["output"]:
        key = written["uri"].removeprefix("s3://out/")
        assert Image.open(io.BytesIO(client.objects[key])).format == kind.upper()
        assert distance(picture(client.objects[key]), frame(written["row"], WIDTH, HEIGHT)) <= most
        assert client.versions[key][-1].sent["ContentType"] == f"image/{kind}"
        assert written["shape"] == [HEIGHT, WIDTH, 3]
    assert video.decoder.decoded == [2, 4, 9]


@pytest.mark.usefixtures("video")
def test_a_template_names_row_position_and_time() -> None:
    client = FakeS3()
    name = "{position}-{row:03d}-{seconds:.2f}.{ext}"
    decode(client, frames=[9, 2, 9], output="s3://out/run/", name=name)
    assert set(client.objects) == {"run/0-009-0.36.jpg", "run/1-002-0.08.jpg", "run/_manifest.json"}


@pytest.mark.usefixtures("video")
def test_one_picture_under_its_own_name() -> None:
    client = FakeS3()
    result = decode(client, frames=[7], output="s3://out/a.png")
    np.testing.assert_array_equal(picture(client.objects["a.png"]), frame(7, WIDTH, HEIGHT))
    assert result["manifest"] == "s3://out/a.png.manifest.json"
    with pytest.raises(BadRequest, match="slash"):
        decode(client, frames=[7, 8], output="s3://out/a.webp")


@pytest.mark.usefixtures("video")
def test_the_quality_is_the_pictures() -> None:
    client = FakeS3()
    sizes = []
    asked: list[dict[str, Any]] = [{}, {"quality": 10}, {"quality": 100}]
    for fields in asked:
        decode(client, frames=[7], output="s3://out/a.jpg", **fields)
        sizes.append(len(client.objects["a.jpg"]))
    assert sizes[1] < sizes[0] < sizes[2]


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.JPEG", "JPEG")])
def test_a_sheet_shows_the_frames_and_repeats_those_asked_for_twice(video: FakeVideo, name: str, kind: str) -> None:
    client = FakeS3()
    rows = [20, 3, 20]
    result = decode(client, frames=rows, output=f"s3://out/{name}")
    data = client.objects[name]
    assert Image.open(io.BytesIO(data)).format == kind
    pixels, sheet = picture(data), layout(3, WIDTH, HEIGHT)
    for position, row in enumerate(rows):
        left, top = sheet.corner(position)
        left += (sheet.thumb_width_px - WIDTH) // 2
        assert distance(pixels[top : top + HEIGHT, left : left + WIDTH], frame(row, WIDTH, HEIGHT)) < 6
    assert result["output"][0]["shape"] == [*pixels.shape]
    assert client.versions[name][-1].sent["ContentType"] == f"image/{kind.lower()}"
    assert video.decoder.decoded == [3, 20]


@pytest.mark.parametrize(
    ("size", "rotation", "cell"),
    [((1280, 720), 0, (320, 180)), ((1280, 720), 90, (180, 320)), ((40, 3000), 0, (4, 320))],
)
def test_frames_of_a_sheet_are_decoded_as_small_as_its_cells(
    size: tuple[int, int], rotation: int, cell: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: set[tuple[int, int]] = set()

    def draw(row: int, *sides: int) -> Any:
        drawn.add((sides[0], sides[1]))
        return frame(row, *sides)

    install(monkeypatch, index_of(30, size, rotation=rotation)).decoder.draw = draw
    client = FakeS3()
    decode(client, frames=[3, 20], output="s3://out/a.png")
    assert drawn == {cell[::-1] if rotation else cell}
    width, height = size[::-1] if rotation else size
    sheet, pixels = layout(2, width, height), picture(client.objects["a.png"])
    for position, row in enumerate([3, 20]):
        left, top = sheet.corner(position)
        left += (sheet.thumb_width_px - cell[0]) // 2
        shown = np.rot90(frame(row, *min(drawn)), -rotation // 90)
        np.testing.assert_array_equal(pixels[top : top + cell[1], left : left + cell[0]], shown)


def test_a_clip_has_the_frames_at_the_videos_rate(video: FakeVideo) -> None:
    client = FakeS3()
    result = decode(client, frames=[4, 3, 4], output="s3://out/a.mp4")
    [clip] = video.clips
    np.testing.assert_array_equal(clip.pictures, frames([4, 3, 4])[..., 0])
    assert (clip.width, clip.height) == (WIDTH, HEIGHT)
    assert clip.arguments["frames"] == 3
    assert (list(clip.arguments["durations"]), clip.arguments["timescale"]) == ([1, 1, 1], 25)
    assert clip.arguments["crf"] == 20
    assert client.objects["a.mp4"] == frames([4, 3, 4])[..., 0].tobytes()
    assert client.versions["a.mp4"][-1].sent["ContentType"] == "video/mp4"
    assert result["output"][0]["shape"] == [3, HEIGHT, WIDTH, 3]


def test_a_clip_shows_each_frame_until_the_next_one_of_it_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    index = dataclasses.replace(index_of(5, (WIDTH, HEIGHT)), row_pts=np.array([0, 10, 11, 40, 42]))
    video = install(monkeypatch, index)
    decode(FakeS3(), frames="all", output="s3://out/a.mp4")
    decode(FakeS3(), frames=[0, 3, 4], output="s3://out/a.mp4")
    decode(FakeS3(), frames="all", output="s3://out/a.mp4", fps=10)
    whole, some, constant = (clip.arguments for clip in video.clips)
    assert list(whole["durations"]) == [10, 1, 29, 2, 10]
    assert list(some["durations"]) == [40, 2, 10]
    assert (constant["fps"], "durations" in constant) == ((10, 1), False)


def test_a_clip_of_a_video_without_times_has_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    video = install(monkeypatch, index_of(5, (WIDTH, HEIGHT), clockless=True, duration_ticks=0))
    decode(FakeS3(), frames="all", output="s3://out/a.mp4")
    assert (video.clips[0].arguments["fps"], "durations" in video.clips[0].arguments) == ((25, 1), False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"fps": 24000 / 1001}, {"fps": (24000, 1001)}),
        ({"quality": 100}, {"crf": 1}),
        ({"quality": 1, "format": "mp4"}, {"crf": 50}),
        ({"quality": 60, "format": "mp4"}, {"crf": 21}),
    ],
)
def test_a_clip_takes_rate_and_quality(video: FakeVideo, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    decode(FakeS3(), frames=[4], output="s3://out/a.mp4", **fields)
    assert video.clips[0].arguments | expected == video.clips[0].arguments


def test_a_clip_has_even_sides_and_no_matrix_of_rgb(monkeypatch: pytest.MonkeyPatch) -> None:
    video = install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT), color=(1, 13, 0, 2)))
    decode(FakeS3(), frames=[4], output="s3://out/a.mp4", size={"width": 15, "height": 9})
    assert (video.clips[0].width, video.clips[0].height) == (14, 8)
    primaries, transfer, matrix, range_ = video.clips[0].arguments["color"]
    assert (primaries, transfer, range_) == (1, 13, 2)
    assert matrix == 2  # unknown


def test_a_build_without_an_encoder_refuses_clips_before_any_work(video: FakeVideo) -> None:
    video.can_encode = False
    client = FakeS3()
    with pytest.raises(BadRequest, match="encoder"):
        decode(client, frames=[4], output="s3://out/a.mp4")
    assert video.decoder.decoded == []
    assert client.objects == {}
    decode(client, frames=[4], output="s3://out/a.npy")


def test_frames_are_turned_and_their_size_is_that_of_the_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    turned(monkeypatch)
    client = FakeS3()
    decode(client, frames=[3, 5], output="s3://out/a.npy", rotate=True)
    expected = np.stack([np.rot90(frame(row, WIDTH, HEIGHT), -1) for row in (3, 5)])
    np.testing.assert_array_equal(array(client.objects["a.npy"]), expected)
    decode(client, frames=[3], output="s3://out/b.npy", rotate=True, size={"width": 9, "height": 16})
    np.testing.assert_array_equal(array(client.objects["b.npy"])[0], np.rot90(frame(3, 16, 9), -1))
    decode(client, frames=[3], output="s3://out/c.npy")
    np.testing.assert_array_equal(array(client.objects["c.npy"])[0], frame(3, WIDTH, HEIGHT))


def test_the_planes_of_a_clip_are_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    video = turned(monkeypatch)
    decode(FakeS3(), frames=[3], output="s3://out/a.mp4", rotate=True)
    np.testing.assert_array_equal(video.clips[0].pictures[0], np.rot90(frame(3, WIDTH, HEIGHT)[..., 0], -1))
    assert (video.clips[0].width, video.clips[0].height) == (HEIGHT, WIDTH)


UPRIGHT = np.rot90(frame(3, WIDTH, HEIGHT), -1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, UPRIGHT),
        ({"rotate": True}, UPRIGHT),
        ({"rotate": False}, frame(3, WIDTH, HEIGHT)),
    ],
)
def test_pictures_are_upright_unless_the_rows_as_stored_are_asked_for(
    fields: dict[str, Any], expected: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = turned(monkeypatch)
    client = FakeS3()
    decode(client, frames=[3], output="s3://out/a.png", **fields)
    np.testing.assert_array_equal(picture(client.objects["a.png"]), expected)
    result = decode(client, frames=[3], output="s3://out/a.tar", picture="png", format="tar", **fields)
    [member] = json.loads(client.objects["a.tar.manifest.json"])["output"][0]["members"]
    data = client.objects["a.tar"][member["offset"] :][: member["bytes"]]
    np.testing.assert_array_equal(picture(data), expected)
    assert result["video"]["rotation"] == 90
    decode(client, frames=[3], output="s3://out/a.mp4", **fields)
    assert (video.clips[0].height, video.clips[0].width) == expected.shape[:2]


@pytest.mark.parametrize("fields", [{"output": "s3://out/a.npy"}, {"format": "inline"}, {"output": "s3://out/a.npz"}])
def test_arrays_are_as_stored(fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    turned(monkeypatch)
    result = decode(FakeS3(), frames=[3], **fields)
    described = result.get("inline") or result["output"][0]
    assert described["shape"] == [1, HEIGHT, WIDTH, 3]


def test_a_result_of_the_old_default_is_not_taken_for_one_of_the_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fingerprints of version 1 had `rotate` false by default, and no `tone`."""
    turned(monkeypatch)
    before = decode(FakeS3(), frames=[3], output="s3://out/a.png", rotate=False, tone="stored")["request"]
    assert before == fingerprint_of_version_1("png", rotate=False)
    assert decode(FakeS3(), frames=[3], output="s3://out/a.png")["request"] != before
    array_before = fingerprint_of_version_1("npy", rotate=False)
    assert decode(FakeS3(), frames=[3], output="s3://out/a.npy")["request"] == array_before
    turned_before = fingerprint_of_version_1("npy", rotate=True)
    assert decode(FakeS3(), frames=[3], output="s3://out/a.npy", rotate=True)["request"] == turned_before


def fingerprint_of_version_1(extension: str, *, rotate: bool) -> str:
    question = {
        "video": {"bucket": "films", "key": "clip.mp4", "version_id": None},
        "frames": [3],
        "output": {"bucket": "out", "key": f"a.{extension}"},
        **dict.fromkeys(("format", "size", "reduce", "quality", "fps")),
        "rotate": rotate,
        "name": "frame-{row:06d}.{ext}",
        "action": "decode",
    }
    return digest([question, ['"e1"']])


@pytest.mark.parametrize(
    ("ratio", "fields", "expected"),
    [
        ((4, 3), {}, (18, 43)),
        ((1, 2), {}, (18, 16)),
        ((0, 1), {}, (18, 32)),
        ((4, 3), {"size": {"max_side": 20}}, (8, 20)),
        ((4, 3), {"size": {"width": 10, "height": 10}}, (10, 10)),
        ((4, 3), {"size": {"height": 9}}, (9, 22)),
    ],
)
def test_pixels_are_made_square_on_wish(
    ratio: tuple[int, int], fields: dict[str, Any], expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    video = install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT), sample_aspect_ratio=ratio))
    video.decoder.metadata = SimpleNamespace(width=WIDTH, height=HEIGHT, sample_aspect_ratio=None)
    client = FakeS3()
    decode(client, frames=[3], output="s3://out/a.png", square_pixels=True, **fields)
    np.testing.assert_array_equal(picture(client.objects["a.png"]), frame(3, *expected[::-1]))
    plain = decode(client, frames=[3], output="s3://out/b.png")
    assert plain["output"][0]["shape"] == [HEIGHT, WIDTH, 3]


def test_pixels_of_a_shape_that_only_a_picture_states_are_made_square(video: FakeVideo) -> None:
    video.decoder.metadata = SimpleNamespace(width=WIDTH, height=HEIGHT, sample_aspect_ratio=Fraction(3, 2))
    result = decode(FakeS3(), frames=[3], output="s3://out/a.png", square_pixels=True)
    assert result["output"][0]["shape"] == [HEIGHT, WIDTH * 3 // 2, 3]


def test_a_size_that_no_picture_can_have_is_a_mistake_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT), sample_aspect_ratio=(4000, 1)))
    with pytest.raises(BadRequest, match="size: pictures of 128000x18 pixels"):
        decode(FakeS3(), frames=[3], output="s3://out/a.png", square_pixels=True)
    with pytest.raises(BadRequest, match="size: pictures of 28444x16000 pixels"):
        decode(FakeS3(), frames=[3], output="s3://out/a.png", size={"height": 16_000})


PQ_COLOR, HLG_COLOR, NO_COLOR = (9, 16, 9, 1), (9, 18, 9, 1), (2, 2, 2, 0)


@pytest.mark.parametrize("color", [PQ_COLOR, HLG_COLOR])
def test_pictures_of_hdr_are_shown_as_sdr_and_arrays_on_wish(color: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    video = install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT), color=color, rotation=90))
    stored = frame(3, WIDTH, HEIGHT)
    tone = ToneMap.of("smpte2084" if color == PQ_COLOR else "arib-std-b67", "bt2020")
    assert tone
    toned = stored[np.newaxis].copy()
    tone.convert(toned)
    client = FakeS3()
    decode(client, frames=[3], output="s3://out/a.png")
    np.testing.assert_array_equal(picture(client.objects["a.png"]), np.rot90(toned[0], -1))
    decode(client, frames=[3], output="s3://out/b.png", tone="stored", rotate=False)
    np.testing.assert_array_equal(picture(client.objects["b.png"]), stored)
    decode(client, frames=[3], output="s3://out/a.npy")
    np.testing.assert_array_equal(array(client.objects["a.npy"])[0], stored)
    decode(client, frames=[3], output="s3://out/b.npy", tone="sdr")
    np.testing.assert_array_equal(array(client.objects["b.npy"])[0], toned[0])
    decode(client, frames=[3], output="s3://out/a.mp4")
    assert video.clips[0].arguments["color"] == color
    for kind in (None, "mp4"):
        with pytest.raises(BadRequest, match="tone: does not apply to clips"):
            decode(client, frames=[3], tone="sdr", output="s3://out/c.mp4", format=kind)


@pytest.mark.parametrize(("codec", "asked"), [("hevc", True), ("av1", True), ("vp9", True), ("h264", False)])
def test_the_colors_that_no_container_states_are_a_pictures(
    codec: str, asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT), color=NO_COLOR, codec=codec))
    video.decoder.metadata = SimpleNamespace(width=WIDTH, height=HEIGHT, color=color_names(HLG_COLOR))
    client = FakeS3()
    result = decode(client, frames=[3], output="s3://out/a.png")
    assert ("tone" in result["milliseconds"]) is asked
    is_stored = bool((picture(client.objects["a.png"]) == frame(3, WIDTH, HEIGHT)).all())
    assert is_stored is not asked


REDUCED: dict[str, Any] = {
    "sum": lambda some: np.array(some.sum(), np.uint64),
    "sum_frames": lambda some: some.sum(axis=0, dtype=np.uint64),
    "mean": lambda some: some.sum(axis=0, dtype=np.uint64) / len(some),
    "min": lambda some: some.min(axis=0),
    "max": lambda some: some.max(axis=0),
}


@pytest.mark.parametrize("kind", REDUCED)
@pytest.mark.parametrize("inline", [False, True])
def test_a_reduction_counts_each_frame_as_often_as_it_is_asked_for(video: FakeVideo, kind: str, inline: bool) -> None:
    client, rows = FakeS3(), [9, 2, 9, 4]
    place: dict[str, Any] = {"format": "inline"} if inline else {"output": "s3://out/a.npy"}
    result = decode(client, frames=rows, reduce=kind, **place)
    data = base64.b64decode(result["inline"]["data"]) if inline else client.objects["a.npy"]
    np.testing.assert_array_equal(array(data), REDUCED[kind](frames(rows)), strict=True)
    assert result["partial"] == {"reduce": kind, "frames": 4}
    assert result.get("reduced") == (int(frames(rows).sum()) if kind == "sum" else None)
    assert video.decoder.decoded == [2, 4, 9]
    described = result["inline"] if inline else result["output"][0]
    assert described["shape"] == list(array(data).shape)
    assert described["dtype"] == array(data).dtype.name


@pytest.mark.parametrize("size", [None, {"max_side": 10}])
def test_a_size_that_the_container_misstates_is_replaced_by_that_of_the_pictures(
    video: FakeVideo, size: dict[str, int] | None
) -> None:
    video.decoder.true_size = (40, 20)
    client = FakeS3()
    fields: dict[str, Any] = {"frames": [5, 2], "output": "s3://out/a.npy"} | ({"size": size} if size else {})
    result = decode(client, **fields)
    expected = (20, 40) if size is None else (5, 10)
    assert result["output"][0]["shape"] == [2, *expected, 3]
    assert array(client.objects["a.npy"]).shape == (2, *expected, 3)
    assert (result["video"]["width"], result["video"]["height"]) == (40, 20)


@pytest.mark.usefixtures("video")
def test_an_inline_answer_holds_the_frames_and_writes_nothing() -> None:
    client = FakeS3()
    result = decode(client, frames=[5, 2], format="inline")
    np.testing.assert_array_equal(array(base64.b64decode(result["inline"]["data"])), frames([5, 2]), strict=True)
    assert (result["inline"]["shape"], result["inline"]["dtype"]) == ([2, HEIGHT, WIDTH, 3], "uint8")
    assert (result["output"], result["objects"], "manifest" in result) == ([], 0, False)
    assert client.log == []


@pytest.mark.usefixtures("video")
@pytest.mark.parametrize(("kind", "opened"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_an_inline_answer_may_be_a_picture_of_one_frame(kind: str, opened: str) -> None:
    client = FakeS3()
    result = decode(client, frames=[5], format=kind)
    inline = result["inline"]
    assert (inline["content_type"], inline["shape"]) == (f"image/{kind}", [HEIGHT, WIDTH, 3])
    data = base64.b64decode(inline["data"])
    assert Image.open(io.BytesIO(data)).format == opened
    assert distance(picture(data), frames([5])[0]) < (0.01 if kind == "png" else 12)
    assert (result["output"], result["objects"], "manifest" in result, client.log) == ([], 0, False, [])


@pytest.mark.usefixtures("video")
def test_a_picture_in_the_answer_takes_a_quality_and_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = (
        len(decode(FakeS3(), frames=[5], format="jpeg", quality=quality)["inline"]["data"]) for quality in (5, 95)
    )
    assert small < large
    monkeypatch.setattr("function.actions.limits.MAX_ANSWER_BYTES", small)
    assert decode(FakeS3(), frames=[5], format="jpeg", quality=5)
    with pytest.raises(LimitExceeded, match="an inline answer would have") as caught:
        decode(FakeS3(), frames=[5], format="jpeg", quality=95)
    assert (caught.value.detail["wanted"], caught.value.detail["maximum"]) == (large, small)


def test_several_pictures_need_an_output_and_the_error_says_which(video: FakeVideo) -> None:
    with pytest.raises(BadRequest, match="2 frames as jpeg: a prefix that ends with a slash") as caught:
        decode(FakeS3(), frames=[5, 6], format="jpeg")
    assert [problem["path"] for problem in cast("Any", caught.value.detail["problems"])] == ["output"]
    assert video.decoder.decoded == []


def test_the_manifest_is_the_whole_answer(video: FakeVideo) -> None:
    client = FakeS3()
    result = decode(client, frames=[0, 25], output="s3://out/a.npy")
    manifest = json.loads(client.objects["a.npy.manifest.json"])
    assert manifest == {name: value for name, value in result.items() if name != "milliseconds"}
    assert result["frames"] == {"count": 2, "rows": [0, 25], "timestamps": [0.0, 1.0]}
    assert (result["video"]["uri"], result["video"]["etag"], result["video"]["frames"]) == (VIDEO, "e1", COUNT)
    assert result["counters"]["frames_decoded"] == 2
    assert client.versions["a.npy"][-1].metadata[REQUEST] == result["request"]
    assert client.log[-1] == "put_object a.npy.manifest.json"
    assert video.source.closed
    assert {"open", "decode", "write", "total"} <= set(result["milliseconds"])


@pytest.mark.usefixtures("video")
def test_the_answer_tells_which_time_got_which_picture() -> None:
    client = FakeS3()
    result = decode(client, frames={"every_seconds": 0.03, "to": 0.2}, output="s3://out/run/")
    frames = result["frames"]
    assert frames["asked"] == pytest.approx([0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.18])
    assert frames["rows"] == [0, 0, 1, 2, 3, 3, 4]
    assert frames["timestamps"] == pytest.approx([0, 0, 0.04, 0.08, 0.12, 0.12, 0.16])
    picture_of = {written["row"]: written["uri"] for written in result["output"]}
    assert [picture_of[row] for row in frames["rows"]] == [
        f"s3://out/run/frame-{row:06d}.jpg" for row in (0, 0, 1, 2, 3, 3, 4)
    ]
    assert json.loads(client.objects["run/_manifest.json"])["frames"] == frames
    assert "asked" not in decode(client, frames=[3, 4], output="s3://out/run/")["frames"]


def test_a_snapped_frame_costs_a_sample_and_has_its_own_time(video: FakeVideo) -> None:
    result = decode(FakeS3(), frames={"timestamps": [0.5, 1.1], "snap": "keyframe"}, output="s3://out/a.npz")
    assert result["frames"] == {"count": 2, "rows": [10, 25], "timestamps": [0.4, 1.0], "asked": [0.5, 1.1]}
    assert result["counters"]["samples_decoded"] == 2
    assert video.decoder.decoded == [10, 25]


def test_a_long_answer_is_cut_and_its_manifest_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, index_of(MAX_LISTED + 1, (2, 2)))
    client = FakeS3()
    result = decode(client, frames="all", output="s3://out/a.npy")
    assert result["frames"] == {"count": MAX_LISTED + 1}
    assert len(json.loads(client.objects["a.npy.manifest.json"])["frames"]["rows"]) == MAX_LISTED + 1


@pytest.mark.parametrize("if_exists", ["reuse", "keep"])
def test_an_equal_request_is_answered_without_decoding(video: FakeVideo, if_exists: str) -> None:
    client = FakeS3()
    first = decode(client, frames=[5], output="s3://out/a.npy", if_exists=if_exists)
    video.decoder.decoded.clear()
    again = decode(client, frames=[5], output="s3://out/a.npy", if_exists=if_exists)
    assert again["kept"] is True
    assert again["request"] == first["request"]
    assert video.decoder.decoded == []
    if if_exists == "keep":
        with pytest.raises(OutputConflict):
            decode(client, frames=[6], output="s3://out/a.npy", if_exists=if_exists)
    else:
        decode(client, frames=[6], output="s3://out/a.npy", if_exists=if_exists)
        np.testing.assert_array_equal(array(client.objects["a.npy"]), frames([6]))


def test_another_version_of_the_video_is_decoded_again(video: FakeVideo) -> None:
    client = FakeS3()
    decode(client, frames=[5], output="s3://out/a.npy", if_exists="reuse")
    video.source.etag = '"e2"'
    assert "kept" not in decode(client, frames=[5], output="s3://out/a.npy", if_exists="reuse")


def test_the_ranges_of_the_plan_are_fetched_ahead_if_samples_are_addressed_by_bytes(
    video: FakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode(FakeS3(), frames=[6, 7], output="s3://out/a.npy")
    assert video.source.expected == [[(5000, 3000)]]
    whole = install(monkeypatch, index_of(COUNT, (WIDTH, HEIGHT), byte_addressable=False))
    decode(FakeS3(), frames=[6, 7], output="s3://out/a.npy")
    assert whole.source.expected == []


def test_what_does_not_fit_is_refused_before_decoding(video: FakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "64")
    client = FakeS3()
    with pytest.raises(LimitExceeded):
        decode(client, frames=[5], output="s3://out/a.npy")
    assert (video.decoder.decoded, client.objects) == ([], {})
    assert video.source.expected == []


def test_a_bucket_that_is_missing_is_found_out_before_decoding(video: FakeVideo) -> None:
    with pytest.raises(OutputNotFound):
        decode(FakeS3(), frames=[5], output="s3://other/a.npy")
    assert video.decoder.decoded == []


def test_a_frame_that_cannot_be_decoded_takes_back_the_pictures_before_it(
    video: FakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BATCH_BYTES", 1)
    video.decoder.fails = (7, CorruptFrameError("row 7 is damaged", rows=[7]))
    client = FakeS3()
    session = Session(cast("Any", client))
    with pytest.raises(FrameCorrupt):
        decode(client, session, frames=[9, 2, 7, 4, 2], output="s3://out/run/")
    assert client.objects == {}
    assert session.progress() == {"done": 2, "undone": 3, "undone_rows": [9, 7, 4]}


def test_progress_names_the_rows_that_are_left(video: FakeVideo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BATCH_BYTES", 1)
    monkeypatch.setattr("function.actions.decode.MAX_UNDONE_LISTED", 2)
    client = FakeS3()
    session = Session(cast("Any", client))
    video.decoder.fails = (4, CorruptFrameError("row 4 is damaged", rows=[4]))
    with pytest.raises(FrameCorrupt):
        decode(client, session, frames=[2, 3, 4, 5, 6], output="s3://out/a.npy")
    assert session.progress() == {"done": 1, "undone": 4, "undone_rows": [3, 4]}
    video.decoder.fails = None
    decode(client, session, frames=[2, 3], output="s3://out/a.npy")
    assert session.progress() == {"done": 2, "undone": 0, "undone_rows": []}


@pytest.mark.usefixtures("video")
def test_a_deadline_before_the_manifest_takes_everything_back() -> None:
    client = FakeS3()
    deadline = Deadline(time.monotonic() - 1)
    with pytest.raises(DeadlineExceeded):
        decode(client, Session(cast("Any", client), deadline), frames=[5], output="s3://out/a.npy")
    assert client.objects == {}


@pytest.mark.usefixtures("video")
def test_a_manifest_that_is_refused_takes_everything_back() -> None:
    client = FakeS3()

    def before(_: int) -> None:
        if client.log[-1] == "put_object run/_manifest.json":
            raise refused(403, "AccessDenied")

    client.before = before
    with pytest.raises(Exception, match="manifest"):
        decode(client, frames=[5, 6], output="s3://out/run/")
    assert client.objects == {}
