"""The table of docs/cost.md: what typical requests cost, from the function's own predictions.

The videos are made up: 1080p H.264 in MP4 at 30 frames and 1 MB a second, a keyframe every two seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np

from function.actions.cost import predicted_seconds
from function.actions.limits import DecodeEstimate
from function.frames.pictures import Shape
from function.frames.rows import resolve_frames
from function.models.event import Plan
from function.models.formats import FORMATS
from hwang.index import VideoIndex
from hwang.plan import make_plan
from local.cost import Counts, dollars

PAGE: Final = Path(__file__).resolve().parent.parent / "docs/cost.md"
MEMORY_MB: Final = 3008
_SIZE: Final = (1920, 1080)
_FPS: Final = 30
_GOP: Final = 60
_SAMPLE_BYTES: Final = 1_000_000 // _FPS
_PICTURE_BYTES: Final = 60_000  # a JPEG of 640 x 360
_PART_SECONDS: Final = 30
_AT_ONCE: Final = 100
_MB: Final = 1 << 20


@dataclass(frozen=True)
class Work:
    """A request for each of so many videos, by a job or by a trigger for each video."""

    name: str
    videos: int
    seconds: int  # of each video
    request: dict[str, Any]
    is_job: bool = True


_SECONDLY: Final = {"frames": {"every_seconds": 1}, "size": {"max_side": 640}}
_CHEAP: Final = {"frames": {"every_seconds": 1, "snap": "keyframe"}, "size": {"max_side": 640}}
_THUMBNAIL: Final = {"frames": {"timestamps": [5], "snap": "keyframe"}, "size": {"max_side": 640}, "format": "jpeg"}
_SHEET: Final = {"frames": {"count": 16}, "size": {"max_side": 320}, "format": "sheet"}
_SUM: Final = {"frames": "all", "reduce": "sum"}
WORKS: Final = (
    Work("a thumbnail of each of 1,000,000 uploads of a minute", 1_000_000, 60, _THUMBNAIL, is_job=False),
    Work("a sheet of 16 of each of 100,000 uploads of a minute", 100_000, 60, _SHEET, is_job=False),
    Work("a frame a second of 1,000 hours, as JPEG", 1000, 3600, {**_SECONDLY, "format": "jpeg"}),
    Work("the same, as shards", 1000, 3600, {**_SECONDLY, "format": "tar"}),
    Work("the same, the nearest keyframe before, as shards", 1000, 3600, {**_CHEAP, "format": "tar"}),
    Work("every frame of 100 hours, summed", 100, 3600, _SUM),
)


def estimate(seconds: int, request: dict[str, Any]) -> DecodeEstimate:
    """Return what the request needs of a video of so many seconds."""
    count = seconds * _FPS
    samples: Any = np.arange(count)
    index = VideoIndex(
        sample_offset=samples * _SAMPLE_BYTES, sample_size=np.full(count, _SAMPLE_BYTES), pts=samples, dts=samples,
        sync=samples % _GOP == 0, disposable=np.zeros(count, np.bool_), order=samples, row_pts=samples,
        width=_SIZE[0], height=_SIZE[1], time_base=(1, _FPS), duration_ticks=count, container="mov", codec="h264",
    )  # fmt: skip
    plan = Plan.model_validate({"action": "plan", "video": "s3://films/clip.mp4", **request})
    rows = resolve_frames(plan.frames, index).rows
    written_as = plan.format or "npy"
    treatment = plan.settled(written_as)
    shape = Shape.of_request(index, treatment)
    return DecodeEstimate(index, make_plan(index, rows), shape, written_as, treatment, count * _SAMPLE_BYTES)


def works() -> str:
    """Return the table of costs."""
    lines = [
        "| work | frames | Lambda | S3 | Step Functions | in all | a million frames | minutes |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for work in WORKS:
        one = estimate(work.seconds, work.request)
        seconds = work.videos * predicted_seconds(one, MEMORY_MB * _MB)
        parts = ceil(seconds / _PART_SECONDS)
        frames = work.videos * one.count
        pieces = parts if FORMATS[one.written_as].takes_shards else 8 * parts
        if not work.is_job:
            parts = pieces = work.videos
        if FORMATS[one.written_as].takes_shards:
            objects = 2 * pieces + ceil(frames * _PICTURE_BYTES / (48 << 20))
        else:
            objects = frames if FORMATS[one.written_as].is_picture else pieces
        counts = Counts(
            invocations=parts,
            seconds=seconds,
            transitions=2 * (parts + ceil(work.videos / 250)) + 6 if work.is_job else 0,
            gets=work.videos * (len(one.plan.ranges) + 2) + 3 * parts,
            puts=objects + pieces,
        )
        each = dollars(counts, MEMORY_MB)
        total = sum(each)
        paid = " | ".join(f"${value:,.2f}" for value in (*each, total, total / frames * 1e6))
        lines.append(f"| {work.name} | {frames:,} | {paid} | {seconds / 60 / _AT_ONCE:.0f} |")
    return "\n".join(lines)


def renewed(page: str) -> str:
    """Return the page with its table computed anew."""
    return re.sub(r"(<!-- works -->\n).*?(\n<!-- end -->)", rf"\g<1>{works()}\g<2>", page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
