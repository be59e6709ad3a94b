"""What a reference to an image means.

FILE or DIRECTORY      that is there: a tar of `docker save`, an OCI layout as a directory or as a tar
NAME, NAME:TAG, id     an image of the Docker Engine
engine:NAME            the same, whatever files there are
docker-archive:FILE    a tar, whatever its name
oci:PATH               an OCI layout, as a directory or as a tar
"""

from __future__ import annotations

import difflib
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from deploy.errors import ImageNotFoundError, ImageRefusedError
from deploy.image.bundle import Bundle, Directory, open_archive
from deploy.image.dockerarchive import MANIFEST, read_docker_archive
from deploy.image.layout import INDEX, read_layout
from deploy.image.localimage import Image, Origin

_ENGINE: Final = "engine:"
_FILES: Final = ("docker-archive:", "oci:")
_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.zst")


def open_image(reference: str, architecture: str | None = None) -> Image:
    """The image, to be closed. `architecture` (x86_64 or arm64) chooses among several in an index.

    Raises ImageNotFoundError, EngineUnavailableError, or ImageRefusedError: damaged, or not exactly one image that
    could be meant. Layers are not read yet. docker is imported for an image of the engine alone.
    """
    with ExitStack() as files:
        image = _opened(reference, architecture, files)
        return replace(image, files=files.pop_all())


def _opened(reference: str, architecture: str | None, files: ExitStack) -> Image:
    if reference.startswith(_ENGINE):
        return _of_engine(reference.removeprefix(_ENGINE), reference, architecture, files)
    for prefix in _FILES:
        if reference.startswith(prefix):
            return _of_path(Path(reference.removeprefix(prefix)), reference, architecture, files)
    path = Path(reference)
    if _is_image(path) or _is_meant_as_path(reference):
        return _of_path(path, reference, architecture, files)
    return _of_engine(reference, reference, architecture, files)


def _is_image(path: Path) -> bool:
    """A directory may happen to have the name of an image."""
    try:
        return path.is_file() or (path / INDEX).is_file()
    except OSError:  # a name that no file can have
        return False


def _is_meant_as_path(reference: str) -> bool:
    return reference.startswith(("/", "./", "../", "~")) or reference.endswith(_ENDINGS)


def _of_engine(name: str, reference: str, architecture: str | None, files: ExitStack) -> Image:
    from deploy.image.engine import read_engine_image

    return read_engine_image(name, reference, architecture, files)


def _of_path(path: Path, reference: str, architecture: str | None, files: ExitStack) -> Image:
    if not path.exists():
        raise _no_such_path(path)
    bundle: Bundle = Directory(path) if path.is_dir() else open_archive(path, files)
    if bundle.find(INDEX):
        origin: Origin = "docker archive" if bundle.find(MANIFEST) else "OCI layout"
        return read_layout(bundle, reference, origin, architecture, files)
    if bundle.find(MANIFEST):
        return read_docker_archive(bundle, reference, "docker archive", files)
    raise ImageRefusedError(
        f"{path} is no image: it has neither {INDEX} nor {MANIFEST}",
        then="docker save IMAGE --output FILE, or docker buildx build --output type=oci,dest=FILE",
    )


def _no_such_path(path: Path) -> ImageNotFoundError:
    try:
        there = sorted(item.name for item in path.parent.iterdir())
    except OSError:
        there = []
    near = difflib.get_close_matches(path.name, there, n=3)
    known = f"; there is {', '.join(near)}" if near else ""
    return ImageNotFoundError(f"there is no {path}{known}", then="check the path", near=near)
