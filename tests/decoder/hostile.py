"""Making videos that lie or bomb, and judging what comes of them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

import hwang
from tests.support.clips import encoder, linear_decode, run_ffmpeg

LAVFI = ("-f", "lavfi", "-i")
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", "-pix_fmt", "yuv420p")


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def encode(path: Path, *arguments: str) -> Path:
    run_ffmpeg(encoder(), *arguments, "-bitexact", str(path))
    return path


def rows_that_are_right(path: Path, size: tuple[int, int]) -> list[int]:
    """Asks for each row alone. It equals the tool's frame and is returned here, or it is named as corrupt."""
    truth, right = linear_decode(path, size), []
    with hwang.Decoder(path) as decoder:
        assert len(decoder) == len(truth)
        for row in range(len(decoder)):
            try:
                frame = decoder.frames([row])[0]
            except hwang.CorruptFrameError as error:
                assert error.rows == (row,)  # noqa: PT017
            else:
                np.testing.assert_array_equal(frame, truth[row], err_msg=f"row {row} is wrong and not flagged")
                right.append(row)
    return right


MEASURED = """
import resource, sys, time
import hwang
before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
try:
    with hwang.Decoder(sys.argv[1]) as decoder:
        decoder.frames([0])
    outcome = "frames"
except hwang.HwangError as error:
    outcome = type(error).__name__
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(outcome, grown >> 10, time.perf_counter() - started)
"""


def outcome_in_bounds(path: Path, *, mib: int, seconds: float) -> str:
    """What the first frame ends in, in a process of its own, whose memory grows by less than `mib`."""
    command = [sys.executable, "-c", textwrap.dedent(MEASURED), str(path)]
    outcome, grown, took = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout.split()
    assert int(grown) < mib
    assert float(took) < seconds
    return outcome.decode()
