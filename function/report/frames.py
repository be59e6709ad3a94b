"""Single frames out of what a piece of a job has written, with as few bytes as that takes."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydantic import ValidationError

from function.models.formats import FORMATS, Writer, formats_of, picture_format
from function.report.manifest import Number, Object, Result, Told
from function.report.reading import Reading, Unreadable
from function.report.thumbnails import Thumbnail, of_file, of_frame

FRAME_PX: Final = 340
SHEET_PX: Final = 1080
_MANIFEST_BYTES: Final = 8 * 2**20
_PICTURE_BYTES: Final = 32 * 2**20
_LOCAL_HEADER_BYTES: Final = 30
_TAIL_BYTES: Final = 4096  # has the directory of a few members


@dataclass(frozen=True)
class Frame:
    """One frame of a video, or a sheet of many."""

    video: str
    picture: Thumbnail
    row: int | None = None
    seconds: float | None = None
    frames: int = 1


class _Frames(Told):
    rows: tuple[Number, ...] = ()
    timestamps: tuple[float, ...] = ()


class _Piece(Told):
    """A piece's own manifest."""

    frames: _Frames = _Frames()
    output: tuple[Object, ...] = ()


def is_sheet(result: Result) -> bool:
    """Whether the piece is one picture of several frames."""
    return result.objects == 1 < result.frames and picture_format(_extension(result)) is not None


def is_clip(result: Result) -> bool:
    return _writer(result) == "clip"


def frames_of(reading: Reading, result: Result, positions: list[int]) -> list[Frame | Unreadable]:
    """The frames at `positions` of the piece's request, or why one cannot be had; of a sheet, the sheet."""
    try:
        piece = _piece(reading, result)
    except Unreadable as error:
        return [error] * len(positions)
    if is_sheet(result):
        return [_attempt(reading, result, piece, None)]
    return [_attempt(reading, result, piece, position) for position in positions]


def _attempt(reading: Reading, result: Result, piece: _Piece, position: int | None) -> Frame | Unreadable:
    try:
        if position is None:
            picture = of_file(reading.whole(_one(piece).uri, _PICTURE_BYTES), SHEET_PX)
            return Frame(result.video, picture, frames=result.frames)
        rows, times = piece.frames.rows, piece.frames.timestamps
        row = rows[position] if position < len(rows) else None
        seconds = times[position] if position < len(times) else None
        return Frame(result.video, _picture(reading, result, piece, position, row), row, seconds)
    except Unreadable as error:
        return error


def _picture(reading: Reading, result: Result, piece: _Piece, position: int, row: int | None) -> Thumbnail:
    writer = _writer(result)
    if writer == "pictures":
        named = [written for written in piece.output if written.row == row]
        return of_file(reading.whole((named[0] if named else _one(piece)).uri, _PICTURE_BYTES), FRAME_PX)
    if writer in ("array", "archive"):
        written = _one(piece)
        count, height, width = _shape(written, position)
        each = height * width * 3
        start = _archived_start(reading, written, count * each) if writer == "archive" else written.bytes - count * each
        data = reading.range(written.uri, start + position * each, each)
        return of_frame(np.frombuffer(data, np.uint8).reshape(height, width, 3), FRAME_PX)
    raise Unreadable("is of a kind that is not shown")


def _writer(result: Result) -> Writer | None:
    """What wrote the first object of the piece, by its name; a picture's for a sheet."""
    fitting = formats_of(_extension(result))
    return FORMATS[picture_format(_extension(result)) or fitting[0]].writer if fitting else None


def _extension(result: Result) -> str:
    return result.output[0].rpartition(".")[2].lower() if result.output else ""


def _piece(reading: Reading, result: Result) -> _Piece:
    if result.manifest is None:
        raise Unreadable("has no manifest")
    try:
        return _Piece.model_validate_json(reading.whole(result.manifest, _MANIFEST_BYTES))
    except ValidationError:
        raise Unreadable("has a manifest that is not one") from None


def _one(piece: _Piece) -> Object:
    if not piece.output:
        raise Unreadable("is not in its manifest")
    return piece.output[0]


def _shape(written: Object, position: int) -> tuple[int, int, int]:
    shape = written.shape or ()
    if (
        len(shape) != 4
        or shape[3] != 3
        or written.dtype != "uint8"
        or not (position < shape[0] and shape[1] * shape[2])
    ):
        raise Unreadable("is not an array of frames")
    return shape[0], shape[1], shape[2]


def _archived_start(reading: Reading, written: Object, frames_bytes: int) -> int:
    """Where the pixels begin in a .npz, which is not compressed: found from its directory, at the end."""
    before_tail = max(0, written.bytes - _TAIL_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(reading.range(written.uri, before_tail, written.bytes - before_tail))) as tail:
            member = tail.getinfo("frames.npy")
    except (zipfile.BadZipFile, KeyError, NotImplementedError) as error:
        raise Unreadable("is not a .npz of frames") from error
    start = member.header_offset + before_tail  # it counts from where its directory says that the file begins
    header = reading.range(written.uri, start, _LOCAL_HEADER_BYTES)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return start + len(header) + name + extra + member.file_size - frames_bytes
