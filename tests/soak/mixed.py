"""A mix of requests, a fifth of them bad, always the same."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from tests.cloud.asked import CLIP_URI, SMALL_URI
from tests.cloud.stack import VIDEOS

BAD_EVERY = 5
Event = dict[str, Any]

GOOD: tuple[Callable[[str], Event], ...] = (
    lambda out: {"video": SMALL_URI, "frames": [3, 17, 39], "output": f"{out}a.npy"},
    lambda out: {"video": SMALL_URI, "frames": "all", "reduce": "sum", "output": f"{out}b.npy"},
    lambda out: {
        "video": CLIP_URI,
        "frames": "0:24",
        "reduce": "mean",
        "size": {"max_side": 640},
        "output": f"{out}c.npy",
    },
    lambda out: {"video": CLIP_URI, "frames": {"count": 8}, "size": {"max_side": 160}, "output": f"{out}d.png"},
    lambda out: {"video": CLIP_URI, "frames": {"count": 6}, "size": {"max_side": 320}, "output": f"{out}e/"},
    lambda out: {"video": CLIP_URI, "frames": [131, 2], "output": f"{out}f.npz"},
    lambda out: {"video": CLIP_URI, "frames": "0:14", "output": f"{out}g.npy"},  # 39 MB, in parts
    lambda _: {"video": SMALL_URI, "frames": [5], "format": "inline"},
    lambda _: {"video": f"s3://{VIDEOS}/soak.mkv", "frames": [5, 30], "format": "inline"},
    lambda _: {"video": f"s3://{VIDEOS}/soak.webm", "frames": [5, 30], "format": "inline"},
    lambda _: {"action": "probe", "video": CLIP_URI},
    lambda _: {"action": "plan", "video": CLIP_URI, "frames": "all"},
)
BAD: tuple[tuple[str, Callable[[str], Event]], ...] = (
    ("BadRequest", lambda _: {"video": SMALL_URI}),
    ("BadRequest", lambda out: {"video": SMALL_URI, "frames": [True], "output": f"{out}x.npy"}),
    ("FrameOutOfRange", lambda out: {"video": SMALL_URI, "frames": [40], "output": f"{out}x.npy"}),
    ("SourceNotFound", lambda out: {"video": f"s3://{VIDEOS}/missing.mp4", "frames": [0], "output": f"{out}x.npy"}),
    ("SourceForbidden", lambda out: {"video": "s3://denied/x.mp4", "frames": [0], "output": f"{out}x.npy"}),
    ("SourceBlocked", lambda out: {"video": "https://169.254.169.254/x", "frames": [0], "output": f"{out}x.npy"}),
    ("OutputForbidden", lambda _: {"video": SMALL_URI, "frames": [0], "output": "s3://denied/x.npy"}),
    ("UnsupportedMedia", lambda out: {"video": f"s3://{VIDEOS}/soak.txt", "frames": [0], "output": f"{out}x.npy"}),
    ("CorruptMedia", lambda out: {"video": f"s3://{VIDEOS}/soak-header.mp4", "frames": [0], "output": f"{out}x.npy"}),
    ("FrameCorrupt", lambda out: {"video": f"s3://{VIDEOS}/soak-cut.mp4", "frames": "all", "output": f"{out}x/"}),
    ("LimitExceeded", lambda _: {"video": CLIP_URI, "frames": "all", "format": "inline"}),
)


def request(number: int, out: str) -> tuple[str, Event]:
    """The code that it must end in, and the event. `out` is where results go."""
    random = Random(number)  # noqa: S311 - it hides nothing
    if number % BAD_EVERY == BAD_EVERY - 1:
        code, make = BAD[number // BAD_EVERY % len(BAD)]
        return code, make(out)
    return "ok", random.choice(GOOD)(out)
