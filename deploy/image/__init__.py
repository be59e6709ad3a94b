"""A container image on this machine: opened, judged, and shown.

    with open_image("hwang-lambda:latest", "x86_64") as image:
        found = findings(image, "x86_64")
        report.result(document(image, found), table(image, found))
        require_acceptable(image, found)

What a reference may be is told in `locate`, what is known of an image in `localimage`, how a registry takes it in
`pushable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from deploy.errors import ImageRefusedError
from deploy.image.checks import command, handler, packaging, readable, runtime, settings, verified
from deploy.image.checks.command import Command
from deploy.image.checks.finding import Finding, Level
from deploy.image.localimage import Image
from deploy.image.locate import open_image
from deploy.image.report import document, table

__all__ = ["Finding", "Image", "Level", "document", "findings", "open_image", "require_acceptable", "table"]


def findings(image: Image, architecture: str | None = None) -> tuple[Finding, ...]:
    """All that Lambda would refuse, and what is worth knowing. `architecture`: the wanted one, in Lambda's words."""
    start = Command.of(image)
    return tuple(
        chain(
            packaging.manifest(image),
            packaging.architecture(image, architecture),
            packaging.operating_system(image),
            packaging.layers(image),
            command.present(start),
            command.shape(start),
            _in_files(image, start),
            settings.environment(image),
            settings.user(image),
            settings.volumes(image),
            settings.standin(image),
            settings.labels(image),
            verified.verified(image),
        )
    )


def _in_files(image: Image, start: Command) -> Iterator[Finding]:
    """What needs the layers to be read. Where they cannot be, that is the finding."""
    try:
        files = image.filesystem
    except ImageRefusedError as error:
        yield Finding("refused", "layers", error.what, why="the files in them cannot be looked at", then=error.then)
        return
    yield from packaging.size(image)
    yield from packaging.names(files)
    if start.arguments:
        yield from command.directory(start, files)
        yield from command.executable(start, files, image.architecture)
        yield from runtime.client(image, start, files)
        yield from handler.importable(image, start, files)
    yield from readable.readable(image, start, files)


def require_acceptable(image: Image, found: Sequence[Finding]) -> None:
    """Raises ImageRefusedError, which tells all that is refused, if something is."""
    refused = [finding for finding in found if finding.level == "refused"]
    if not refused:
        return
    what = "; ".join(f"{finding.subject}: {finding.what}" for finding in refused)
    raise ImageRefusedError(
        f"Lambda would not take {image.reference}: {what}",
        then=refused[0].then or "`ecr_push.py check` says more",
        refused=[finding.subject for finding in refused],
    )
