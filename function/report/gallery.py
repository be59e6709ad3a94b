"""The contact sheet: the pictures of a job's results that are shown, and notes on those that are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from function.models.job_files import JobManifest, PieceResult
from function.report.formatting import count, visible
from function.report.pictures import (
    MAX_READ_BYTES,
    Frame,
    Reading,
    Thumbnail,
    Unreadable,
    frame_thumbnail,
    frames_of,
    is_clip,
    is_sheet,
    read_npy,
)

T = TypeVar("T")
MAX_FRAMES: Final = 48
MAX_FRAMES_OF_A_VIDEO: Final = 6
MAX_SHEETS: Final = 6
MAX_PICTURE_BYTES: Final = 2_000_000  # of JPEG; the page has a third more
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
    """`frames` in the order of the videos; `sheets` of several frames each; or the result of a reduction."""

    frames: list[Frame]
    sheets: list[Frame]
    notes: list[str]
    number: str = ""
    picture: Thumbnail | None = None
    caption: str = ""


def gallery(manifest: JobManifest, reading: Reading) -> Gallery:
    """The gallery. Never raises: a picture that cannot be had is left out, and a note says why."""
    if manifest.partial or "reduce" in manifest.request:
        return _reduction(manifest, reading)
    results = [result for result in manifest.results if result.frames]
    clips = sum(map(is_clip, results))
    results = [result for result in results if not is_clip(result)]
    wanted = [(result, [0]) for result in spread([*filter(is_sheet, results)], MAX_SHEETS)]
    wanted += choose(result for result in results if not is_sheet(result))
    shown, notes = _within_size(_read(reading, wanted))
    if clips:
        notes = [f"{count(clips, 'clip')} not shown: the page holds pictures only.", *notes]
    sheets = [frame for frame in shown if frame.frames > 1]
    return Gallery([frame for frame in shown if frame.frames == 1], sheets, notes)


def spread(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the items, evenly spread, in order."""
    number = min(limit, len(items))
    return [items[(2 * i + 1) * len(items) // (2 * number)] for i in range(number)]


def choose(results: Iterable[PieceResult]) -> list[tuple[PieceResult, list[int]]]:
    """Pieces and positions in them: some of the videos, evenly spread, and of each some frames, evenly spread."""
    by_video: dict[str, list[PieceResult]] = {}
    for result in results:
        by_video.setdefault(result.video, []).append(result)
    videos = spread(list(by_video.values()), MAX_FRAMES)
    each = min(MAX_FRAMES_OF_A_VIDEO, MAX_FRAMES // len(videos)) if videos else 0
    chosen: list[tuple[PieceResult, list[int]]] = []
    for pieces in videos:
        positions = spread(range(sum(piece.frames for piece in pieces)), each)
        start = 0
        for piece in sorted(pieces, key=lambda piece: piece.first or 0):
            here = [position - start for position in positions if start <= position < start + piece.frames]
            if here:
                chosen.append((piece, here))
            start += piece.frames
    return chosen


def _read(reading: Reading, wanted: list[tuple[PieceResult, list[int]]]) -> list[Frame | Unreadable]:
    """The pictures in order. A read that does not end in time is left behind in its thread."""
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
    room = MAX_PICTURE_BYTES
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


def _reduction(manifest: JobManifest, reading: Reading) -> Gallery:
    if manifest.partial is None:
        return Gallery([], [], ["There is no combined result yet."])
    kind, frames = manifest.partial.reduce, manifest.partial.frames
    caption = _REDUCTIONS.get(kind, f"{visible(kind)[:40]} of {{}}").format(count(frames, "frame"))
    if manifest.reduced is not None:
        return Gallery([], [], [], number=f"{manifest.reduced:,}", caption=caption)
    try:
        if not manifest.output:
            raise Unreadable("is not in the manifest")
        values = read_npy(reading.whole(manifest.output[0].uri, MAX_READ_BYTES))
        if values.ndim == 0:
            return Gallery([], [], [], number=f"{values.item():,}", caption=caption)
        if values.ndim != 3 or values.shape[2] != 3 or not values.size:
            raise Unreadable("is not of the shape of a frame")
    except Unreadable as error:
        return Gallery([], [], [f"The combined result {error}."], caption=caption)
    pixels = values / max(1, frames) if kind == "sum_frames" else values  # all others are in 0 to 255 already
    picture = frame_thumbnail(np.rint(np.clip(pixels, 0, 255)).astype(np.uint8), _REDUCTION_PX)
    return Gallery([], [], [], picture=picture, caption=caption)
