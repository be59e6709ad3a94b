"""What is told line by line: videos, slow parts, failures."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from function.errors import FunctionError, public_text
from function.report.manifest import Failure, Manifest, Part, Result
from function.report.timeline import slowest_parts
from function.report.wording import MAX_FULL_CHARS, address, common_folder, numbers, shortened

MOST_VIDEOS: Final = 200
MOST_SLOW: Final = 10
MOST_CODES: Final = 30
MOST_MESSAGES: Final = 3
MOST_FAILED_VIDEOS: Final = 50
_WORKING_PLACE: Final = "_job/"  # of a job, below its prefix


@dataclass(frozen=True)
class Name:
    """A foreign name: short, and as long as it is worth hovering for."""

    short: str
    full: str


@dataclass(frozen=True)
class VideoLine:
    name: Name
    frames: int
    share: float  # percent of the most that a video has
    objects: int
    parts: str
    result: Name


@dataclass(frozen=True)
class Videos:
    """Those with most frames first. `rest` of them have no line of their own, but `rest_frames` and `rest_objects`."""

    folder: str
    lines: tuple[VideoLine, ...]
    rest: int
    rest_frames: int
    rest_objects: int
    sample: str  # what the lines were counted over, if not over everything


@dataclass(frozen=True)
class FailureGroup:
    """All failures with one code."""

    code: str
    meaning: str
    is_retryable: bool
    pieces: int
    videos: tuple[Name, ...]
    more_videos: int
    messages: tuple[tuple[str, int], ...]  # the most frequent, and how often each


class Names:
    """Names of the job's videos, without the folder that they share."""

    def __init__(self, manifest: Manifest) -> None:
        results, failures = manifest.results, manifest.failures
        self.folder = common_folder([result.video for result in results] + [failure.video for failure in failures])

    def name(self, video: str) -> Name:
        return name(video, self.folder)


def name(text: str, folder: str = "") -> Name:
    whole = address(text)
    return Name(shortened(whole.removeprefix(address(folder)) or whole), shortened(whole, MAX_FULL_CHARS))


def videos(manifest: Manifest, names: Names) -> Videos:
    by_video: dict[str, list[Result]] = {}
    for result in manifest.results:
        by_video.setdefault(result.video, []).append(result)
    ordered = sorted(by_video.items(), key=lambda item: (-sum(result.frames for result in item[1]), item[0]))
    most = sum(result.frames for result in ordered[0][1]) if ordered else 0
    rest = [result for _, results in ordered[MOST_VIDEOS:] for result in results]
    return Videos(
        shortened(address(names.folder), MAX_FULL_CHARS),
        tuple(_line(video, results, most, manifest, names) for video, results in ordered[:MOST_VIDEOS]),
        max(0, len(ordered) - MOST_VIDEOS),
        sum(result.frames for result in rest),
        sum(result.objects for result in rest),
        f"{len(manifest.results):,} of {manifest.done_pieces:,}"
        if len(manifest.results) < manifest.done_pieces
        else "",
    )


def slow(manifest: Manifest) -> list[Part]:
    return slowest_parts(manifest.timeline, MOST_SLOW)


def failures(manifest: Manifest, names: Names) -> list[FailureGroup]:
    """The most frequent codes first."""
    by_code: dict[str, list[Failure]] = {}
    for failure in manifest.failures:
        by_code.setdefault(failure.code, []).append(failure)
    ordered = sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0]))
    return [_group(code, group, names) for code, group in ordered[:MOST_CODES]]


def _line(video: str, results: Iterable[Result], most: int, manifest: Manifest, names: Names) -> VideoLine:
    results = list(results)
    frames = sum(result.frames for result in results)
    return VideoLine(
        names.name(video),
        frames,
        round(100 * frames / most, 2) if most else 0,
        sum(result.objects for result in results),
        numbers((result.part for result in results if result.part is not None), most=4),
        _result(results, manifest.job),
    )


def _result(results: list[Result], job: str) -> Name:
    """Where the first of them is; partial results of a reduction are nobody's to look at."""
    place = next((result.manifest or next(iter(result.output), "") for result in results), "")
    place = place.removesuffix("_manifest.json") if place.endswith("/_manifest.json") else place
    return Name("", "") if place.startswith(f"{job}{_WORKING_PLACE}") else name(place, job)


def _group(code: str, group: list[Failure], names: Names) -> FailureGroup:
    kind = next((kind for kind in FunctionError.__subclasses__() if kind.__name__ == code), None)
    failed = list(dict.fromkeys(failure.video for failure in group))
    messages = Counter(_unnamed(failure) for failure in group if failure.message)
    return FailureGroup(
        shortened(public_text(code)),
        inspect.cleandoc(kind.__doc__ or "").replace("`", "") if kind else "",
        bool(kind and kind.retryable),
        len(group),
        tuple(map(names.name, failed[:MOST_FAILED_VIDEOS])),
        max(0, len(failed) - MOST_FAILED_VIDEOS),
        tuple(messages.most_common(MOST_MESSAGES)),
    )


def _unnamed(failure: Failure) -> str:
    """The message without the video's own name, in which it differs from others."""
    return public_text(failure.message.replace(failure.video, "…") if failure.video else failure.message)
