"""Building: from nothing but the base and the downloaded sources, again, and after a change of C++."""

from __future__ import annotations

import time
from collections.abc import Iterator

from local.measure import Number
from local.stack import ROOT, docker, output

TAG = "hwang-lambda:measured"


def measure() -> Iterator[Number]:
    """Build to a tag of its own, which is removed."""
    try:
        yield Number("build of the image from its base and the sources, nothing cached", _built("--no-cache"), "s", 900)
        yield Number("build of the image, nothing changed", _built(), "s", 20)
        yield Number("build of the image after a change of a C++ file", _built_with_a_change(), "s", 90)
    finally:
        output(docker(), "image", "rm", TAG)


def _built(*options: str) -> float:
    start = time.perf_counter()
    output("local/image.sh", "function", TAG, "--progress", "quiet", *options)
    return time.perf_counter() - start


def _built_with_a_change() -> float:
    file = ROOT / "hwang/core/run.cpp"
    before = file.read_text()
    try:
        file.write_text(f"{before}// {time.time()}\n")
        return _built()
    finally:
        file.write_text(before)
