"""A container image on this machine: opened, judged, tried and shown.

    with open_image("hwang-lambda:latest", "x86_64") as image:
        found = (*findings(image, "x86_64"), *tried(image, event))
        report.result(document(image, found), table(image, found))
        require_acceptable(image, *found)

`locate` lists the forms of a reference, `localimage` describes an image, `pushable` packs it for a registry.
"""

from __future__ import annotations

from deploy.image.checks import Finding, Level, findings, require_acceptable
from deploy.image.localimage import Image
from deploy.image.locate import open_image
from deploy.image.report import document, table
from deploy.image.trial import tried

__all__ = ["Finding", "Image", "Level", "document", "findings", "open_image", "require_acceptable", "table", "tried"]
