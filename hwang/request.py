"""Requests for frames: the keywords that all methods of a Decoder take, and the answer with times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from hwang.index import VideoIndex
from hwang.picture import Axes, PictureLayout, PictureLayouts, PixelFormat, part_of, picture_layout
from hwang.timeline import row_times


class SizeOptions(TypedDict, total=False):
    """Keywords that do not change the type of the answer."""

    width: int | None
    height: int | None
    max_side: int | None
    rotate: bool
    layout: Axes
    timeout: float | None


class FrameOptions(SizeOptions, total=False):
    """Keywords of all methods that return frames."""

    pixel_format: PixelFormat
    with_times: bool


class TimedFrames(NamedTuple):
    """Frames and their times: of one frame if they come one by one, otherwise of N."""

    frames: Any
    """Arrays, as without times."""
    rows: NDArray[np.int64]
    """int64 [N]."""
    seconds: NDArray[np.float64]
    """float64 [N]: when each appears, as VideoIndex.timestamps() counts; NaN in a raw stream."""
    durations: NDArray[np.float64]
    """float64 [N]: seconds until the next row appears; for the last row, the mean interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Keywords that describe the frames of a request; their meaning is documented at Decoder."""

    pixel_format: PixelFormat = "rgb24"
    width: int | None = None
    height: int | None = None
    max_side: int | None = None
    rotate: bool = False
    layout: Axes = "NHWC"
    with_times: bool = False

    def picture_layout(self, index: VideoIndex) -> PictureLayout:
        """Return the layout of the video's pictures. Raises ValueError for keywords that make no sense."""
        size = index.width, index.height
        turn = index.rotation if self.rotate else 0
        asked = self.width, self.height, self.max_side, self.pixel_format
        return picture_layout(size, *asked, turn=turn, axes=self.layout)

    def answer(self, frames: Any, rows: NDArray[np.int64], index: VideoIndex) -> Any:
        """Return the frames of some rows, as TimedFrames if asked for."""
        return TimedFrames(frames, rows, *row_times(rows, index)) if self.with_times else frames


@dataclass(frozen=True, slots=True)
class Requests:
    """Several requests for the same rows."""

    requests: tuple[Request, ...]

    def picture_layout(self, index: VideoIndex) -> PictureLayouts:
        """Return the layouts of the video's pictures. Raises ValueError for keywords that make no sense."""
        return PictureLayouts(tuple(request.picture_layout(index) for request in self.requests))

    def answer(self, frames: Any, rows: NDArray[np.int64], index: VideoIndex) -> list[Any]:
        """Return the frames of some rows as each request asks for them."""
        return [request.answer(one, rows, index) for request, one in zip(self.requests, frames, strict=True)]


def request_of(options: FrameOptions) -> tuple[Request, float | None]:
    """Return the request, and its timeout. Raises TypeError for an unknown keyword."""
    keywords: dict[str, Any] = {**options}
    timeout = keywords.pop("timeout", None)
    return Request(**keywords), timeout


def one_of(answer: Any, position: int) -> Any:
    """Return one frame of an answer, sharing memory."""
    if not isinstance(answer, TimedFrames):
        return part_of(answer, position)
    return TimedFrames(part_of(answer.frames, position), *(column[position] for column in answer[1:]))
