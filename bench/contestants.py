"""Who takes part, each in its best configurations, and how its process is started."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HOME = Path("/bench")
CORES = len(os.sched_getaffinity(0))
Options = dict[str, Any]


@dataclass(frozen=True)
class Contestant:
    """`variants` are tried in the first round of every cell; the fastest goes on."""

    name: str
    title: str
    command: tuple[str, ...]
    packages: tuple[Path, ...] = ()  # what is installed for it
    variants: tuple[Options, ...] = ({},)
    remote: Options | None = None  # options for a video behind HTTP; None: it reads files only
    environment: dict[str, str] = field(default_factory=dict)  # instead of the base's library path

    @property
    def failed(self) -> str:
        """Why it cannot take part, as its installation has left it."""
        report = HOME / self.name.partition("-")[0] / "failed"
        return f"not installed: {report.read_text().strip()}" if report.exists() else ""


def _peer(name: str, title: str, module: str = "", **more: Any) -> Contestant:
    home = HOME / (module or name)
    command = (str(home / "bin/python"), "-m", "bench.worker", module or name)
    return Contestant(name, title, command, (*home.glob("lib/python3*/site-packages"), home / "ffmpeg"), **more)


def _torchcodec(seek_mode: str) -> Contestant:
    return _peer(
        f"torchcodec-{seek_mode}",
        f"torchcodec, {seek_mode}",
        "torchcodec",
        variants=tuple({"seek_mode": seek_mode, "threads": threads} for threads in (0, 1)),
        remote={"seek_mode": seek_mode, "threads": 0},
        environment={"LD_LIBRARY_PATH": f"{HOME}/torchcodec/ffmpeg:/var/lang/lib"},
    )


def _hwang(name: str, title: str, **options: Any) -> Contestant:
    task, libraries = Path(os.environ.get("LAMBDA_TASK_ROOT", "/var/task")), Path("/opt/lib")
    return Contestant(
        name,
        title,
        ("/var/lang/bin/python3", "-m", "bench.worker", "hwang"),
        (task / "hwang", task / "numpy", task / "numpy.libs", libraries),
        ({**options},),
        {**options},
        {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")},
    )


LIMIT = Contestant(
    "limit",
    "limit",
    (str(HOME / "limit"),),
    variants=tuple(
        {"decoders": decoders, "threads": threads}
        for decoders, threads in sorted({(CORES, 1), (1, CORES), (1, CORES + 1)})
    ),
    environment={"LD_LIBRARY_PATH": "/opt/lib"},
)
HWANG, HWANG_OUT = _hwang("hwang", "hwang"), _hwang("hwang-out", "hwang, out=", out=True)
PEERS = (
    _peer("pyav", "PyAV", remote={"scan": False}),
    _torchcodec("exact"),
    _torchcodec("approximate"),
    _peer("decord", "decord2", remote={}),
    _peer("opencv", "OpenCV", remote={}),
)
EVERYONE = (HWANG, HWANG_OUT, LIMIT, *PEERS)
OURS = (HWANG, HWANG_OUT)
