"""An index takes little time and memory, in processor seconds, for long videos and hostile ones."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hwang.isobmff.file import read_index
from hwang.sources import open_source
from tests.support.boxes import Movie, full, table, u32

SAMPLES = 1_000_000
CPU_SECONDS = 1.0  # twice what it may take on a machine with nothing else to do
MEMORY_MIB = 200

MEASURE = """
import sys, time
from pathlib import Path
from hwang.isobmff.file import read_index
from hwang.sources import open_source
from tests.support.boxes import Movie

def peak_mib():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

read_index(open_source(Movie(composition=[(4, 40)], edits=[(40, 160)]).build()))
peak, start = peak_mib(), time.process_time()
index = read_index(open_source(sys.argv[1]))
seconds = time.process_time() - start
print(len(index), seconds, peak_mib() - peak)
"""

IMPORTS = """
import sys
from hwang import make_plan
from hwang.isobmff.file import read_index
from hwang.sources import open_source
from tests.support.boxes import Movie, fragment, fragmented
files = [Movie(composition=[(4, 40)], edits=[(40, 160)]).build(), fragmented(fragment([9], time=0))]
before = set(sys.modules)
for file in files:
    make_plan(read_index(open_source(file)), [0])
print(sorted(set(sys.modules) - before))
"""


def run_python(code: str, *arguments: str) -> str:
    """What a fresh process prints: one whose memory and modules tell about `code` alone."""
    command = [sys.executable, "-c", code, *arguments]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(kind: bytes, *columns: Sequence[int] | np.ndarray[tuple[int], np.dtype[np.int64]]) -> bytes:
    """A full box of a count and 32-bit columns."""
    values = np.stack([np.asarray(column) for column in columns], axis=1).astype(">u4")
    return full(kind, u32(len(values)), values.tobytes())


def long_movie(*, hostile: bool, edits: Sequence[tuple[int, int]]) -> bytes:
    """The header of a million samples: pyramids in chunks of 25, or every table as long as it can be."""
    number, ones = np.arange(SAMPLES), np.ones(SAMPLES, np.int64)
    sizes = number % 50_000 + 100
    per_chunk = 1 if hostile else 25
    chunks = (np.cumsum(sizes) - sizes)[::per_chunk]
    shown = number // 4 * 4 + np.array([0, 3, 1, 2])[number % 4]
    offsets = number * 7919 % 100_000 if hostile else (shown - number + 2) * 40
    stsc = (np.arange(len(chunks)) + 1, ones, ones) if hostile else ([1], [per_chunk], [1])
    replace = {
        b"stts": rows(b"stts", ones, number % 80 + 1) if hostile else table(b"stts", [(SAMPLES, 40)]),
        b"ctts": rows(b"ctts", ones, offsets),
        b"stss": rows(b"stss", number[::50] + 1),
        b"stsz": full(b"stsz", u32(0, SAMPLES), sizes.astype(">u4").tobytes()),
        b"stsc": rows(b"stsc", *stsc),
        b"stco": full(b"co64", u32(len(chunks)), chunks.astype(">u8").tobytes()),
    }
    return Movie(replace=replace, edits=edits).build()


@pytest.mark.parametrize("edits", [[], [(80, 100 * SAMPLES)]])
@pytest.mark.parametrize("hostile", [False, True])
def test_million_samples_take_a_second_and_200_mib_at_most(
    hostile: bool, edits: list[tuple[int, int]], tmp_path: Path
) -> None:
    path = tmp_path / "long.mp4"
    path.write_bytes(long_movie(hostile=hostile, edits=edits))
    best = min((run_python(MEASURE, str(path)).split() for _ in range(2)), key=lambda result: float(result[1]))
    count, seconds, mib = int(best[0]), float(best[1]), float(best[2])
    assert count > 0.99 * SAMPLES
    assert seconds < CPU_SECONDS
    assert mib < MEMORY_MIB


def test_short_video_takes_milliseconds() -> None:
    source = open_source(Movie(sizes=[5000] * 2250, composition=[(1, 80)] * 2250, edits=[(80, 90_000)]).build())
    seconds = []
    for _ in range(20):
        start = time.process_time()
        read_index(source)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.004


def test_first_index_and_plan_of_a_process_import_nothing() -> None:
    assert run_python(IMPORTS) == "[]\n", "imports belong to the start of a program, not to its first video"
