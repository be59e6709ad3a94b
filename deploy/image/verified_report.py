"""Files that the build of an image leaves in it: report, bill of materials, answers to CVE records (docs/build.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.errors import ImageRefusedError
from deploy.image.localimage import Image
from deploy.image.tarfiles import Kind

_FOLDER: Final = "/opt/share/hwang-lambda"
VERIFIED: Final = f"{_FOLDER}/verified.json"
SBOM: Final = f"{_FOLDER}/sbom.cdx.json"
SUMS: Final = f"{_FOLDER}/files.sha256"
VEX: Final = f"{_FOLDER}/vex.json"
_MAX_REPORT_BYTES: Final = 1024 * 1024
MAX_SBOM_BYTES: Final = 16 * 1024 * 1024


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class Codecs(_Part):
    """FFmpeg's release and the number of its components."""

    version: str
    components: int


class Added(_Part):
    """Files added to the base image."""

    bytes: int
    files: int
    digest: str


class Cve(_Part):
    """Number of FFmpeg's CVE records that were known when the image was built, and of each answer to them."""

    as_of: str
    known: int
    not_affected: int
    fixed: int
    affected: int
    under_investigation: int


class VerifiedReport(_Part):
    """Part of `verified.json` that is shown; the whole file is in the image."""

    verified: str
    licence: str
    redistributable: bool
    ffmpeg: Codecs
    needs: dict[str, str]
    added: Added
    cve: Cve | None = None  # older builds have none


@dataclass(frozen=True)
class Verdict:
    """A build's report and what has come over it: bytes in later layers, and files that are not as the build left them.

    `report` is None for a damaged one; `replaced` is None for a build that left no list of its files.
    """

    report: VerifiedReport | None
    bytes_on_top: int
    replaced: tuple[str, ...] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The report for programs."""
        report = self.report.model_dump() if self.report else {}
        return {**report, "bytes_on_top": self.bytes_on_top, "replaced": self.replaced}


def verdict(image: Image) -> Verdict | None:
    """Return None if there is no report, or if the layers cannot be read."""
    try:
        files = image.filesystem
    except ImageRefusedError:
        return None
    found = files.find(VERIFIED)
    if found is None:
        return None
    on_top = sum(files.sizes[found.node.layer + 1 :])
    try:
        report = VerifiedReport.model_validate_json(files.read(VERIFIED, _MAX_REPORT_BYTES))
    except (FileNotFoundError, ValidationError):
        return Verdict(None, on_top)
    return Verdict(report, on_top, _replaced(image))


def _replaced(image: Image) -> tuple[str, ...] | None:
    """Return the files that are gone, or have other contents, wherever they lie: an engine may have joined layers."""
    lines = _read(image, SUMS).decode("utf-8", "surrogateescape").splitlines()
    wanted = {path: digest for digest, _, path in (line.partition("  ") for line in lines)}
    nodes = {path: found.node for path in wanted if (found := image.filesystem.find(path, follow=False))}
    files = {path: node for path, node in nodes.items() if node.kind is Kind.FILE}
    replaced = [path for path, digest in wanted.items() if path not in files or files[path].entry.digest != digest]
    return tuple(replaced) if lines else None


def read_sbom(image: Image) -> bytes:
    """Return the bill of materials, CycloneDX. Raises ImageRefusedError for an image without one."""
    data = _read(image, SBOM)
    if not data:
        raise ImageRefusedError(
            f"{image.reference} has no bill of materials that could be attached ({SBOM})",
            then="push without --attach, or build the image with this project's Dockerfile",
        )
    return data


def read_vex(image: Image) -> bytes:
    """Return the answers to CVE records, CycloneDX VEX; empty if an older build made none."""
    return _read(image, VEX)


def _read(image: Image, path: str) -> bytes:
    """Return the file; nothing if it is missing or too large for its name."""
    try:
        data = image.filesystem.read(path, MAX_SBOM_BYTES + 1)
    except FileNotFoundError:
        return b""
    return data if len(data) <= MAX_SBOM_BYTES else b""
