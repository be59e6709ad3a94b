"""Images made from the image, as users make them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.stack import docker

_CERTIFICATES = next((os.environ[name] for name in ("PIP_CERT", "SSL_CERT_FILE") if os.environ.get(name)), "")


def build(folder: Path, tag: str, dockerfile: str | Path, **arguments: str) -> None:
    """Builds a Dockerfile, its text or its place, and raises AssertionError with the end of the log."""
    options = [option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")]
    where = ["--file", "-" if isinstance(dockerfile, str) else str(dockerfile)]
    command = [
        docker(),
        "build",
        "--network",
        "host",
        "--provenance=false",
        "--tag",
        tag,
        *where,
        *options,
        str(folder),
    ]
    text = dockerfile if isinstance(dockerfile, str) else None
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def remove(tag: str) -> None:
    subprocess.run([docker(), "image", "rm", "--force", tag], capture_output=True, check=False)


@contextmanager
def trusting(image: str, folder: Path) -> Iterator[str]:
    """The image; where builds on this machine are told to trust an authority, one that does: Dockerfiles of users do
    not know of it.
    """
    if not _CERTIFICATES:
        yield image
        return
    tag = f"hwang-trusting-{os.getpid()}:latest"
    shutil.copyfile(_CERTIFICATES, folder / "ca.crt")
    build(folder, tag, f"FROM {image}\nCOPY ca.crt /ca.crt\nENV PIP_CERT=/ca.crt SSL_CERT_FILE=/ca.crt\n")
    try:
        yield tag
    finally:
        remove(tag)
