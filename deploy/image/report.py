"""An image and the findings about it, for programs and for people.

The document of `check --json`:

    reference, origin       the user's name for it; "engine", "docker archive" or "OCI layout"
    acceptable              whether Lambda would take it
    architecture, os        the first by Lambda's name
    content_digest, tag     of everything that runs, see `oci.content_digest`
    config_digest           Docker's id of the image
    manifest_digest         null if no manifest has been made yet
    index                   null, or its digest and entries: digest, platform, why it was passed_over ("" if taken)
    size_bytes              unpacked; null if the layers cannot be read
    layers                  for each diff_id and bytes, unpacked; null if unknown
    entrypoint, cmd, working_dir, handler ("" if it is unclear), labels
    stand_in                whether it stands on the stand-in for Lambda's base
    verified                null, or of the report that its build left: verified, licence, redistributable, ffmpeg,
                            needs, added, cve; bytes_on_top, the size of layers over the verified ones; and replaced,
                            files that are not as the build left them (null if it listed none)
    findings                for each level ("ok", "note", "warning", "refused"), subject, what, why, next
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from deploy.errors import ImageRefusedError
from deploy.image.checks.command import Command
from deploy.image.checks.finding import Finding, Level
from deploy.image.checks.packaging import shown_bytes
from deploy.image.localimage import Child, Image
from deploy.image.verified_report import verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

_MARKS: Final[dict[Level, tuple[str, str]]] = {
    "ok": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "refused": ("✗", "red"),
}


def document(image: Image, found: Sequence[Finding]) -> dict[str, Any]:
    """Return the document of `check --json`."""
    settings, (size, layer_sizes) = image.config.config, _sizes(image)
    index = image.index and {"digest": image.index.digest, "entries": [_entry(child) for child in image.children]}
    return {
        "reference": image.reference,
        "origin": image.origin,
        "acceptable": all(finding.level != "refused" for finding in found),
        "architecture": image.architecture,
        "os": image.config.os,
        "content_digest": image.content_digest,
        "tag": image.default_tag,
        "config_digest": image.config_digest,
        "manifest_digest": image.manifest.digest if image.manifest else None,
        "index": index,
        "size_bytes": size,
        "layers": [
            {"diff_id": diff_id, "bytes": layer_size}
            for diff_id, layer_size in zip(image.config.rootfs.diff_ids, layer_sizes, strict=True)
        ],
        "entrypoint": settings.entrypoint,
        "cmd": settings.cmd,
        "working_dir": settings.working_dir,
        "handler": Command.of(image).handler,
        "labels": image.labels,
        "stand_in": image.is_standin,
        "verified": found_report.document if (found_report := verdict(image)) else None,
        "findings": [
            {"next" if name == "then" else name: value for name, value in asdict(finding).items()} for finding in found
        ],
    }


def _sizes(image: Image) -> tuple[int | None, Sequence[int | None]]:
    """Return the size of the image and of each layer; None if unknown, as layers are to some engines."""
    unknown = [None] * len(image.config.rootfs.diff_ids)
    try:
        sizes = image.layer_bytes
    except ImageRefusedError:
        return None, unknown
    return sum(sizes), sizes if len(sizes) == len(unknown) else unknown


def _entry(child: Child) -> dict[str, Any]:
    platform = child.descriptor.platform
    return {
        "digest": child.descriptor.digest,
        "platform": str(platform) if platform else None,
        "passed_over": child.passed_over,
    }


def table(image: Image, found: Sequence[Finding]) -> RenderableType:
    """Show the image, its layers and the findings."""
    from rich.console import Group
    from rich.text import Text

    refused = sum(finding.level == "refused" for finding in found)
    verdict = Text("✓ Lambda would take it", "green")
    if refused:
        verdict = Text.assemble(("✗ Lambda would not take it", "red"), (f": {refused} to correct", "dim"))
    return Group(*_facts(image), Text(), _judged(found), Text(), verdict)


def _facts(image: Image) -> list[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    settings, (total, layer_sizes) = image.config.config, _sizes(image)
    facts = {
        "image": f"{image.reference} ({image.origin})",
        "platform": f"{image.config.os} {image.architecture}",
        "tag": image.default_tag,
        "manifest": f"{image.manifest.digest[:23]}…" if image.manifest else "",
        "entrypoint": " ".join(settings.entrypoint),
        "command": " ".join(settings.cmd),
        "size": "" if total is None else shown_bytes(total),
    }
    shown = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value:
            shown.add_row(Text(name, "dim"), Text(value, no_wrap=True, overflow="ellipsis"))
    layers = Table.grid(padding=(0, 2))
    for number, (diff_id, size) in enumerate(zip(image.config.rootfs.diff_ids, layer_sizes, strict=True), 1):
        digest, size_text = diff_id.removeprefix("sha256:")[:12], "" if size is None else shown_bytes(size)
        layers.add_row(Text(f"layer {number}", "dim"), Text(digest), Text(size_text, justify="right"))
    return [shown, Text(), layers]


def _judged(found: Sequence[Finding]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    shown = Table.grid(padding=(0, 2))
    for finding in found:
        mark, style = _MARKS[finding.level]
        text = Text(finding.what, "dim" if finding.level == "note" else "", overflow="fold")
        if finding.level in ("warning", "refused"):
            text.append(f"\n{finding.why}" if finding.why else "", "dim")
            text.append(f"\n→ {finding.then}" if finding.then else "")
        shown.add_row(Text(mark, style, no_wrap=True), Text(finding.subject, no_wrap=True), text)
    return shown
