"""The forms in which an image may be kept in a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from deploy.image import oci, open_image
from tests.deploy.images import (
    Built,
    kaniko_archive_of,
    layout_of,
    new_archive_of,
    old_archive_of,
    write_directory,
    write_tar,
)

FORMS: dict[str, Callable[[Built, Path], Path]] = {
    "a directory": lambda image, path: write_directory(layout_of(image), path),
    "a tar of a layout": lambda image, path: write_tar(layout_of(image), path),
    "an archive of an old engine": lambda image, path: write_tar(old_archive_of(image), path),
    "an archive of a new engine": lambda image, path: write_tar(new_archive_of(image), path),
    "an archive of kaniko": lambda image, path: write_tar(kaniko_archive_of(image), path),
}


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def opened(path: Path, architecture: str | None = None) -> oci.ImageConfig:
    with open_image(str(path), architecture) as image:
        return image.config
