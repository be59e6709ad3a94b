"""PyAV: rows by the time stamps of a packet scan, a seek only if it skips something, automatic threading.

A video behind HTTP is too far away to be scanned: there the frame rate gives a row's time.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from bench.contenders import Size

VERSION = av.__version__


class Movie:
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:  # noqa: ARG002 - has none
        self._container = av.open(path)
        self._stream = self._container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self._arguments = {"width": size[0], "height": size[1]} if size else {}
        self._times: list[int] = []
        self._syncs: list[int] = []
        self._estimate() if path.startswith("http:") else self._scan()
        self._shown: av.VideoFrame | None = None
        self._decoded: Iterator[av.VideoFrame] = iter(())

    def _scan(self) -> None:
        packets = [packet for packet in self._container.demux(self._stream) if packet.size]
        if any(packet.pts is None for packet in packets):
            raise ValueError("the container has no time stamps to seek by")
        self._times = sorted(packet.pts for packet in packets if not packet.is_discard)
        self._syncs = sorted(packet.pts for packet in packets if packet.is_keyframe)

    def _estimate(self) -> None:
        step = 1 / (self._stream.average_rate * self._stream.time_base)
        start = self._stream.start_time or 0
        self._times = [start + round(row * step) for row in range(self._stream.frames)]
        self._syncs = self._times

    def __len__(self) -> int:
        return len(self._times)

    def frames(self, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """One frame for each of `rows`, in any order: uint8 [H, W, 3] each."""
        self._shown = None
        found: dict[int, NDArray[np.uint8]] = {}
        for row in sorted(set(rows)):
            picture = self._picture(self._times[row])
            found[row] = picture.to_ndarray(format="rgb24", **self._arguments)
        return [found[row] for row in rows]

    def _picture(self, time: int) -> av.VideoFrame:
        sync = self._syncs[max(0, bisect.bisect_right(self._syncs, time) - 1)]
        if self._shown is None or sync > self._shown.pts:
            self._container.seek(time, stream=self._stream)
            self._decoded = self._container.decode(self._stream)
        for picture in self._decoded:
            if picture.pts >= time:
                self._shown = picture
                return picture
        raise ValueError(f"the video ends before time {time}")

    def close(self) -> None:
        """Closes the file."""
        self._container.close()
