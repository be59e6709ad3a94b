"""The C++ core over FFmpeg's libraries. Internal: use hwang.Decoder."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

codec_version: str

class Bytes: ...

class Stream:
    def __init__(
        self,
        codec: str,
        codec_tag: int,
        extradata: bytes,
        width: int,
        height: int,
        bits_per_coded_sample: int,
        reorder: int,
        color: tuple[int, int, int, int],
    ) -> None: ...

class Table:
    def __init__(
        self,
        sample_offset: NDArray[np.uint64],
        sample_size: NDArray[np.uint32],
        pts: NDArray[np.int64],
        sync: NDArray[np.uint8],
        byte_addressable: bool,
    ) -> None: ...

class Run:
    def __init__(self, samples: NDArray[np.uint32], wanted: NDArray[np.uint32], slots: NDArray[np.int64]) -> None: ...

Report = tuple[NDArray[np.uint32], int, int]
"""(wanted samples that failed, packets decoded, frames converted)"""

class PictureStream:
    def __init__(self, stream: Stream, table: Table, source: Bytes, runs: list[Run], threads: int) -> None: ...
    def read(self, out: NDArray[np.uint8]) -> NDArray[np.uint32]: ...
    def report(self) -> Report: ...

class Scan(TypedDict):
    codec: str
    codec_tag: int
    extradata: bytes
    width: int
    height: int
    bits_per_coded_sample: int
    reorder: int
    color: tuple[int, int, int, int]
    container: str
    time_base: tuple[int, int]
    duration: int
    sample_offset: NDArray[np.uint64]
    sample_size: NDArray[np.uint32]
    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    sync: NDArray[np.uint8]
    disposable: NDArray[np.uint8]
    hidden: NDArray[np.uint8]

def file_bytes(descriptor: int, size: int) -> Bytes: ...
def memory_bytes(pieces: list[tuple[int, bytes]], size: int) -> Bytes: ...
def decode_runs(
    stream: Stream, table: Table, source: Bytes, runs: list[Run], out: NDArray[Any], threads: int
) -> Report: ...
def scan(source: Bytes) -> Scan: ...
def presentation_order(stream: Stream, table: Table, source: Bytes, threads: int) -> NDArray[np.uint32]: ...
