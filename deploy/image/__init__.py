"""A container image on this machine: opened, judged, tried and shown.

`locate` lists the forms of a reference, `localimage` describes an image, `pushable` packs it for a registry.
"""

from __future__ import annotations

from deploy.image.checks import Finding, Level, findings, require_acceptable
from deploy.image.localimage import Image
from deploy.image.locate import open_image
from deploy.image.report import document, table
from deploy.image.trial import tried

__all__ = ["Finding", "Image", "Level", "document", "findings", "open_image", "require_acceptable", "table", "tried"]
