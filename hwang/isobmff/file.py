"""Index MP4, MOV and their relatives (ISO base media files) from their headers."""

from __future__ import annotations

from hwang.errors import CorruptMediaError, UnsupportedMediaError
from hwang.index import VideoIndex
from hwang.isobmff.boxes import WindowReader, top_level
from hwang.isobmff.movie import Movie
from hwang.sources.local import RangeSource

_FIRST = frozenset([b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"sidx", b"emsg"])

_TAIL_BYTES = 8 << 20  # what follows the media of a file without a header so far is most likely its header


def open_movie(source: RangeSource, track: int | None = None) -> Movie | None:
    """Read the header of the first video track, or of the one with id `track`; None if it is no such file.

    Makes at most 3 requests and reads 64 KiB beside moov, wherever moov is. If fragments follow, at most 2 more
    requests find them: in the segment index (sidx), and in the random access box at the end (mfra) if
    that is incomplete.
    Raises UnsupportedMediaError, EncryptedMediaError, CorruptMediaError, LimitExceededError, SourceError.
    """
    reader = WindowReader(source)
    if reader.read(0, 8)[4:] not in _FIRST:
        return None
    seen: set[bytes] = set()
    for box in top_level(reader):
        if box.kind == b"moov":
            return Movie(reader, box, track)
        seen.add(box.kind)
        rest = reader.size - box.end
        if box.kind == b"mdat" and rest <= min(_TAIL_BYTES, box.end - box.offset):
            reader.read(box.end, rest)  # the header, in one request
    if b"meta" in seen and b"mdat" in seen:
        raise UnsupportedMediaError("a still image (HEIF or AVIF), not a video")
    if b"moof" in seen:
        raise CorruptMediaError("media segments without a header ('moov'); put the initialization segment in front")
    raise CorruptMediaError(
        "the movie header ('moov') is missing: the file is truncated, or was still being written when it was copied"
    )


def read_index(source: RangeSource, track: int | None = None) -> VideoIndex | None:
    """Index the first video track, or the one with id `track`; None if these are no ISO base media bytes.

    No byte of a frame is asked for, only headers. Rows are the frames that the ffmpeg tool shows with `-noautorotate
    -fps_mode passthrough`. Raises like open_movie().
    """
    movie = open_movie(source, track)
    return None if movie is None else movie.index()
