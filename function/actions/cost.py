"""Predicts from the index what decoding frames costs: seconds of a function that reads from S3."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from function.actions.limits import DecodeEstimate
from function.frames.pictures import Shape
from function.frames.reduce import REDUCTIONS
from function.frames.tone import may_apply
from function.models.form import Treatment
from function.models.formats import FORMATS, Format
from function.s3 import CONNECTIONS
from hwang.index import VideoIndex
from hwang.plan import Plan

Seconds = NDArray[np.float64]

REQUEST_SECONDS: Final = 0.03
BYTES_PER_SECOND: Final = 80e6  # of all connections together
MB_OF_A_CORE: Final = 1769
# The video, its index, both buckets, the result and its manifest.
OPEN_SECONDS: Final = 6 * REQUEST_SECONDS

# Seconds of one core, measured over forty videos of 360p to 1080p (local/collection.py) and those of `make bench`. What
# writing a megapixel costs is in the table of formats.
_SAMPLE: Final = {"h264": 0.0013, "hevc": 0.0014, "vp9": 0.0016, "av1": 0.0016}  # a megapixel that is decoded
_OTHER_SAMPLE: Final = 0.003
_MEGABYTE: Final = 0.05  # of samples that are decoded
_CONVERT: Final = 0.0015  # a megapixel that is wanted
_TONE: Final = 0.025  # a megapixel of HDR that is shown as SDR
_OBJECT: Final = 0.003


@dataclass(frozen=True)
class Rates:
    """Seconds that a sample of one video, a byte of its samples, a wanted frame and each request cost."""

    sample: float
    byte: float
    frame: float
    request: float

    @classmethod
    def of(cls, index: VideoIndex, shape: Shape, written_as: Format, treatment: Treatment, cores: float) -> Self:
        """Rates for frames of `shape`, if so many `cores` share the decoding.

        A reduction is written once; what own code takes is not known, and not counted.
        """
        coded, shown = index.width * index.height / 1e6, shape.width * shape.height / 1e6
        facts, reduce = FORMATS[treatment.cost_format or written_as], treatment.reduce
        frame = (
            _CONVERT * coded
            + facts.seconds_per_megapixel * shown
            + (_TONE * shown if treatment.tone == "sdr" and may_apply(index) else 0.0)
            + (_OBJECT if FORMATS[written_as].is_picture else 0.0)
        )
        sent_with_a_frame = shape.frame_bytes if facts.is_streamed and treatment.makes_frames else 0
        sent_at_the_end = REDUCTIONS[reduce].result_bytes(shape.frame_bytes) if reduce else 0
        return cls(
            _SAMPLE.get(index.codec, _OTHER_SAMPLE) * coded / cores,
            _MEGABYTE / 1e6 / cores,
            frame / cores + sent_with_a_frame / BYTES_PER_SECOND,
            OPEN_SECONDS + sent_at_the_end / BYTES_PER_SECOND,
        )

    @classmethod
    def of_decode(cls, estimate: DecodeEstimate, cores: float) -> Self:
        """Rates for the estimated decode, with all its results."""
        alone = [cls.of(one.index, one.shape, one.written_as, one.treatment, cores) for one in estimate.results]
        frame = sum(one.frame for one in alone)
        return replace(alone[0], frame=frame, request=OPEN_SECONDS + sum(one.request - OPEN_SECONDS for one in alone))

    def of_runs(self, index: VideoIndex, plan: Plan) -> Seconds:
        """Seconds of each run of the plan with its wanted frames, duplicates counted once; float64 [runs]."""
        samples = np.array([len(run.samples) for run in plan.runs], np.float64)
        wanted = np.array([len(run.wanted) for run in plan.runs], np.float64)
        data = np.array([int(index.sample_size[run.samples].sum(dtype=np.int64)) for run in plan.runs], np.float64)
        return samples * self.sample + data * self.byte + wanted * self.frame


def cores_of(memory: int | None) -> float:
    """Cores of a function with this memory in bytes, at least 1; None: this machine's."""
    return max(1.0, memory / 2**20 / MB_OF_A_CORE) if memory else float(len(os.sched_getaffinity(0)))


def predicted_seconds(estimate: DecodeEstimate, memory: int | None) -> float:
    """Predict the seconds of a decode: fetching and decoding overlap, so the longer one counts."""
    rates = Rates.of_decode(estimate, min(cores_of(memory), max(1, len(estimate.plan.runs))))
    fetch = (
        REQUEST_SECONDS * math.ceil(len(estimate.plan.ranges) / CONNECTIONS) + estimate.fetched_bytes / BYTES_PER_SECOND
    )
    return rates.request + max(fetch, float(rates.of_runs(estimate.index, estimate.plan).sum()))
