"""The contact sheet: which pictures of a job's results are shown, and what is said of those that are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, TypeVar

from function.report import wording
from function.report.frames import Frame, frames_of, is_clip, is_sheet
from function.report.manifest import Manifest, Result
from function.report.reading import LONGEST_READ_BYTES, Reading, Unreadable
from function.report.thumbnails import Thumbnail, as_frame, of_frame, read_npy

T = TypeVar("T")
MOST_FRAMES: Final = 48
MOST_FRAMES_OF_A_VIDEO: Final = 6
MOST_SHEETS: Final = 6
MOST_PICTURE_BYTES: Final = 2_000_000  # of JPEG; the page has a third more
_REDUCTION_PX: Final = 960
_AT_A_TIME: Final = 4
_REDUCTIONS: Final = {
    "sum": "sum of all bytes of {}",
    "sum_frames": "sum of {}, shown divided by their number",
    "mean": "mean of {}",
    "min": "darkest values of {}",
    "max": "brightest values of {}",
}


@dataclass(frozen=True)
class Gallery:
    """`frames` in the order of the videos; `sheets` of several frames each; or what the frames were reduced to."""

    frames: tuple[Frame, ...] = ()
    sheets: tuple[Frame, ...] = ()
    number: str = ""
    picture: Thumbnail | None = None
    caption: str = ""
    notes: tuple[str, ...] = ()  # of what is not shown


def gallery(manifest: Manifest, reading: Reading) -> Gallery:
    """Never raises: a picture that cannot be had is left out, and said to be."""
    if manifest.partial or "reduce" in manifest.request:
        return _reduction(manifest, reading)
    results = [result for result in manifest.results if result.frames]
    clips = sum(map(is_clip, results))
    results = [result for result in results if not is_clip(result)]
    sheets = [result for result in results if is_sheet(result)]
    wanted = [(result, [0]) for result in spread(sheets, MOST_SHEETS)]
    wanted += choose([result for result in results if not is_sheet(result)])
    shown, notes = _within_size(_read(reading, wanted))
    if clips:
        notes = [f"{wording.count(clips, 'clip')} not shown: the page holds pictures only.", *notes]
    return Gallery(
        frames=tuple(frame for frame in shown if frame.frames == 1),
        sheets=tuple(frame for frame in shown if frame.frames > 1),
        notes=tuple(notes),
    )


def spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly spread, in order."""
    number = min(most, len(items))
    return [items[(2 * i + 1) * len(items) // (2 * number)] for i in range(number)]


def choose(results: Iterable[Result]) -> list[tuple[Result, list[int]]]:
    """Pieces and positions in them: some of the videos, evenly spread, and of each some frames, evenly spread."""
    by_video: dict[str, list[Result]] = {}
    for result in results:
        by_video.setdefault(result.video, []).append(result)
    videos = spread(list(by_video.values()), MOST_FRAMES)
    each = min(MOST_FRAMES_OF_A_VIDEO, MOST_FRAMES // len(videos)) if videos else 0
    chosen: list[tuple[Result, list[int]]] = []
    for pieces in videos:
        positions = spread(range(sum(piece.frames for piece in pieces)), each)
        start = 0
        for piece in sorted(pieces, key=lambda piece: piece.first or 0):
            here = [position - start for position in positions if start <= position < start + piece.frames]
            if here:
                chosen.append((piece, here))
            start += piece.frames
    return chosen


def _read(reading: Reading, wanted: list[tuple[Result, list[int]]]) -> list[Frame | Unreadable]:
    """In order. Who is not there in time is left behind in its thread."""
    pool = ThreadPoolExecutor(_AT_A_TIME, "report")
    futures = [pool.submit(frames_of, reading, result, positions) for result, positions in wanted]
    done, _ = wait(futures, timeout=reading.deadline.seconds_left)
    pool.shutdown(wait=False, cancel_futures=True)
    found: list[Frame | Unreadable] = []
    for future, (_, positions) in zip(futures, wanted, strict=True):
        found += future.result() if future in done else [Unreadable("was not there in time")] * len(positions)
    return found


def _within_size(found: list[Frame | Unreadable]) -> tuple[list[Frame], list[str]]:
    shown: list[Frame] = []
    reasons: Counter[str] = Counter()
    room = MOST_PICTURE_BYTES
    for one in found:
        if isinstance(one, Unreadable):
            reasons[str(one)] += 1
        elif len(one.picture.jpeg) > room:
            reasons["would make this page too large"] += 1
        else:
            shown.append(one)
            room -= len(one.picture.jpeg)
    return shown, [_left_out(reason, number) for reason, number in reasons.most_common()]


def _left_out(reason: str, number: int) -> str:
    if number == 1:
        return f"1 picture is left out: it {reason}."
    return f"{number:,} pictures are left out: each of them {reason}."


def _reduction(manifest: Manifest, reading: Reading) -> Gallery:
    if manifest.partial is None:
        return Gallery(notes=("There is no combined result yet.",))
    kind, frames = manifest.partial.reduce, manifest.partial.frames
    caption = _REDUCTIONS.get(kind, f"{wording.visible(kind)[:40]} of {{}}").format(wording.count(frames, "frame"))
    if manifest.reduced is not None:
        return Gallery(number=f"{manifest.reduced:,}", caption=caption)
    if not manifest.output:
        return Gallery(caption=caption, notes=("The combined result is not in the manifest.",))
    try:
        values = read_npy(reading.whole(manifest.output[0].uri, LONGEST_READ_BYTES))
        if values.ndim == 0:
            return Gallery(number=f"{values.item():,}", caption=caption)
        if values.ndim != 3 or values.shape[2] != 3 or not values.size:
            raise Unreadable("is not of the shape of a frame")
        picture = of_frame(as_frame(values, kind, frames), _REDUCTION_PX)
    except Unreadable as error:
        return Gallery(caption=caption, notes=(f"The combined result {error}.",))
    return Gallery(picture=picture, caption=caption)
