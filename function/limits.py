"""Whether a request fits into the function, found out by arithmetic before anything is allocated."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from typing import Final

from function.errors import LimitExceeded, StorageFull
from function.event import Format, Reduce
from function.reduce import MEMORY_FACTORS
from function.sheet import MAX_SHEET_FRAMES, layout
from hwang.ranges import FETCH_MEMORY_BYTES

MIB: Final = 2**20
BATCH_BYTES: Final = 8 * MIB  # small: the first touch of fresh memory costs several times the conversion
_AT_REST_BYTES: Final = 96 * MIB  # interpreter, libraries, client
_DECODER_BYTES_PER_PIXEL: Final = 2 * 16 * 1.5  # two decoders with 16 frames each, of 8-bit 4:2:0


def function_memory() -> int | None:
    """The function's memory in bytes; None outside Lambda."""
    size = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    return int(size) * MIB if size.isdecimal() else None


def batch_bytes(width: int, height: int) -> int:
    """How many bytes of frames to decode at a time: 8 MiB, at least one frame."""
    return max(BATCH_BYTES, width * height * 3)


def check_memory(
    width: int, height: int, count: int, written_as: Format, reduced: Reduce | None, fetched: int, memory: int | None
) -> None:
    """Raises LimitExceeded if decoding and writing `count` frames of this size needs more than `memory` bytes.

    `fetched` is the size of what is yet to be read of the video.
    """
    frame = width * height * 3
    needed = _AT_REST_BYTES + width * height * _DECODER_BYTES_PER_PIXEL
    needed += 2 * batch_bytes(width, height)  # one in use while the next is decoded
    needed += min(fetched, FETCH_MEMORY_BYTES)
    if reduced:
        needed += frame * MEMORY_FACTORS[reduced]
    elif written_as == "sheet":
        if count > MAX_SHEET_FRAMES:
            raise LimitExceeded(
                f'frames: a sheet shows at most {MAX_SHEET_FRAMES} frames, not {count}; use {{"count": n}}',
                limit="frames",
                wanted=count,
                maximum=MAX_SHEET_FRAMES,
            )
        sheet = layout(count, width, height)
        needed += 3 * 3 * sheet.width_px * sheet.height_px  # thumbnails, canvas, encoded
    elif written_as in ("jpeg", "png"):
        needed += 2 * frame  # encoded
    if memory is not None and needed > memory:
        wanted_mb = math.ceil(needed / MIB / 64) * 64
        raise LimitExceeded(
            f"the request needs about {wanted_mb} MB of memory for {width}x{height} frames, "
            f"the function has {memory // MIB} MB",
            limit="memory",
            wanted_mb=wanted_mb,
            memory_mb=memory // MIB,
        )


def check_storage(result: int, fetched: int) -> None:
    """Raises StorageFull if the temporary storage has no room for a result and a fetch of so many bytes."""
    wanted = result + (fetched if fetched > FETCH_MEMORY_BYTES else 0)
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if wanted > free:
        raise StorageFull(
            f"the request needs {wanted} bytes of temporary storage, which has {free} bytes free",
            wanted=wanted,
            free=free,
        )
