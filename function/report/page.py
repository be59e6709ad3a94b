"""The page: one HTML file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from function.report import asked, outcome, tables, wording
from function.report.gallery import gallery
from function.report.manifest import parse_manifest
from function.report.reading import Read, Reading
from function.report.spread import spread
from function.report.timeline import timeline

READING_SECONDS: Final = 20.0
_HERE: Final = Path(__file__).parent


def write_report(
    manifest: Mapping[str, Any],
    read: Read,
    *,
    cost: Mapping[str, Any] | None = None,
    reading_seconds: float = READING_SECONDS,
) -> bytes:
    """The report of a job's manifest, HTML in UTF-8, below 3 MB.

    `read` fetches what is shown of the results: at most about 250 ranges, none of more than 64 MiB, four at a time,
    for at most `reading_seconds`; pictures that it cannot have are left out. `cost` has `dollars`, and a `note` of
    what they are made of. Equal arguments make equal bytes. Raises NotAManifest.
    """
    job = parse_manifest(manifest)
    names = tables.Names(job)
    css = (_HERE / "page.css").read_text()
    page: str = _template().render(
        css=css,
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        job=job,
        title=wording.shortened(wording.address(job.job)),
        asked=asked.sentence(job.request, job.videos),
        as_given=asked.as_given(job.request),
        outcome=outcome.outcome(job),
        when=wording.span(job.started, job.ended) if job.started is not None and job.ended is not None else "",
        figures=list(outcome.figures(job, cost)),
        cost_note=wording.visible(str((cost or {}).get("note", ""))),
        bytes_read=outcome.bytes_read(job),
        missing=outcome.missing(job),
        gallery=gallery(job, Reading(read, job.job, reading_seconds)),
        timeline=timeline(job),
        spread=spread(job),
        slow=tables.slow(job),
        videos=tables.videos(job, names),
        failures=tables.failures(job, names),
        names=names,
        name=tables.name,
        words=wording,
    )
    return page.encode()


def _template() -> Any:
    import jinja2  # only here: nothing else of the function needs it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
