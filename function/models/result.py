"""What a request is answered with, as the manifest keeps it and as Lambda returns it."""

from __future__ import annotations

from typing import Any, Final

from function.models.selection import Model

MAX_LISTED: Final = 1000
MAX_ANSWER_BYTES: Final = 6 * 10**6  # Lambda's limit is 6 MiB, with what it wraps around the result


class Written(Model):
    """An object that was written; `sha256` of its bytes in hexadecimal."""

    uri: str
    bytes: int
    sha256: str
    version_id: str | None = None
    shape: list[int] | None = None
    dtype: str | None = None
    row: int | None = None


class FrameList(Model):
    """The frames in the order asked for: rows, and the seconds at which they are on display."""

    count: int
    rows: list[int] | None = None
    timestamps: list[float] | None = None


class VideoFacts(Model):
    """What the video is. Sizes in pixels as stored, before `rotation` (degrees clockwise)."""

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
    """What it took."""

    bytes_read: int
    requests: int
    samples_decoded: int
    samples_skipped: int
    frames_decoded: int


class Inline(Model):
    """An array in the answer itself: a .npy file in base64."""

    shape: list[int]
    dtype: str
    data: str


class Partial(Model):
    """What a reduction was, so that partial results can be combined."""

    reduce: str
    frames: int


class DecodeResult(Model):
    """Of a decode. `request` is the fingerprint of what was asked of which version of the video."""

    request: str
    video: VideoFacts
    frames: FrameList
    output: list[Written]
    objects: int
    manifest: str | None = None
    reduced: int | None = None
    partial: Partial | None = None
    inline: Inline | None = None
    counters: Counters
    kept: bool | None = None  # the finished result of an equal request was there already
    milliseconds: dict[str, float] | None = None


class ProbeResult(Model):
    """Of a probe."""

    video: VideoFacts
    counters: Counters
    milliseconds: dict[str, float] | None = None


class Cost(Model):
    """What a decode would take, at most; memory and time are predictions."""

    requests: int
    bytes: int
    runs: int
    samples: int
    memory_mb: int
    milliseconds: int
    output_bytes: int | None = None  # where the format tells


class PlanResult(Model):
    """Of a plan."""

    video: VideoFacts
    frames: FrameList
    cost: Cost
    fits: bool
    counters: Counters
    milliseconds: dict[str, float] | None = None


class IndexResult(Model):
    """Of an index."""

    video: VideoFacts
    output: list[Written]
    counters: Counters
    milliseconds: dict[str, float] | None = None


class CombineResult(Model):
    """Of a combination."""

    request: str
    partial: Partial
    parts: int
    output: list[Written]
    manifest: str
    reduced: int | None = None
    milliseconds: dict[str, float] | None = None


class SelfTestResult(Model):
    """Of a self-test that found every frame to be the right one."""

    frames_checked: int
    samples_decoded: int
    milliseconds: dict[str, float] | None = None


Result = DecodeResult | ProbeResult | PlanResult | IndexResult | CombineResult | SelfTestResult


def as_json(result: Result) -> dict[str, Any]:
    """The whole result, without what it has not."""
    return result.model_dump(exclude_none=True)


def returned(whole: dict[str, Any]) -> dict[str, Any]:
    """The result as it is returned: without the lists that only the manifest can hold."""
    result = dict(whole)
    if len(whole.get("output", ())) > MAX_LISTED:
        result["output"] = whole["output"][:MAX_LISTED]
    if whole.get("frames", {}).get("count", 0) > MAX_LISTED:
        result["frames"] = {"count": whole["frames"]["count"]}
    return result
