"""What the build of an image has left in it: stamp, bill of materials and answers to CVE records (docs/build.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.errors import ImageRefusedError
from deploy.image.localimage import Image

_FOLDER: Final = "/opt/share/hwang-lambda"
STAMP: Final = f"{_FOLDER}/verified.json"
MATERIALS: Final = f"{_FOLDER}/sbom.cdx.json"
VEX: Final = f"{_FOLDER}/vex.json"
_STAMP_LIMIT: Final = 1024 * 1024
MATERIALS_LIMIT: Final = 16 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Codecs(_Part):
    version: str
    components: int


class Added(_Part):
    """To the base."""

    bytes: int
    files: int
    digest: str


class Cve(_Part):
    """How many CVE records of FFmpeg were known when the image was built, and how many of them are what."""

    as_of: str
    known: int
    not_affected: int
    fixed: int
    affected: int
    under_investigation: int


class Stamp(_Part):
    """What of a stamp is shown; all of it is in the image."""

    verified: str
    licence: str
    redistributable: bool
    ffmpeg: Codecs
    needs: dict[str, str]
    added: Added
    cve: Cve | None = None  # older builds have none


@dataclass(frozen=True)
class Verdict:
    """A stamp, and how many bytes of files later layers put over what it is of. `stamp` is None for a damaged one."""

    stamp: Stamp | None
    bytes_on_top: int

    @cached_property
    def document(self) -> dict[str, Any]:
        stamp = self.stamp.model_dump() if self.stamp else {}
        return {**stamp, "bytes_on_top": self.bytes_on_top}


def verdict(image: Image) -> Verdict | None:
    """None where there is no stamp, or where the layers cannot be read."""
    try:
        files = image.filesystem
    except ImageRefusedError:
        return None
    found = files.find(STAMP)
    if found is None:
        return None
    on_top = sum(files.sizes[found.node.layer + 1 :])
    try:
        return Verdict(Stamp.model_validate_json(files.read(STAMP, _STAMP_LIMIT)), on_top)
    except (FileNotFoundError, ValidationError):
        return Verdict(None, on_top)


def materials(image: Image) -> bytes:
    """The bill of materials, CycloneDX. Raises ImageRefusedError for an image without one."""
    data = _read(image, MATERIALS)
    if not data:
        raise ImageRefusedError(
            f"{image.reference} has no bill of materials that could be attached ({MATERIALS})",
            then="push without --attach, or build the image with this project's Dockerfile",
        )
    return data


def answers(image: Image) -> bytes:
    """The answers to CVE records, CycloneDX VEX; empty if an older build made none."""
    return _read(image, VEX)


def _read(image: Image, path: str) -> bytes:
    """The file, or nothing if it is not there or too large to be what its name says."""
    try:
        data = image.filesystem.read(path, MATERIALS_LIMIT + 1)
    except FileNotFoundError:
        return b""
    return data if len(data) <= MATERIALS_LIMIT else b""
