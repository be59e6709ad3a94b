"""How a job went: whether it is done, what to do if it is not, and its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from function.report.manifest import Manifest
from function.report.wording import count, dollars, duration, numbers, percent, plural, size


@dataclass(frozen=True)
class Outcome:
    """`tone`: good, mixed or bad."""

    tone: str
    title: str
    text: str


@dataclass(frozen=True)
class Figure:
    value: str
    label: str
    note: str = ""


def outcome(manifest: Manifest) -> Outcome:
    if not manifest.missing and not manifest.failed:
        return Outcome("good", "Complete", "Every part has its result.")
    told = []
    if manifest.missing:
        told.append(f"{count(len(manifest.missing), 'part')} of {count(manifest.parts)} left no result.")
    if manifest.failed:
        told.append(f"{count(manifest.failed, 'video')} of {count(manifest.videos)} failed; the reasons are below.")
    if manifest.is_tolerable:
        return Outcome("mixed", "Done", " ".join([*told, "That is no more than this job tolerates."]))
    told.append("Start the same job again: what is done is kept, only the rest is done.")
    if manifest.failed:
        told.append("If videos fail for good, mend them, take them out, or let the job tolerate more of them.")
    return Outcome("bad", "Incomplete", " ".join(told))


def figures(manifest: Manifest, cost: Mapping[str, Any] | None) -> Iterator[Figure]:
    """The numbers that sum a job up. `cost` has `dollars`, of what it would cost on AWS."""
    failed, objects, pieces = manifest.failed, manifest.objects, manifest.pieces
    decoded, skipped = manifest.counters.samples_decoded, manifest.counters.samples_skipped
    busy, wall = manifest.busy_seconds, manifest.wall_seconds
    yield _counted(manifest.videos, "video", f"{count(failed)} failed" if failed else "")
    yield _counted(manifest.frames, "frame")
    yield Figure(count(decoded), "samples decoded", f"{count(skipped)} left out" if skipped else "")
    if objects:
        yield Figure(size(manifest.bytes_written), "written", f"in {count(objects, 'object')}")
    yield _counted(manifest.parts, "part", f"of {count(pieces, 'piece')}" if pieces else "")
    yield Figure(count(manifest.retries), "retry" if manifest.retries == 1 else "retries")
    if wall:
        yield Figure(duration(wall), "on the clock")
        yield Figure(duration(busy), "of work")
        yield Figure(f"{busy / wall:.1f}", "at a time, on average")
    if cost is not None:
        yield Figure(dollars(float(cost["dollars"])), "on AWS, estimated")


def _counted(number: int, noun: str, note: str = "") -> Figure:
    return Figure(count(number), plural(number, noun), note)


@dataclass(frozen=True)
class BytesRead:
    """Of the bytes in the files; `share` is what a bar shows of 100."""

    read: str
    whole: str
    share: float
    text: str


def bytes_read(manifest: Manifest) -> BytesRead | None:
    """None if nothing is known of the files."""
    read, whole = manifest.counters.bytes_read, manifest.bytes_in_files
    if not whole:
        return None
    text = f"{percent(read / whole)} of the bytes in the files, in {count(manifest.counters.requests, 'request')}"
    return BytesRead(size(read), size(whole), min(100.0, 100 * read / whole), text)


def missing(manifest: Manifest) -> str:
    """The parts without a result, as ranges of numbers."""
    return numbers(manifest.missing)
