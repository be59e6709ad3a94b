"""What decoding frames costs, predicted from the index: seconds on one core that reads from S3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from function.form import Format, Reduce
from function.pictures import Shape
from hwang.index import VideoIndex
from hwang.plan import Plan

Seconds = NDArray[np.float64]

REQUEST_SECONDS: Final = 0.03
OPEN_SECONDS: Final = 3 * REQUEST_SECONDS  # the video, its index, the manifest of what was written
BYTES_PER_SECOND: Final = 80e6  # of all connections together
# Seconds for a megapixel of each sample that is decoded, and for a megabyte of its data.
_SAMPLE: Final = {"h264": 0.0043, "hevc": 0.0045, "vp9": 0.003, "av1": 0.005}
_OTHER_SAMPLE: Final = 0.006
_MEGABYTE: Final = 0.02
_CONVERT: Final = 0.002  # a megapixel, with the copy into the result
# Seconds for a megapixel of each frame as it is written.
_WRITE: Final[dict[Format, float]] = {
    "npy": 3 / (BYTES_PER_SECOND / 1e6),
    "npz": 0.1,
    "jpeg": 0.012,
    "png": 0.08,
    "webp": 0.1,
    "sheet": 0.003,
    "mp4": 0.04,
    "inline": 0.01,
}
_REDUCE: Final = 0.001
_PUT_SECONDS: Final = REQUEST_SECONDS / 8  # of one object of many, written over several connections


@dataclass(frozen=True)
class Rates:
    """What a sample, a byte of it and a wanted frame of one video cost."""

    sample: float
    byte: float
    frame: float

    @classmethod
    def of(cls, index: VideoIndex, shape: Shape, written_as: Format, reduce: Reduce | None) -> Self:
        coded, shown = index.width * index.height / 1e6, shape.width * shape.height / 1e6
        write = _REDUCE * shown if reduce else _WRITE[written_as] * shown
        if not reduce and written_as in ("jpeg", "png", "webp"):
            write += _PUT_SECONDS
        sample = _SAMPLE.get(index.codec, _OTHER_SAMPLE) * coded
        return cls(sample, _MEGABYTE / 1e6, _CONVERT * coded + write)

    def of_runs(self, index: VideoIndex, plan: Plan) -> Seconds:
        """float64 [runs]: for each run of the plan, with its wanted frames, duplicates counted once."""
        samples = np.array([len(run.samples) for run in plan.runs], np.float64)
        wanted = np.array([len(run.wanted) for run in plan.runs], np.float64)
        data = np.array([int(index.sample_size[run.samples].sum(dtype=np.int64)) for run in plan.runs], np.float64)
        return samples * self.sample + data * self.byte + wanted * self.frame
