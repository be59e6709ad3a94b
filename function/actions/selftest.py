"""The selftest action: encodes pictures that carry their numbers, decodes some and compares. Needs no video."""

from __future__ import annotations

import io
import tempfile
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from function.actions.jpegmovie import jpeg_movie
from function.errors import Internal
from function.models.event import SelfTest
from function.models.result import SelfTestResult, as_json
from function.session import Session
from hwang import Decoder, Mp4Writer, can_encode
from hwang.picture import Planes

_SIDE_PX: Final = 64
_PICTURES: Final = 60
_ROWS: Final = (37, 0, 59, 12, 37)


def _luma(row: int) -> int:
    """Return the brightness of a row's picture; neighbours differ enough for any encoder."""
    return 20 + 3 * row


def selftest(_: SelfTest, session: Session) -> dict[str, Any]:
    """Run the self-test. Raises Internal if a picture is not that of its row."""
    with tempfile.TemporaryFile() as file:
        clip = _h264_clip(file) if can_encode() else io.BytesIO(_jpeg_clip())
        with Decoder(clip) as decoder:
            found = decoder.frames(_ROWS, pixel_format="yuv420p")
            stats = decoder.stats
    for row, picture in zip(_ROWS, found.y, strict=True):
        if not abs(int(picture.min()) - _luma(row)) <= 1 >= abs(int(picture.max()) - _luma(row)):
            raise Internal(f"the decoder is wrong: row {row} is not the picture it should be", row=row)
    result = SelfTestResult(frames_checked=len(_ROWS), samples_decoded=stats.samples_decoded)
    return as_json(result) | {"milliseconds": session.clock.milliseconds()}


def _lumas() -> NDArray[np.uint8]:
    return np.array([_luma(row) for row in range(_PICTURES)], np.uint8)


def _h264_clip(file: BinaryIO) -> BinaryIO:
    half = _SIDE_PX // 2
    gray = np.full((_PICTURES, half, half), 128, np.uint8)
    pictures = Planes(np.broadcast_to(_lumas()[:, None, None], (_PICTURES, _SIDE_PX, _SIDE_PX)), gray, gray)
    with Mp4Writer(file, _SIDE_PX, _SIDE_PX, frames=_PICTURES) as writer:
        writer.write(pictures)
    return file


def _jpeg_clip() -> bytes:
    return jpeg_movie([np.full((_SIDE_PX, _SIDE_PX), luma, np.uint8) for luma in _lumas()])
