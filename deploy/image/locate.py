"""Finding the image that a reference means.

FILE or DIRECTORY      that exists: a tar of `docker save`, an OCI layout as a directory or as a tar
NAME, NAME:TAG, id     an image of the Docker Engine
engine:NAME            the same, even if there is a file of that name
docker-archive:FILE    a tar, whatever its name
oci:PATH               an OCI layout, as a directory or as a tar
"""

from __future__ import annotations

import difflib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from deploy.errors import ImageNotFoundError
from deploy.image.bundle import directory, open_archive
from deploy.image.localimage import Image
from deploy.image.saved import INDEX, read_saved

_ENGINE: Final = "engine:"
_FILES: Final = ("docker-archive:", "oci:")
_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst")


def open_image(reference: str, architecture: str | None = None) -> Image:
    """Open an image, which the caller closes. `architecture` (x86_64 or arm64) chooses among several in an index.

    Raises ImageNotFoundError, EngineUnavailableError, or ImageRefusedError: damaged, or not exactly one image that
    could be meant. Layers are not read yet. docker is imported for an image of the engine alone.
    """
    with ExitStack() as files:
        image = _opened(reference, architecture, files)
        return replace(image, files=files.pop_all())


def _opened(reference: str, architecture: str | None, files: ExitStack) -> Image:
    for prefix in _FILES:
        if reference.startswith(prefix):
            return _saved(Path(reference.removeprefix(prefix)), reference, architecture, files)
    path = Path(reference)
    is_meant_as_path = reference.startswith(("/", "./", "../", "~")) or reference.endswith(_ENDINGS)
    if not reference.startswith(_ENGINE) and (_is_image(path) or is_meant_as_path):
        return _saved(path, reference, architecture, files)
    from deploy.image.engine import read_engine_image

    return read_engine_image(reference.removeprefix(_ENGINE), reference, architecture, files)


def _is_image(path: Path) -> bool:
    """A directory may happen to have the name of an image."""
    try:
        return path.is_file() or (path / INDEX).is_file()
    except OSError:  # a name that no file can have
        return False


def _saved(path: Path, reference: str, architecture: str | None, files: ExitStack) -> Image:
    if path.exists():
        bundle = directory(path) if path.is_dir() else open_archive(path, files)
        return read_saved(bundle, reference, architecture, files)
    try:
        there = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        there = []
    near = difflib.get_close_matches(path.name, there, n=3)
    known = f"; there is {', '.join(near)}" if near else ""
    raise ImageNotFoundError(f"there is no {path}{known}", then="check the path", near=near)
