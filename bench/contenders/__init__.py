"""The contenders, each in its best configurations, and how their processes are started.

Each has a module beside this one with `VERSION` and a class `Movie`, which bench/worker.py imports in that process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

HOME = Path("/bench")
SITES = tuple(Path("/var/lang").glob("lib/python3*/site-packages"))
CORES = len(os.sched_getaffinity(0))
Frames = NDArray[np.uint8] | list[NDArray[np.uint8]]  # uint8 [N, H, W, 3], or N of [H, W, 3]
Size = tuple[int, int]  # width, height
Options = dict[str, Any]


class Movie(Protocol):
    """An opened and indexed video."""

    def __init__(self, path: str, size: Size | None, options: Options) -> None:
        """path: of a file, or an http URL. size: of the output, if not the video's own."""

    def __len__(self) -> int: ...

    def frames(self, rows: Sequence[int]) -> Frames:
        """One frame for each of `rows`, in any order."""
        ...

    def close(self) -> None:
        """Releases what the video holds."""


@dataclass(frozen=True)
class Contender:
    """`variants` are tried in the first round of every cell; the fastest goes on."""

    name: str
    title: str
    command: tuple[str, ...]
    packages: tuple[Path, ...] = ()  # what is installed for it
    variants: tuple[Options, ...] = ({},)
    environment: dict[str, str] = field(default_factory=dict)  # instead of the base's library path

    @property
    def failed(self) -> str:
        """Why it was not installed, as bench/peers/install.sh left it; empty if it was."""
        report = HOME / self.name.partition("-")[0] / "failed"
        return f"not installed: {report.read_text().strip()}" if report.exists() else ""


def _peer(name: str, title: str, module: str = "", **more: Any) -> Contender:
    home = HOME / (module or name)
    command = (str(home / "bin/python"), "-m", "bench.worker", module or name)
    return Contender(name, title, command, (*home.glob("lib/python3*/site-packages"), home / "ffmpeg"), **more)


def _torchcodec(seek_mode: str) -> Contender:
    return _peer(
        f"torchcodec-{seek_mode}",
        f"torchcodec, {seek_mode}",
        "torchcodec",
        variants=tuple({"seek_mode": seek_mode, "threads": threads} for threads in (0, 1)),
        environment={"LD_LIBRARY_PATH": f"{HOME}/torchcodec/ffmpeg:/var/lang/lib"},
    )


def _ours(name: str, *variants: Options) -> Contender:
    packages = (*(site / name for site in SITES for name in ("hwang", "numpy", "numpy.libs")), Path("/opt/lib"))
    command = ("/var/lang/bin/python3", "-m", "bench.worker", name)
    environment = {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
    return Contender(name, name, command, packages, variants, environment)


HWANG = _ours("hwang", {})
LIMIT = _ours(
    "limit",
    *({"decoders": decoders, "threads": threads} for decoders, threads in ((1, CORES), (1, CORES + 1), (CORES, 1))),
)
PEERS = (
    _peer("pyav", "PyAV"),
    _torchcodec("exact"),
    _torchcodec("approximate"),
    _peer("decord", "decord2"),
    _peer("opencv", "OpenCV"),
)
EVERYONE = (HWANG, LIMIT, *PEERS)
TITLES = {contender.name: contender.title for contender in EVERYONE}
