"""Requests that are answered here and on AWS, where every value must be equal."""

from __future__ import annotations

import base64
import io
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from local import clip
from local.stack import StackError, docker, output

OWN_CODE = """\
FROM {image}
RUN printf 'def brightness(frames, rows, seconds):\\n    return frames.mean(axis=(1, 2, 3))\\n' >/var/task/own_code.py
ENV HWANG_APPLY=brightness=own_code:brightness
"""
EVENTS: dict[str, dict[str, Any]] = {
    "sum of 100 frames of 1280x720": {"frames": "0:100", "reduce": "sum"},
    "frames 0, 50 and 131 as an array": {"frames": [0, 50, 131], "size": {"max_side": 640}},
    "own code on a frame a second": {"frames": {"every_seconds": 1}, "apply": "brightness"},
}
JOB_VIDEOS = 6
JOB_FORM: dict[str, Any] = {"frames": {"every_seconds": 1}, "size": {"max_side": 320}, "format": "npy"}


@dataclass(frozen=True)
class Compared:
    """A result of AWS beside the one of this machine."""

    what: str
    shape: tuple[int, ...]
    seconds_here: float
    seconds_there: float
    difference: float  # the largest of two values; infinite if shape or type differ

    @property
    def equal(self) -> bool:
        """True if every value is the same."""
        return self.difference == 0


def compare(what: str, here: Any, there: Any, seconds_here: float, seconds_there: float) -> Compared:
    """Compare two arrays, value by value."""
    if (here.shape, here.dtype) != (there.shape, there.dtype):
        difference = float("inf")
    else:
        difference = float(np.max(np.abs(here.astype(np.float64) - there.astype(np.float64)), initial=0))
    return Compared(what, there.shape, seconds_here, seconds_there, difference)


def build_own_code(image: str, tag: str) -> None:
    """Build the image with own code on top, as docs/own-code.md describes. Raises StackError."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(OWN_CODE.format(image=image))
        output(docker(), "build", "--provenance=false", "--tag", tag, folder)


def run_here(image: str, event: dict[str, Any]) -> tuple[Any, float]:
    """Run an event over the clip in a container of the image. Returns the array and the seconds. Raises StackError."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "event.json").write_text(json.dumps({"video": "/clip.mp4", **event, "format": "inline"}))
        mounts = ["--volume", f"{clip.fetch()}:/clip.mp4:ro", "--volume", f"{folder}:/event:ro"]
        start = time.perf_counter()
        command = [docker(), "run", "--rm", "--network", "none", *mounts, "--entrypoint", "python3"]
        answer = json.loads(output(*command, image, "-m", "function", "/event/event.json"))
        seconds = time.perf_counter() - start
    if "inline" not in answer:
        raise StackError(f"{event} was answered without its result: {answer}")
    return np.load(io.BytesIO(base64.b64decode(answer["inline"]["data"])), allow_pickle=False), seconds
