"""Documents that the build of an image leaves in it, and that a push can attach (docs/build.md)."""

from __future__ import annotations

from typing import Final

from deploy.errors import ImageRefusedError
from deploy.image.layers import read_file
from deploy.image.localimage import Image

SBOM: Final = "/opt/share/hwang-lambda/sbom.cdx.json"
VEX: Final = "/opt/share/hwang-lambda/vex.json"
_MAX_BYTES: Final = 16 * 1024 * 1024


def read_sbom(image: Image) -> bytes:
    """Return the bill of materials, CycloneDX. Raises ImageRefusedError for an image without one."""
    data = read_file(image.saved.layers, SBOM, _MAX_BYTES)
    if not data:
        what = f"{image.reference} has no bill of materials that could be attached ({SBOM})"
        raise ImageRefusedError(what, then="push without --attach, or build it with this project's Dockerfile")
    return data


def read_vex(image: Image) -> bytes:
    """Return the answers to CVE records, CycloneDX VEX; empty if an older build made none."""
    return read_file(image.saved.layers, VEX, _MAX_BYTES)
