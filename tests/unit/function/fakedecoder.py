"""A video that is not there: an index, and stand-ins for the compiled core and the network."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hwang.index import VideoIndex
from hwang.picture import PictureLayout, Planes, picture_layout
from hwang.plan import make_plan

ETAG = '"e1"'
VIDEO = "s3://films/clip.mp4"
SAMPLE_BYTES = 1000


def index_of(
    count: int, size: tuple[int, int], *, gop: int = 5, sample_bytes: int = SAMPLE_BYTES, **changes: Any
) -> VideoIndex:
    """`count` frames of (width, height) at 25 a second, a sync sample every `gop`."""
    samples: Any = np.arange(count)
    facts: dict[str, Any] = {
        "container": "mov",
        "codec": "h264",
        "time_base": (1, 25),
        "duration_ticks": count,
        **changes,
    }
    return VideoIndex(
        sample_offset=samples * sample_bytes,
        sample_size=np.full(count, sample_bytes),
        pts=samples,
        dts=samples,
        sync=samples % gop == 0,
        disposable=np.zeros(count, np.bool_),
        order=samples,
        row_pts=samples,
        width=size[0],
        height=size[1],
        **facts,
    )


def frame(row: int, width: int, height: int) -> NDArray[np.uint8]:
    """The pixels of a row, [H, W, 3]: smooth, and different from those of every other row and when turned."""
    y, x = np.mgrid[:height, :width]
    ramp = 40 + 6 * row + x * 60 // max(1, width) + y * 30 // max(1, height)
    return np.stack([ramp, 255 - ramp, ramp // 2], axis=-1).astype(np.uint8)


def planes(rows: NDArray[np.int64], width: int, height: int) -> Planes:
    """The same as YUV 4:2:0, luma alone."""
    luma = np.stack([frame(row, width, height)[..., 0] for row in rows.tolist()])
    chroma = np.full((len(rows), (height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return Planes(luma, chroma, chroma)


@dataclass
class FakeDecoder:
    """Frames of the index's rows, `max_bytes` at a time; `fails` is raised instead of the batch that has its row."""

    video_index: VideoIndex
    fails: tuple[int, Exception] | None = None
    true_size: tuple[int, int] | None = None  # of the pictures, where the index has another one
    metadata: Any = None  # what a picture states
    draw: Callable[[int, int, int], NDArray[np.uint8]] = frame
    decoded: list[int] = field(default_factory=list)
    batch_sizes: list[int] = field(default_factory=list)

    def __enter__(self) -> FakeDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def batches(
        self,
        rows: NDArray[np.int64],
        max_bytes: int,
        *,
        pixel_format: Any,
        width: int | None = None,
        height: int | None = None,
    ) -> Iterator[tuple[slice, Any]]:
        if self.true_size:  # found out with the first picture
            size, self.true_size = self.true_size, None
            self.video_index = replace(self.video_index, width=size[0], height=size[1])
        layout: PictureLayout = picture_layout(
            (self.video_index.width, self.video_index.height), width, height, None, pixel_format
        )
        width, height = layout.width, layout.height
        step = max(1, max_bytes // layout.picture_bytes)
        for start in range(0, len(rows), step):
            part = slice(start, min(start + step, len(rows)))
            wanted = rows[part]
            if self.fails and self.fails[0] in wanted:
                raise self.fails[1]
            self.decoded += wanted.tolist()
            self.batch_sizes.append(len(wanted))
            if pixel_format == "yuv420p":
                yield part, planes(wanted, width, height)
            else:
                yield part, np.stack([self.draw(row, width, height) for row in wanted.tolist()])

    def batches_in(
        self, forms: list[Any], rows: NDArray[np.int64], max_bytes: int
    ) -> Iterator[tuple[slice, list[Any]]]:
        """Each row is decoded once, at the largest step that fits all forms, as `decoded` and `batch_sizes` tell."""
        size = self.video_index.width, self.video_index.height
        layouts = [
            picture_layout(size, form.get("width"), form.get("height"), None, form["pixel_format"]) for form in forms
        ]
        step = max(1, max_bytes // sum(layout.picture_bytes for layout in layouts))
        for start in range(0, len(rows), step):
            part = slice(start, min(start + step, len(rows)))
            decoded = list(self.decoded)
            made = [next(iter(self.batches(rows[part], 2**40, **form)))[1] for form in forms]
            self.decoded[:] = decoded + rows[part].tolist()
            yield part, made

    def keyframes(self) -> list[int]:
        return np.flatnonzero(self.video_index.sync).tolist()

    def stop(self) -> None:
        pass

    @property
    def stats(self) -> Any:
        samples = make_plan(self.video_index, sorted(set(self.decoded))).samples_decoded if self.decoded else 0
        return SimpleNamespace(samples_decoded=samples, samples_skipped=0, frames=len(self.decoded))


@dataclass
class FakeSource:
    """The video's bytes, of which nobody asks."""

    size: int
    uri: str = VIDEO
    etag: str = ETAG
    requests: int = 0
    bytes_read: int = 0
    expected: list[Any] = field(default_factory=list)
    closed: bool = False

    @property
    def remote(self) -> FakeSource:
        """Itself, which counts as well."""
        return self

    def expect(self, ranges: Any) -> None:
        self.expected.append(list(ranges))

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeClip:
    """Mp4Writer's stand-in: keeps what it is given, and writes the luma of its pictures."""

    file: Any
    width: int
    height: int
    arguments: dict[str, Any]
    made: list[FakeClip]
    pictures: list[NDArray[np.uint8]] = field(default_factory=list)

    def __enter__(self) -> FakeClip:
        self.made.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, pictures: Planes) -> None:
        self.pictures += list(pictures.y)
        self.file.write(pictures.y.tobytes())
        self.file.flush()


@dataclass
class FakeVideo:
    """What the next decode finds, and what it left."""

    decoder: FakeDecoder
    source: FakeSource
    clips: list[FakeClip] = field(default_factory=list)
    can_encode: bool = True


def install(monkeypatch: pytest.MonkeyPatch, index: VideoIndex) -> FakeVideo:
    """Makes every video be this one, and needs no compiled core."""
    try:
        from hwang import _core  # noqa: F401
    except ImportError:
        core = ModuleType("hwang._core")
        monkeypatch.setitem(sys.modules, "hwang._core", core)
    from function.source import video
    from hwang import mp4writer

    fake = FakeVideo(FakeDecoder(index), FakeSource(size=len(index.sample_size) * SAMPLE_BYTES))

    def clip(file: Any, width: int, height: int, **arguments: Any) -> FakeClip:
        return FakeClip(file, width, height, arguments, fake.clips)

    monkeypatch.setattr(video, "open_source", lambda *_: fake.source)
    monkeypatch.setattr(video, "Decoder", lambda *_: fake.decoder)
    monkeypatch.setattr(mp4writer, "Mp4Writer", clip)
    monkeypatch.setattr(mp4writer, "can_encode", lambda: fake.can_encode)
    monkeypatch.setattr("hwang.can_encode", lambda: fake.can_encode, raising=False)
    return fake
