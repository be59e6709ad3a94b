"""What the build of an image has left in it: stamp, bill of materials and answers to CVE records (docs/build.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.errors import ImageRefusedError
from deploy.image.localimage import Image

_FOLDER: Final = "/opt/share/hwang-lambda"
VERIFIED: Final = f"{_FOLDER}/verified.json"
SBOM: Final = f"{_FOLDER}/sbom.cdx.json"
VEX: Final = f"{_FOLDER}/vex.json"
_MAX_REPORT_BYTES: Final = 1024 * 1024
MAX_SBOM_BYTES: Final = 16 * 1024 * 1024


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


class VerifiedReport(_Part):
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

    report: VerifiedReport | None
    bytes_on_top: int

    @cached_property
    def document(self) -> dict[str, Any]:
        report = self.report.model_dump() if self.report else {}
        return {**report, "bytes_on_top": self.bytes_on_top}


def verdict(image: Image) -> Verdict | None:
    """None where there is no stamp, or where the layers cannot be read."""
    try:
        files = image.filesystem
    except ImageRefusedError:
        return None
    found = files.find(VERIFIED)
    if found is None:
        return None
    on_top = sum(files.sizes[found.node.layer + 1 :])
    try:
        return Verdict(VerifiedReport.model_validate_json(files.read(VERIFIED, _MAX_REPORT_BYTES)), on_top)
    except (FileNotFoundError, ValidationError):
        return Verdict(None, on_top)


def read_sbom(image: Image) -> bytes:
    """The bill of materials, CycloneDX. Raises ImageRefusedError for an image without one."""
    data = _read(image, SBOM)
    if not data:
        raise ImageRefusedError(
            f"{image.reference} has no bill of materials that could be attached ({SBOM})",
            then="push without --attach, or build the image with this project's Dockerfile",
        )
    return data


def read_vex(image: Image) -> bytes:
    """The answers to CVE records, CycloneDX VEX; empty if an older build made none."""
    return _read(image, VEX)


def _read(image: Image, path: str) -> bytes:
    """The file, or nothing if it is not there or too large to be what its name says."""
    try:
        data = image.filesystem.read(path, MAX_SBOM_BYTES + 1)
    except FileNotFoundError:
        return b""
    return data if len(data) <= MAX_SBOM_BYTES else b""
