"""The C++ core over FFmpeg's libraries. Internal: use hwang.Decoder."""

import enum
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

codec_version: str
can_encode: bool

class Bytes: ...

class ServedBytes(Bytes):
    def __init__(self, size: int, block_bytes: int, kept_blocks: int, stop: StopFlag) -> None: ...
    def wanted(self) -> int | None: ...
    def give(self, offset: int, data: bytes) -> None: ...
    def close(self) -> None: ...

class StopFlag:
    def set(self) -> None: ...

class PixelFormat(enum.Enum):
    rgb24 = ...
    bgr24 = ...
    gray8 = ...
    rgb48 = ...
    yuv420p = ...

class Care(enum.Enum):
    none = ...
    full = ...
    witness = ...

class Layout:
    def __init__(
        self, pixel_format: PixelFormat, width: int, height: int, any_size: bool, turn: int, planar: bool
    ) -> None: ...

class PagePool:
    def take(self, size: int) -> NDArray[np.uint8]: ...

class Run:
    def __init__(self, samples: NDArray[np.uint32], wanted: NDArray[np.uint32], slots: NDArray[np.int64]) -> None: ...

BytesFrom = Sequence[tuple[int, bytes]]

Report = tuple[NDArray[np.uint32], int, int, int, NDArray[np.uint32], tuple[int, int]]
"""(wanted samples that failed, samples decoded, samples skipped, frames converted, wanted samples whose pictures have
another size, which are written only if the layout says so, (width, height) of the last of those)"""

class Video:
    def __init__(
        self,
        codec: str,
        codec_tag: int,
        extradata: bytes,
        width: int,
        height: int,
        cropping: tuple[int, int, int, int],
        coded_size: tuple[int, int],
        bits_per_coded_sample: int,
        reorder: int,
        field_order: int,
        color: tuple[int, int, int, int],
        sample_offset: NDArray[np.uint64],
        sample_size: NDArray[np.uint32],
        pts: NDArray[np.int64],
        sync: NDArray[np.uint8],
        configurations: BytesFrom,
        parameter_sets: BytesFrom,
        byte_addressable: bool,
        transport: tuple[int, int, int, int],
        threads: int,
    ) -> None: ...
    def decode(
        self,
        source: Bytes,
        runs: list[Run],
        layout: Layout | list[Layout],
        planes: list[NDArray[np.uint8]],
        skip_unreferenced: bool,
        care: Care,
        stop: StopFlag,
    ) -> Report: ...
    def presentation_order(self, source: Bytes, stop: StopFlag) -> NDArray[np.uint32]: ...
    def reorders(self, source: Bytes, samples: NDArray[np.uint32], stop: StopFlag) -> bool: ...
    def lack_sets(self, source: Bytes, samples: NDArray[np.uint32], stop: StopFlag) -> NDArray[np.uint8]: ...
    def parameter_sets(self, source: Bytes, stop: StopFlag) -> list[tuple[int, bytes]]: ...
    def second_fields(self, source: Bytes, samples: NDArray[np.uint32], stop: StopFlag) -> NDArray[np.uint8]: ...
    def picture_facts(
        self, source: Bytes, run: Run, stop: StopFlag
    ) -> tuple[tuple[int, int], str, int, tuple[int, int], tuple[int, int, int, int]] | None: ...

class PictureStream:
    def __init__(self, video: Video, source: Bytes, runs: list[Run], skip_unreferenced: bool) -> None: ...
    def read(
        self, layout: Layout | list[Layout], planes: list[NDArray[np.uint8]], stop: StopFlag
    ) -> NDArray[np.uint32]: ...
    def report(self) -> Report: ...

class Mp4Encoder:
    def __init__(
        self,
        descriptor: int,
        width: int,
        height: int,
        fps: tuple[int, int],
        pictures: int,
        crf: int,
        preset: str,
        color: tuple[int, int, int, int],
        timescale: int,
        begins: list[int],
    ) -> None: ...
    def write(self, planes: list[NDArray[np.uint8]], stop: StopFlag) -> None: ...
    def finish(self, stop: StopFlag) -> None: ...

class Scan(TypedDict):
    codec: str
    codec_tag: int
    extradata: bytes
    width: int
    height: int
    bits_per_coded_sample: int
    reorder: int
    field_order: int
    color: tuple[int, int, int, int]
    cropping: tuple[int, int, int, int]
    coded_size: tuple[int, int]
    configurations: list[tuple[int, bytes]]
    parameter_sets: list[tuple[int, bytes]]
    byte_addressable: bool
    transport: tuple[int, int, int, int]
    container: str
    clockless: bool
    time_base: tuple[int, int]
    sample_aspect_ratio: tuple[int, int]
    duration: int
    sample_offset: NDArray[np.uint64]
    sample_size: NDArray[np.uint32]
    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    sync: NDArray[np.uint8]
    disposable: NDArray[np.uint8]
    hidden: NDArray[np.uint8]
    second_field: NDArray[np.uint8]

def file_bytes(descriptor: int, size: int) -> Bytes: ...
def memory_bytes(pieces: list[tuple[int, bytes]], size: int) -> Bytes: ...
def shared_array(memory: object) -> NDArray[Any] | None: ...
def scan(source: Bytes, max_pixels: int, stop: StopFlag) -> Scan: ...
def may_be_left_behind() -> None: ...
def keep_threads_out() -> None: ...
