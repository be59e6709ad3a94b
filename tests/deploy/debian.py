"""Programs of Debian's packages, fetched by name and unpacked beside the system, which stays as it is."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "debian"


def unpacked(*names: str) -> Path:
    """The root of the packages' files, with those of what they need and the system lacks. apt verifies them."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    root = _CACHE / "-".join(names)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            if shutil.which("apt-get") is None:
                pytest.skip(f"not tested on this system: Debian's {', '.join(names)}, which only apt-get fetches")
            with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
                _fetch(Path(scratch), names)
                (Path(scratch) / "root").rename(root)
    return root


def _fetch(scratch: Path, names: tuple[str, ...]) -> None:
    (scratch / "partial").mkdir()
    where = ["-o", f"Dir::Cache::archives={scratch}", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
    options = ["--download-only", "--reinstall", "--no-install-recommends", "--yes"]
    command = ["apt-get", "install", *options, *where, *names]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "update"], capture_output=True, check=True)
        subprocess.run(command, capture_output=True, check=True)
    for package in sorted(scratch.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, scratch / "root"], check=True)
