"""A summary of what a job asks for, in a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from function.models.formats import FORMATS
from function.report.formatting import address, count, shortened

_RANGE: Final = re.compile(r"0*:(?::([0-9]+))?")  # from the first to the last
_MAX_CHARS: Final = 240
_MAX_LISTED: Final = 12
_MAX_GIVEN_CHARS: Final = 6000
_TITLES: Final[dict[str, str]] = {name: facts.title for name, facts in FORMATS.items()}
_REDUCTIONS: Final = {
    "sum": "The sum of all bytes of {}",
    "sum_frames": "The sum of {}",
    "mean": "The mean of {}",
    "min": "The darkest values of {}",
    "max": "The brightest values of {}",
}


def sentence(request: Mapping[str, Any], videos: int) -> str:
    """`A frame every 2 s of 40 videos below s3://bucket/prefix/, as JPEG pictures, the longer side 512 px.`

    Whatever is not known is shown as it was given: the request is the caller's.
    """
    reduce, each = request.get("reduce"), "each of " if videos > 1 else ""
    frames = _frames(request.get("frames", "all"), each)
    text = f"{frames} {count(videos, 'video')}{_place(request.get('videos'))}"
    if reduce is not None:
        text = _REDUCTIONS.get(str(reduce), f"{_given(reduce)} of {{}}").replace("{}", text)
    shared = {name: request[name] for name in ("format", "size") if name in request}
    outputs = request.get("outputs")
    listed = outputs[:_MAX_LISTED] if isinstance(outputs, list) else [{}]
    forms = [_form({**shared, **one}) for one in listed if isinstance(one, dict)]
    text = ", ".join([text, "; ".join(filter(None, forms))]).removesuffix(", ")
    return f"{text[:1].upper()}{text[1:]}."


def as_given(request: Mapping[str, Any]) -> str:
    """The job itself, JSON, without secrets in addresses and without the length of long lists."""
    return shortened(json.dumps(_shown(dict(request)), indent=2, ensure_ascii=False), _MAX_GIVEN_CHARS)


def _form(request: Mapping[str, Any]) -> str:
    """`as JPEG pictures, the longer side 512 px`; empty if nothing is said."""
    said = [f"as {_TITLES.get(str(request['format']), _given(request['format']))}"] if "format" in request else []
    return ", ".join([*said, *([_size(request["size"])] if "size" in request else [])])


def _frames(frames: object, each: str) -> str:
    """With the word before the videos; `each` is put where there are so many frames of every video."""
    match frames:
        case "last":
            return f"the last frame of {each}".rstrip()
        case str():
            return f"{_range(frames)} of"
        case dict() if len(frames) > 1:  # the part of the videos, and how many at most
            return f"{_given(frames)} of"
        case {"every_seconds": int() | float() as seconds}:
            return "a frame every second of" if seconds == 1 else f"a frame every {seconds:g} s of"
        case {"count": int(number)}:
            return f"{count(number, 'frame')}, evenly spread, of {each}".rstrip()
        case {"keyframes": True}:
            return "every keyframe of"
        case {"scenes": dict()}:
            return f"a frame of each scene of {each}".rstrip()
        case {"representative": int(number)}:
            return f"{count(number, 'representative frame')} of {each}".rstrip()
        case {"timestamps": list(times)}:
            return f"the frames at {count(len(times), 'time')} of {each}".rstrip()
        case list():
            return f"{count(len(frames), 'given frame')} of {each}".rstrip()
    return f"{_given(frames)} of"


def _range(text: str) -> str:
    match = _RANGE.fullmatch(text)
    if text == "all" or (match and match[1] in (None, "1")):
        return "all frames"
    return f"one frame in {match[1]}" if match else f"frames {_given(text)}"


def _place(videos: object) -> str:
    match videos:
        case str():
            return f" below {shortened(address(videos), _MAX_CHARS)}"
        case {"manifest": str(listed)}:
            return f" listed in {shortened(address(listed), _MAX_CHARS)}"
        case {"manifest": {"bucket": str(bucket), "key": str(key)}}:
            return f" listed in {shortened(address(f's3://{bucket}/{key}'), _MAX_CHARS)}"
    return ""


def _size(size: object) -> str:
    match size:
        case {"max_side": int(side)}:
            return f"the longer side {side} px"
        case {"width": int(width), "height": int(height)}:
            return f"{width} by {height} px"
        case {"width": int(width)}:
            return f"{width} px wide"
        case {"height": int(height)}:
            return f"{height} px high"
    return f"size {_given(size)}"


def _given(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(_shown(value), ensure_ascii=False)
    return shortened(address(text), _MAX_CHARS)


def _shown(value: Any) -> Any:
    match value:
        case str():
            return shortened(address(value), _MAX_CHARS)
        case dict():
            return {address(str(name)): _shown(item) for name, item in value.items()}
        case list() if len(value) > _MAX_LISTED:
            return [*map(_shown, value[:_MAX_LISTED]), f"… and {len(value) - _MAX_LISTED:,} more"]
        case list():
            return [*map(_shown, value)]
    return value
