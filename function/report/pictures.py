"""Single pictures out of a job's results: read with few bytes, in time, and only from below the job's own prefix."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from function.deadline import Deadline
from function.models.formats import FORMATS, Writer, formats_of, picture_format
from function.models.job_files import KeptModel, PieceResult
from function.models.result import FrameList, Written
from function.report.formatting import size
from function.s3 import S3Error, s3_failures
from hwang.sources.buckets import split_address

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from PIL.Image import Image

Read = Callable[[str, int, int], bytes]
"""(uri, start, length) to the object's bytes from `start` on, `length` of them or as many as there are.

Raises Unreadable, whose message is shown.
"""

MAX_READ_BYTES: Final = 64 * 2**20
FRAME_PX: Final = 340
SHEET_PX: Final = 1080
_PICTURE_FORMATS: Final = tuple(
    name.upper() for name, facts in FORMATS.items() if facts.is_picture
)  # as Pillow names them
_MAX_PIXELS: Final = 2**26
_QUALITY: Final = 74
_MANIFEST_BYTES: Final = 8 * 2**20
_PICTURE_BYTES: Final = 32 * 2**20
_LOCAL_HEADER_BYTES: Final = 30
_TAIL_BYTES: Final = 4096  # has the directory of a few members


class Unreadable(Exception):  # noqa: N818 - the reason why a picture is not there
    """An object, or a part of it, cannot be had; the message goes on from its name: `does not exist`."""


@dataclass(frozen=True)
class Thumbnail:
    """A JPEG, its sides in pixels."""

    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture itself as an address, for a page."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


@dataclass(frozen=True)
class Frame:
    """One frame of a video, or a sheet of many."""

    video: str
    picture: Thumbnail
    row: int | None = None
    seconds: float | None = None
    frames: int = 1


class _PieceManifest(KeptModel):
    """The fields in use of the manifest of one decode."""

    frames: FrameList = Field(default_factory=lambda: FrameList(count=0))
    output: tuple[Written, ...] = ()


def s3_read(client: S3Client) -> Read:
    """Reads by ranges, once: a picture is not worth a second attempt, nor an ended process."""

    def read(uri: str, start: int, length: int) -> bytes:
        bucket, key = split_address(uri) or ("", "")
        try:
            with s3_failures():
                answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + length - 1}")
                return answer["Body"].read(length)
        except S3Error as failure:
            raise Unreadable(failure.fault.value) from failure

    return read


class Reading:
    """Reads for one report. Any number of threads."""

    def __init__(self, read: Read, prefixes: tuple[str, ...], seconds: float) -> None:
        self.deadline = Deadline.within(seconds)
        self._read = read
        self._prefixes = prefixes

    def whole(self, uri: str, max_bytes: int) -> bytes:
        """The object. Raises Unreadable, also if it is larger than this."""
        data = self._checked(uri, 0, max_bytes + 1)
        if len(data) > max_bytes:
            raise Unreadable(f"is larger than {size(max_bytes)}")
        return data

    def range(self, uri: str, start: int, length: int) -> bytes:
        """Exactly these bytes. Raises Unreadable."""
        if length > MAX_READ_BYTES:
            raise Unreadable(f"would take more than {size(MAX_READ_BYTES)}")
        data = self._checked(uri, start, length) if start >= 0 else b""
        if len(data) != length:
            raise Unreadable("ends too early")
        return data

    def _checked(self, uri: str, start: int, length: int) -> bytes:
        if not uri.startswith("s3://") or not uri.startswith(self._prefixes):
            raise Unreadable("does not lie below the job's prefixes")
        if self.deadline.has_passed:
            raise Unreadable("was not there in time")
        return self._read(uri, start, length)


def is_sheet(result: PieceResult) -> bool:
    """True if the piece is one picture of several frames."""
    return result.objects == 1 < result.frames and picture_format(_extension(result)) is not None


def is_clip(result: PieceResult) -> bool:
    """True if the piece is a video."""
    return _writer(result) == "clip"


def frames_of(reading: Reading, result: PieceResult, positions: list[int]) -> list[Frame | Unreadable]:
    """The frames at `positions` of the piece's request, or why one cannot be had; of a sheet, the sheet."""
    try:
        if result.manifest is None:
            raise Unreadable("has no manifest")
        piece = _PieceManifest.model_validate_json(reading.whole(result.manifest, _MANIFEST_BYTES))
    except ValidationError:
        return [Unreadable("has a manifest that is not one")] * len(positions)
    except Unreadable as error:
        return [error] * len(positions)
    found: list[Frame | Unreadable] = []
    for position in positions:
        try:
            found.append(_frame(reading, result, piece, position))
        except Unreadable as error:
            found.append(error)
    return found


