"""Tracks of a movie header, and the one to index."""

from __future__ import annotations

import math
from collections import Counter
from typing import NamedTuple

from hwang.errors import CorruptMediaError, UnsupportedMediaError
from hwang.isobmff.boxes import Box, FullBox, Payload, children, descend, name

_KINDS = {
    b"soun": "audio",
    b"text": "text",
    b"sbtl": "subtitle",
    b"subt": "subtitle",
    b"tmcd": "timecode",
    b"hint": "hint",
}
_MAX_TRACKS = 4096


class Track(NamedTuple):
    """Headers of one trak box."""

    number: int  # track id
    handler: bytes  # b"vide", b"soun", ...
    timescale: int  # ticks per second
    duration: int  # ticks, 0 if unknown
    rotation: int  # degrees clockwise
    size: tuple[int, int]  # display width and height in pixels
    chapters: frozenset[int]  # ids of tracks that this one has its chapters in
    sampled: bool  # it has samples in the movie header
    payload: Payload  # of trak


def read_tracks(moov: Payload) -> list[Track]:
    """Return all tracks, in file order. Raises CorruptMediaError."""
    boxes = [box.payload for box in children(moov) if box.kind == b"trak"]
    if len(boxes) > _MAX_TRACKS:
        raise CorruptMediaError(f"{len(boxes)} tracks, more than {_MAX_TRACKS}; the header is damaged")
    return [_track(payload) for payload in boxes]


def choose_track(tracks: list[Track], number: int | None) -> Track:
    """Return the track with id `number`, or the first video track that is not chapter pictures of another.

    Raises UnsupportedMediaError with the tracks that exist.
    """
    videos = [track for track in tracks if track.handler == b"vide"]
    if number is not None:
        for track in videos:
            if track.number == number:
                return track
        raise UnsupportedMediaError(f"no video track {number}; video tracks: {[t.number for t in videos] or 'none'}")
    chapters = frozenset[int]().union(*(track.chapters for track in tracks))
    for track in sorted(videos, key=lambda track: track.number in chapters):
        return track
    kinds = Counter(_KINDS.get(track.handler, name(track.handler)) for track in tracks)
    there = ", ".join(f"{count} {kind} track{'s' * (count > 1)}" for kind, count in kinds.items()) or "no track at all"
    raise UnsupportedMediaError(f"no video track: the file has {there}")


def _track(trak: Payload) -> Track:
    number, rotation, size = _header(descend(trak, b"tkhd"))
    timescale, duration = _media_header(descend(trak, b"mdia", b"mdhd"))
    handler = descend(trak, b"mdia", b"hdlr")
    chapters = descend(trak, b"tref", b"chap")
    stts = descend(trak, b"mdia", b"minf", b"stbl", b"stts")
    references = bytes(chapters.payload) if chapters else b""
    return Track(
        number=number,
        handler=bytes(handler.payload[8:12]) if handler else b"",
        timescale=timescale,
        duration=duration,
        rotation=rotation,
        size=size,
        chapters=frozenset(int.from_bytes(references[at : at + 4], "big") for at in range(0, len(references), 4)),
        sampled=stts is not None and any(stts.payload[4:8]),
        payload=trak,
    )


def _header(tkhd: Box | None) -> tuple[int, int, tuple[int, int]]:
    """Return track id, rotation, width and height."""
    if tkhd is None:
        return 0, 0, (0, 0)
    fields = FullBox(tkhd)
    wide = fields.version == 1
    fields.take(16 if wide else 8)
    number = fields.number(4)
    fields.take((12 if wide else 8) + 16)
    matrix = [fields.number(4, signed=True) for _ in range(9)]
    width, height = fields.number(4) >> 16, fields.number(4) >> 16
    angle = round(math.degrees(math.atan2(matrix[1], matrix[0]))) % 360
    return number, angle if angle in (90, 180, 270) else 0, (width, height)


def _media_header(mdhd: Box | None) -> tuple[int, int]:
    """Return timescale and duration."""
    if mdhd is None:
        return 0, 0
    fields = FullBox(mdhd)
    size = 8 if fields.version == 1 else 4
    fields.take(2 * size)
    timescale, duration = fields.number(4), fields.number(size)
    return timescale, 0 if duration + 1 >> 8 * size else duration
