"""Asking for frames and judging the answer: exact, or refused in the promised form."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.cloud.function import Answer, Function
from tests.cloud.postconditions import MAX_MESSAGE_CHARS, Postconditions
from tests.cloud.stack import RESULTS, VIDEOS
from tests.support.clips import BY_NAME, linear_decode, make_clip

OK = "ok"
SMALL_URI = f"s3://{VIDEOS}/small.mp4"
CLIP_URI = f"s3://{VIDEOS}/clip.mp4"
SMALL = "h264-faststart"
SMALL_FRAMES = 40
Frames = NDArray[Any]
Put = Callable[[str, bytes], str]

# What an error may say of a video that is not as it should be.
OF_VIDEOS = frozenset(
    {"UnsupportedMedia", "CorruptMedia", "FrameCorrupt", "Encrypted", "LimitExceeded", "FrameOutOfRange"}
)


@cache
def _frames_of(clip: Path, size: tuple[int, int]) -> Frames:
    return linear_decode(clip, size)


def frames_in(answer: Answer) -> Frames:
    """The array of an inline answer."""
    assert answer.code == OK, answer.value
    data = base64.b64decode(answer.value["inline"]["data"])
    array: Frames = np.load(io.BytesIO(data), allow_pickle=False)
    assert list(array.shape) == answer.value["inline"]["shape"]
    return array


def check_report(answer: Answer, codes: Collection[str], *named: str) -> None:
    """The answer is one of these errors in the promised form, and its message names these."""
    assert answer.code in codes, answer.value
    message = answer.report["message"]
    assert 0 < len(message) <= MAX_MESSAGE_CHARS
    assert not answer.value.get("stackTrace")
    for name in named:
        assert name in message, message


@dataclass(frozen=True)
class Asked:
    """The requests of one test, most of them with the frames in the answer itself.

    `touched` collects the videos that the test puts; they are gone after it.
    """

    function: Function
    after: Postconditions
    prefix: str
    put: Put
    touched: list[str] = field(default_factory=list)

    @property
    def output(self) -> str:
        return f"s3://{RESULTS}/{self.prefix}"

    def clip(self, name: str) -> Path:
        """A generated clip, made once."""
        return make_clip(name, self.function.stack.scratch)

    def truth(self, name: str = SMALL) -> Frames:
        """Every frame of a generated clip, as the ffmpeg tool shows it."""
        return _frames_of(self.clip(name), BY_NAME[name].size)

    def video(self, content: bytes, key: str = "video.mp4") -> str:
        """Puts a video and gives its URI."""
        key = f"{self.prefix}{key}"
        self.touched.append(key)
        return self.put(key, content)

    def frames(self, video: object, frames: object = "all", **more: object) -> Answer:
        """Asks for frames in the answer itself, unless told otherwise."""
        form = {} if "output" in more or "action" in more else {"format": "inline"}
        return self.function.invoke({"video": video, "frames": frames, **form, **more})

    def refused(self, answer: Answer, codes: Collection[str], *named: str, cause: str = "") -> None:
        """One of these errors in the promised form, and everything is as before."""
        check_report(answer, codes, *named)
        self.after.refused(answer, answer.code, cause=cause, touched=self.touched)

    def exact(self, answer: Answer, expected: Frames) -> None:
        """These frames, bit for bit, and everything else is as before."""
        np.testing.assert_array_equal(frames_in(answer), expected)
        self.hold(answer)

    def hold(self, answer: Answer) -> None:
        self.after.hold(answer, self.touched)

    def sound_rows(self, video: str, shown: Frames, also: Frames | None = None) -> tuple[list[int], Answer]:
        """The rows that are given, and the last answer; all others were named as corrupt.

        Each is what `shown` has in its place, or one of the pictures of `also`.
        """
        others = {picture.tobytes() for picture in (() if also is None else also)}
        rows = list(range(len(shown)))
        while True:
            answer = self.frames(video, rows)
            if answer.code == OK:
                for row, frame in zip(rows, frames_in(answer), strict=True):
                    right = np.array_equal(frame, shown[row]) or frame.tobytes() in others
                    assert right, f"row {row} is wrong and not named"
                return rows, answer
            check_report(answer, ["FrameCorrupt"])
            corrupt = set(answer.report["detail"]["rows"])
            assert corrupt <= set(rows)
            assert corrupt, answer.value
            rows = [row for row in rows if row not in corrupt]
            if not rows:
                return rows, answer


def wait_until(holds: Callable[[], object], what: str, seconds: float = 10) -> None:
    """Returns when it holds. Raises AssertionError when that takes too long."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to this within {seconds:g} s: {what}"


@contextmanager
def meanwhile(function: Function, event: object) -> Iterator[Future[Answer]]:
    """The answer to come, while the block does something else."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(function.invoke, event)
