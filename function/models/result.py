"""Results of requests, as the manifest holds them and as Lambda returns them."""

from __future__ import annotations

import math
from typing import Any, Final

from function.models.selection import Model

MAX_LISTED: Final = 1000
MAX_ANSWER_BYTES: Final = 6 * 10**6  # Lambda's limit is 6 MiB, with what it wraps around the result


class Member(Model):
    """A picture in a shard: its name, and where its bytes lie in the object."""

    name: str
    row: int
    offset: int
    bytes: int


class Written(Model):
    """An object that was written; `sha256` of its bytes in hexadecimal. `members` of a shard, in the manifest alone."""

    uri: str
    bytes: int
    sha256: str
    version_id: str | None = None
    shape: list[int] | None = None
    dtype: str | None = None
    row: int | None = None
    members: list[Member] | None = None


class FrameList(Model):
    """The frames in the order requested: rows, the seconds at which they appear, and the requested seconds.

    `asked` is there if the selection names times, or has moved its frames to keyframes.
    """

    count: int
    rows: list[int] | None = None
    timestamps: list[float] | None = None
    asked: list[float] | None = None

    @classmethod
    def of(cls, rows: list[int], seconds: list[float], asked: list[float] | None = None) -> FrameList:
        """The list of these rows; seconds that are NaN are left out, as JSON has no such number."""
        timestamps = None if any(map(math.isnan, seconds)) else seconds
        return cls(count=len(rows), rows=rows, timestamps=timestamps, asked=asked)


class VideoFacts(Model):
    """Facts about the video. Sizes in pixels as stored, before `rotation` (degrees clockwise)."""

    uri: str
    etag: str
    bytes: int
    width: int
    height: int
    rotation: int
    frames: int
    fps: float
    seconds: float
    keyframes: int
    codec: str
    container: str


class Counters(Model):
    """Bytes, requests, samples and frames that the request took."""

    bytes_read: int
    requests: int
    samples_decoded: int
    samples_skipped: int
    frames_decoded: int


class Inline(Model):
    """An array or a picture in the answer itself, in base64: a .npy file, or one of `content_type`."""

    content_type: str | None = None
    shape: list[int]
    dtype: str
    data: str


class Applied(Model):
    """Own code that made the results: the function's name, and an id of the image's content."""

    function: str
    image: str


class Partial(Model):
    """Kind and number of frames of a reduction, so that partial results can be combined."""

    reduce: str
    frames: int


class OneResult(Model):
    """One of several results of a decode: its output, and how many of the objects are its own, in their order."""

    output: str
    format: str
    objects: int
    reduced: int | None = None
    partial: Partial | None = None
    applied: Applied | None = None


class DecodeResult(Model):
    """Result of a `decode` action. `request` is the fingerprint of the event and of the version of the video."""

    request: str
    video: VideoFacts
    frames: FrameList
    output: list[Written]
    objects: int
    bytes_written: int | None = None  # of all objects, also if `output` is cut
    outputs: list[OneResult] | None = None  # if the event has them: in its order
    manifest: str | None = None
    reduced: int | None = None
    partial: Partial | None = None
    applied: Applied | None = None
    inline: Inline | None = None
    values: list[Any] | None = None
    counters: Counters
    kept: bool | None = None  # the result of an equal request that had finished before
    milliseconds: dict[str, float] | None = None


class ProbeResult(Model):
    """Result of a `probe` action."""

    video: VideoFacts
    counters: Counters
    milliseconds: dict[str, float] | None = None


class Cost(Model):
    """Upper bounds of what a decode takes, of all results together; memory and time are predictions."""

    requests: int
    bytes: int
    runs: int
    samples: int
    memory_mb: int
    milliseconds: int
    output_bytes: int | None = None  # unless it depends on what the frames show


class PlanResult(Model):
    """Result of a `plan` action."""

    video: VideoFacts
    frames: FrameList
    cost: Cost
    fits: bool
    counters: Counters
    milliseconds: dict[str, float] | None = None


class IndexResult(Model):
    """Result of an `index` action."""

    video: VideoFacts
    output: list[Written]
    counters: Counters
    milliseconds: dict[str, float] | None = None


class CombineResult(Model):
    """Result of a `combine` action."""

    request: str
    partial: Partial
    parts: int
    output: list[Written]
    manifest: str
    reduced: int | None = None
    milliseconds: dict[str, float] | None = None


class SelfTestResult(Model):
    """Result of a `selftest` action in which every frame was the right one."""

    frames_checked: int
    samples_decoded: int
    milliseconds: dict[str, float] | None = None


Result = DecodeResult | ProbeResult | PlanResult | IndexResult | CombineResult | SelfTestResult


def as_json(result: Result) -> dict[str, Any]:
    """The result as JSON values, without fields that are None."""
    return result.model_dump(exclude_none=True)


def returned(whole: dict[str, Any]) -> dict[str, Any]:
    """The result as Lambda returns it: long lists, which only the manifest can hold, are cut or left out."""
    result = dict(whole)
    if "output" in whole:
        result["output"] = [{k: v for k, v in one.items() if k != "members"} for one in whole["output"][:MAX_LISTED]]
    if whole.get("frames", {}).get("count", 0) > MAX_LISTED:
        result["frames"] = {"count": whole["frames"]["count"]}
    return result
