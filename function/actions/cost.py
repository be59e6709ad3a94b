"""What decoding frames costs, predicted from the index: seconds of a function that reads from S3."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from function.frames.pictures import Shape
from function.frames.reduce import dtype_of
from function.models.form import PICTURES, Format, Reduce
from hwang.index import VideoIndex
from hwang.plan import Plan

Seconds = NDArray[np.float64]

REQUEST_SECONDS: Final = 0.03
BYTES_PER_SECOND: Final = 80e6  # of all connections together
MB_OF_A_CORE: Final = 1769
# The video, its index, both buckets, the result and its manifest.
OPEN_SECONDS: Final = 6 * REQUEST_SECONDS

# Seconds of one core, measured over forty videos of 360p to 1080p (local/collection.py) and those of `make bench`.
_SAMPLE: Final = {"h264": 0.0013, "hevc": 0.0014, "vp9": 0.0016, "av1": 0.0016}  # a megapixel that is decoded
_OTHER_SAMPLE: Final = 0.003
_MEGABYTE: Final = 0.05  # of samples that are decoded
_CONVERT: Final = 0.0015  # a megapixel that is wanted
_ENCODE: Final[dict[Format, float]] = {"jpeg": 0.013, "png": 0.13, "webp": 0.11, "npz": 0.1, "mp4": 0.04}  # as written
_OTHER_ENCODE: Final = 0.002
_OBJECT: Final = 0.003


@dataclass(frozen=True)
class Rates:
    """What the samples, their bytes and the wanted frames of one video cost, and what each request does beside."""

    sample: float
    byte: float
    frame: float
    request: float

    @classmethod
    def of(cls, index: VideoIndex, shape: Shape, written_as: Format, reduce: Reduce | None, cores: float) -> Self:
        """`cores`: that share the decoding."""
        coded, shown = index.width * index.height / 1e6, shape.width * shape.height / 1e6
        encode = (_OTHER_ENCODE if reduce else _ENCODE.get(written_as, _OTHER_ENCODE)) * shown
        frame = _CONVERT * coded + encode + (_OBJECT if written_as in PICTURES and not reduce else 0.0)
        sent_with_a_frame = shape.frame_bytes if written_as in ("npy", "npz") and not reduce else 0
        sent_at_the_end = shape.frame_bytes * dtype_of(reduce).itemsize if reduce and reduce != "sum" else 0
        return cls(
            _SAMPLE.get(index.codec, _OTHER_SAMPLE) * coded / cores,
            _MEGABYTE / 1e6 / cores,
            frame / cores + sent_with_a_frame / BYTES_PER_SECOND,
            OPEN_SECONDS + sent_at_the_end / BYTES_PER_SECOND,
        )

    def of_runs(self, index: VideoIndex, plan: Plan) -> Seconds:
        """float64 [runs]: for each run of the plan, with its wanted frames, duplicates counted once."""
        samples = np.array([len(run.samples) for run in plan.runs], np.float64)
        wanted = np.array([len(run.wanted) for run in plan.runs], np.float64)
        data = np.array([int(index.sample_size[run.samples].sum(dtype=np.int64)) for run in plan.runs], np.float64)
        return samples * self.sample + data * self.byte + wanted * self.frame


def cores_of(memory: int | None) -> float:
    """That a function with this memory in bytes has, at least 1; None: this machine's."""
    return max(1.0, memory / 2**20 / MB_OF_A_CORE) if memory else float(len(os.sched_getaffinity(0)))
