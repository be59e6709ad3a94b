"""Finding the image that a reference means.

FILE or DIRECTORY      that exists: what docker, podman, skopeo, buildx or kaniko saved, as a tar or a layout
NAME, NAME:TAG, id     an image of Docker, or of Podman where no Docker runs
engine:NAME            the same, even if there is a file of that name
docker-daemon:NAME, containers-storage:NAME            Docker's, Podman's
docker-archive:FILE, oci-archive:FILE, oci:PATH        a file or directory, whatever its name
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from deploy.errors import ImageNotFoundError
from deploy.image.bundle import directory, open_archive
from deploy.image.engine import DOCKER, PODMAN, find
from deploy.image.localimage import Image
from deploy.image.saved import INDEX, MANIFEST, read_saved

_ENGINES: Final = {"engine:": "", "docker-daemon:": DOCKER, "containers-storage:": PODMAN}
_FILES: Final = ("docker-archive:", "oci-archive:", "oci:", "dir:")
_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst")


def open_image(reference: str, architecture: str | None = None) -> Image:
    """Open an image, which the caller closes. `architecture` (x86_64 or arm64) chooses among several in an index.

    Raises ImageNotFoundError, EngineUnavailableError, or ImageRefusedError: damaged, or not exactly one image that
    could be meant. Layers are not read yet.
    """
    with ExitStack() as files:
        image = _opened(reference, architecture, files)
        return replace(image, reference=reference, files=files.pop_all())


def _opened(reference: str, architecture: str | None, files: ExitStack) -> Image:
    for prefix in _FILES:
        if reference.startswith(prefix):
            return _saved(Path(reference.removeprefix(prefix)), architecture, files)
    for prefix, program in _ENGINES.items():
        if reference.startswith(prefix):
            return find(reference.removeprefix(prefix), architecture, files, program)
    path = Path(reference)
    if _is_image(path) or reference.startswith(("/", "./", "../", "~")) or reference.endswith(_ENDINGS):
        return _saved(path, architecture, files)
    return find(reference, architecture, files)


def _is_image(path: Path) -> bool:
    """A directory may happen to have the name of an image."""
    try:
        return path.is_file() or any((path / name).is_file() for name in (INDEX, MANIFEST))
    except (OSError, ValueError):  # a name that no file can have
        return False


def _saved(path: Path, architecture: str | None, files: ExitStack) -> Image:
    if path.exists():
        return read_saved(directory(path) if path.is_dir() else open_archive(path, files), architecture)
    raise ImageNotFoundError(f"there is no {path}", then="check the path")