def file_thumbnail(data: bytes, max_side: int) -> Thumbnail:
    """The picture in a file of one of the picture formats. Raises Unreadable for anything else."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=_PICTURE_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise Unreadable("has too many pixels")
            image.draft("RGB", (max_side, max_side))  # a JPEG decodes smaller at once
            return _thumbnail(image.convert("RGB"), max_side)
    except Unreadable:
        raise
    except Exception as error:  # its decoders raise what they like
        raise Unreadable("is not a picture") from error


def frame_thumbnail(frame: NDArray[np.uint8], max_side: int) -> Thumbnail:
    """The picture of a frame, uint8 [H, W, 3] RGB."""
    from PIL import Image

    return _thumbnail(Image.fromarray(np.ascontiguousarray(frame)), max_side)


def read_npy(data: bytes) -> NDArray[Any]:
    """The array of a .npy file, whose header may claim no more than there are bytes. Raises Unreadable."""
    file = io.BytesIO(data)
    try:
        header = np.lib.format
        readers = {(1, 0): header.read_array_header_1_0, (2, 0): header.read_array_header_2_0}
        shape, fortran, dtype = readers[header.read_magic(file)](file)
        if fortran or dtype.hasobject:
            raise Unreadable("is an array of a kind that no job writes")
        return np.frombuffer(data, dtype, int(np.prod(shape)), file.tell()).reshape(shape)
    except (ValueError, KeyError, OverflowError) as error:
        raise Unreadable("is not a whole .npy file") from error


def _frame(reading: Reading, result: PieceResult, piece: _PieceManifest, position: int) -> Frame:
    writer, rows, times = _writer(result), piece.frames.rows or [], piece.frames.timestamps or []
    if not piece.output:
        raise Unreadable("is not in its manifest")
    written = piece.output[0]
    if is_sheet(result):
        return Frame(result.video, _file(reading, written, SHEET_PX), frames=result.frames)
    row = rows[position] if position < len(rows) else None
    if writer == "pictures":
        picture = _file(reading, next((one for one in piece.output if one.row == row), written), FRAME_PX)
    elif writer in ("array", "archive"):
        picture = _array_frame(reading, written, position, archived=writer == "archive")
    else:
        raise Unreadable("is of a kind that is not shown")
    return Frame(result.video, picture, row, times[position] if position < len(times) else None)


def _writer(result: PieceResult) -> Writer | None:
    """The writer of the piece's first object, by its name; of a sheet, that of a picture."""
    fitting = formats_of(_extension(result))
    return FORMATS[picture_format(_extension(result)) or fitting[0]].writer if fitting else None


def _extension(result: PieceResult) -> str:
    return result.output[0].rpartition(".")[2].lower() if result.output else ""


def _file(reading: Reading, written: Written, max_side: int) -> Thumbnail:
    return file_thumbnail(reading.whole(written.uri, _PICTURE_BYTES), max_side)


def _array_frame(reading: Reading, written: Written, position: int, *, archived: bool) -> Thumbnail:
    shape = written.shape or []
    if len(shape) != 4 or shape[3] != 3 or written.dtype != "uint8" or position >= shape[0] or min(shape) < 1:
        raise Unreadable("is not an array of frames")
    count, height, width, _ = shape
    frame_bytes = height * width * 3
    end = _archived_end(reading, written) if archived else written.bytes
    data = reading.range(written.uri, end - (count - position) * frame_bytes, frame_bytes)
    return frame_thumbnail(np.frombuffer(data, np.uint8).reshape(height, width, 3), FRAME_PX)


def _archived_end(reading: Reading, written: Written) -> int:
    """The end of the pixels in a .npz, which is not compressed: found from its directory, at the file's end."""
    before_tail = max(0, written.bytes - _TAIL_BYTES)
    try:
        with zipfile.ZipFile(io.BytesIO(reading.range(written.uri, before_tail, written.bytes - before_tail))) as tail:
            member = tail.getinfo("frames.npy")
    except (zipfile.BadZipFile, KeyError, NotImplementedError) as error:
        raise Unreadable("is not a .npz of frames") from error
    start = member.header_offset + before_tail  # it counts from where its directory says that the file begins
    header = reading.range(written.uri, start, _LOCAL_HEADER_BYTES)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    return start + len(header) + name + extra + member.file_size


def _thumbnail(image: Image, max_side: int) -> Thumbnail:
    from PIL import Image as Images

    image.thumbnail((max_side, max_side), Images.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return Thumbnail(file.getvalue(), image.width, image.height)
