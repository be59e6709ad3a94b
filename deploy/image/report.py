"""An image and the findings about it, for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from deploy.image.checks import Finding, Level
from deploy.image.localimage import Image

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
        "index": image.index.digest if image.index else None,
        "beside": image.beside,
        "size_bytes": image.size_bytes,
        "layers": image.config.rootfs.diff_ids,
        "entrypoint": image.start.entrypoint,
        "cmd": image.start.cmd,
        "working_dir": image.start.working_dir,
        "labels": image.start.labels,
        "stand_in": image.is_standin,
        "findings": [
            {"next" if name == "then" else name: value for name, value in asdict(finding).items()} for finding in found
        ],
    }


def table(image: Image, found: Sequence[Finding]) -> RenderableType:
    """Show the image and the findings."""
    from rich.console import Group
    from rich.text import Text

    refused = sum(finding.level == "refused" for finding in found)
    verdict = Text("✓ Lambda would take it", "green")
    if refused:
        verdict = Text.assemble(("✗ Lambda would not take it", "red"), (f": {refused} to correct", "dim"))
    return Group(
        Text(f"{image.reference} ({image.origin}), {image.default_tag}"), Text(), _judged(found), Text(), verdict
    )


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
