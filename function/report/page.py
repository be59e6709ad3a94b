"""The page: one HTML file that asks the network for nothing. page.html has its words, this module its facts."""

from __future__ import annotations

import base64
import hashlib
import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from function.errors import FunctionError, public_text
from function.models.job_files import FOLDER, Failure, JobManifest, PieceResult
from function.report import formatting
from function.report.pictures import Read, pictures
from function.report.timeline import slowest_parts, timeline

T = TypeVar("T", Failure, PieceResult)
READING_SECONDS: Final = 20.0
MAX_VIDEOS: Final = 200
_MAX_SLOW: Final = 10
_MAX_CODES: Final = 30
_MAX_MESSAGES: Final = 3
_HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class FailureGroup:
    """All failures with one code. `messages`: the most frequent, and how often each; `kind`: the code's class."""

    code: str
    kind: type[FunctionError] | None
    failures: list[Failure]
    messages: list[tuple[str, int]]

    @property
    def meaning(self) -> str:
        """The meaning of the code; empty for a code that is not the function's."""
        return inspect.cleandoc(self.kind.__doc__ or "").replace("`", "") if self.kind else ""


def write_report(job: JobManifest, read: Read, *, reading_seconds: float = READING_SECONDS) -> bytes:
    """The report of a job's manifest, HTML in UTF-8, below 3 MB.

    `read` fetches the pictures that are shown: at most 54, none of more than 32 MiB, four at a time, for at most
    `reading_seconds`; those that it cannot have are left out. Equal arguments make equal bytes.
    """
    tolerated = job.request.get("tolerated_failure_percentage", 0)
    videos = sorted(
        _grouped("video", job.results).items(), key=lambda item: (-sum(one.frames for one in item[1]), item[0])
    )
    css = (_HERE / "page.css").read_text()
    shown, notes = pictures(job, read, (job.job, *_places(job.request)), reading_seconds)
    page: str = _template().render(
        css=css,
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        job=job,
        tolerable=job.is_tolerable(tolerated if isinstance(tolerated, int | float) else 0),
        as_given=formatting.as_given(job.request),
        wall_seconds=max(0.0, job.ended - job.started) if job.started is not None and job.ended is not None else 0.0,
        failures=_failures(job.failures),
        pictures=shown,
        notes=notes,
        timeline=timeline(job),
        slow=slowest_parts(job.timeline, _MAX_SLOW),
        decoded_pieces=job.pieces - sum(part.failed for part in job.timeline),
        videos=videos[:MAX_VIDEOS],
        more_videos=len(videos[MAX_VIDEOS:]),
        rest=[one for _, results in videos[MAX_VIDEOS:] for one in results],
        folder=formatting.common_folder([*(one.video for one in job.results), *(one.video for one in job.failures)]),
        place=lambda results: _place(results, job.job),
        words=formatting,
    )
    return page.encode()


def _grouped(name: str, items: Iterable[T]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(getattr(item, name), []).append(item)
    return groups


def _failures(failures: Iterable[Failure]) -> list[FailureGroup]:
    """The failures by code, the most frequent first."""
    kinds = {kind.__name__: kind for kind in FunctionError.__subclasses__()}
    groups = sorted(_grouped("code", failures).items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        FailureGroup(public_text(code), kinds.get(code), group, _messages(group)) for code, group in groups[:_MAX_CODES]
    ]


def _messages(failures: Iterable[Failure]) -> list[tuple[str, int]]:
    """The most frequent messages, without the name of the video, in which they differ."""
    texts = [one.message.replace(one.video, "…") if one.video else one.message for one in failures if one.message]
    return Counter(map(public_text, texts)).most_common(_MAX_MESSAGES)


def _place(results: list[PieceResult], job: str) -> str:
    """The address of the first result; empty for partial results of a reduction, which nobody looks at."""
    place = next((one.manifest or next(iter(one.output), "") for one in results), "")
    place = place.removesuffix("_manifest.json") if place.endswith("/_manifest.json") else place
    return "" if place.startswith(f"{job}{FOLDER}") else place


def _places(request: dict[str, Any]) -> list[str]:
    """The prefixes of several results, which need not lie below the job's own."""
    outputs = request.get("outputs")
    places = [one.get("output") for one in outputs if isinstance(one, dict)] if isinstance(outputs, list) else []
    return [place for place in places if isinstance(place, str) and place.endswith("/")]


def _template() -> Any:
    import jinja2  # late import: nothing else of the function needs it

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html")
