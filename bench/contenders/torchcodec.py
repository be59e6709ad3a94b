"""torchcodec. Options: `seek_mode`, exact or approximate; `threads` of FFmpeg's decoder, 0 for its own choice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torchcodec
from numpy.typing import NDArray
from torchcodec.decoders import VideoDecoder
from torchcodec.transforms import Resize

from bench.contenders import Size

VERSION = torchcodec.__version__


class Movie:
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: dict[str, Any]) -> None:
        self._decoder = VideoDecoder(
            path,
            dimension_order="NHWC",
            num_ffmpeg_threads=options.get("threads", 1),
            seek_mode=options["seek_mode"],
            transforms=[Resize(size[::-1])] if size else None,
        )

    def __len__(self) -> int:
        return len(self._decoder)

    def frames(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """One frame for each of `rows`, in any order: uint8 [N, H, W, 3]."""
        frames: NDArray[np.uint8] = self._decoder.get_frames_at(indices=list(rows)).data.numpy()
        return frames

    def close(self) -> None:
        """Closes the file."""
        del self._decoder
