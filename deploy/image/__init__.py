"""A container image on this machine: opened, judged, and shown.

    with open_image("hwang-lambda:latest", "x86_64") as image:
        found = findings(image, "x86_64")
        report.result(document(image, found), table(image, found))
        require_acceptable(image, found)

`locate` lists the forms of a reference, `localimage` describes an image, `pushable` packs it for a registry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deploy.errors import ImageRefusedError
from deploy.image.checks import command, packaging, python, runtime, settings, verified
from deploy.image.checks.command import Command
from deploy.image.checks.finding import Finding, Level
from deploy.image.localimage import Image
from deploy.image.locate import open_image
from deploy.image.report import document, table

__all__ = ["Finding", "Image", "Level", "document", "findings", "open_image", "require_acceptable", "table"]


def findings(image: Image, architecture: str | None = None) -> tuple[Finding, ...]:
    """Return everything that Lambda would refuse, and facts worth knowing. `architecture`: the wanted one."""
    return tuple(_findings(image, architecture))


def _findings(image: Image, architecture: str | None) -> Iterator[Finding]:
    start = Command.of(image)
    yield from packaging.manifest(image)
    yield from packaging.architecture(image, architecture)
    yield from packaging.layers(image)
    yield from command.shape(start)
    yield from _in_files(image, start)
    yield from settings.settings(image)
    yield from settings.labels(image)
    yield from verified.verified(image)


def _in_files(image: Image, start: Command) -> Iterator[Finding]:
    """Yield the findings about files; if the layers cannot be read, that is the finding."""
    try:
        files = image.filesystem
    except ImageRefusedError as error:
        yield Finding("refused", "layers", error.what, "the files in them cannot be checked", error.then)
        return
    yield from packaging.size(image)
    yield from packaging.names(files)
    if start.arguments:
        yield from command.directory(start, files)
        yield from command.executable(start, files, image.architecture)
        yield from runtime.client(image, start, files)
        yield from python.handler(image, start, files)
    yield from runtime.readable(image, start, files)


def require_acceptable(image: Image, found: Sequence[Finding]) -> None:
    """Raises ImageRefusedError, with every refusal, if there is one."""
    refused = [finding for finding in found if finding.level == "refused"]
    if not refused:
        return
    what = "; ".join(f"{finding.subject}: {finding.what}" for finding in refused)
    raise ImageRefusedError(
        f"Lambda would not take {image.reference}: {what}",
        then=refused[0].then or "`ecr_push.py check` says more",
        refused=[finding.subject for finding in refused],
    )
