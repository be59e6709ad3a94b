"""Where frames go: images, a file each, or one array."""

from __future__ import annotations

import os
import string
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from hwang.cli.exits import UsageError
from hwang.cli.files import refuse_to_overwrite, replacing

__all__ = ["Destination", "Output", "parse_destination"]

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
_IN_A_DIRECTORY = "{row:06d}.png"
_IMAGE_PIXELS = ("rgb24", "gray8")
_PNG_LEVEL = 1  # of 9: a quarter of the time of Pillow's own choice, 6, for a tenth more bytes


class Output(Protocol):
    """Takes frames as they come."""

    def add(self, rows: NDArray[np.int64], frames: NDArray[Any]) -> None:
        """The frames [n, ...] of `rows`."""

    def drop(self, rows: Collection[int]) -> None:
        """Take back what was added of these rows: they turned out to be damaged."""


class Images:
    """One image a row. Saved by several threads: compressing takes longer than decoding."""

    def __init__(self, destination: Destination, quality: int, threads: ThreadPoolExecutor) -> None:
        self._path, self._quality, self._threads = destination.path, quality, threads

    def add(self, rows: NDArray[np.int64], frames: NDArray[Any]) -> None:
        for _ in self._threads.map(self._save, rows.tolist(), frames):
            pass

    def drop(self, rows: Collection[int]) -> None:
        for row in rows:
            self._path(row).unlink(missing_ok=True)

    def _save(self, row: int, frame: NDArray[np.uint8]) -> None:
        from PIL import Image

        path = self._path(row)
        with replacing(path) as file:
            options = {"quality": self._quality, "compress_level": _PNG_LEVEL}
            Image.fromarray(frame).save(file, _FORMATS[path.suffix.lower()], **options)


class ArrayFile:
    """One .npy file [n, ...] of the frames in the order in which they were added, without those dropped."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rows: list[int] = []
        self._dropped: set[int] = set()
        self._header: dict[str, Any] = {}
        self._start = self._frame_bytes = 0

    def add(self, rows: NDArray[np.int64], frames: NDArray[Any]) -> None:
        if not self._rows:
            self._header = np.lib.format.header_data_from_array_1_0(frames)
            self._frame_bytes = frames[0].nbytes
            self._write_header(len(rows))
            self._start = self._file.tell()
        self._file.write(np.ascontiguousarray(frames).data)
        self._rows += rows.tolist()

    def drop(self, rows: Collection[int]) -> None:
        self._dropped.update(rows)

    def finish(self) -> None:
        """Close the gaps that dropped rows leave, and state the true length."""
        kept = [place for place, row in enumerate(self._rows) if row not in self._dropped]
        for place, source in enumerate(kept):
            if place != source:
                self._file.seek(self._start + source * self._frame_bytes)
                frame = self._file.read(self._frame_bytes)
                self._file.seek(self._start + place * self._frame_bytes)
                self._file.write(frame)
        self._file.truncate(self._start + len(kept) * self._frame_bytes)
        self._file.seek(0)
        self._write_header(len(kept))
        assert self._file.tell() == self._start, "numpy leaves room in the header for the first axis to grow"

    def _write_header(self, count: int) -> None:
        header = {**self._header, "shape": (count, *self._header["shape"][1:]), "fortran_order": False}
        np.lib.format.write_array_header_1_0(self._file, header)


@dataclass(frozen=True, slots=True)
class Destination:
    """What the option --output means."""

    name: str  # of the array, or a pattern for the images with {row} in it
    is_array: bool
    is_pattern: bool

    def path(self, row: int) -> Path:
        return Path(self.name.format(row=row) if self.is_pattern else self.name)

    def check(self, rows: NDArray[np.int64], pixel_format: str, force: bool) -> None:
        """Raise UsageError for what would fail after decoding."""
        targets = [self.path(row) for row in (rows[:1] if self.is_array else rows).tolist()]
        if not self.is_array:
            if pixel_format not in _IMAGE_PIXELS:
                raise UsageError(f"images are {' or '.join(_IMAGE_PIXELS)}; for {pixel_format} write NAME.npy")
            if len(set(targets)) < len(rows):
                example = "{row:06d}" + Path(self.name).suffix
                raise UsageError(f"{self.name} is too few names for {len(rows)} frames; take one like '{example}'")
            _require_pillow()
        if not force:
            refuse_to_overwrite(targets)

    @contextmanager
    def open(self, quality: int) -> Iterator[Output]:
        """Images get their names one by one, an array when the block ends; neither if it fails."""
        if self.is_array:
            with replacing(Path(self.name)) as file:
                array = ArrayFile(file)
                yield array
                array.finish()
        else:
            with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "hwang-save") as threads:
                yield Images(self, quality, threads)


def parse_destination(name: str) -> Destination:
    """Raises UsageError for a name that says no format, or a pattern that is none."""
    suffix = Path(name).suffix.lower()
    if suffix == ".npy":
        return Destination(name, is_array=True, is_pattern=False)
    if name.endswith(os.sep) or Path(name).is_dir() or not suffix:
        directory = name.replace("{", "{{").replace("}", "}}")
        return Destination(str(Path(directory) / _IN_A_DIRECTORY), is_array=False, is_pattern=True)
    if suffix not in _FORMATS:
        raise UsageError(
            f"{name}: frames are written as {', '.join(format_[1:] for format_ in _FORMATS)} or npy; "
            "for a directory end the name with /"
        )
    return Destination(name, is_array=False, is_pattern=_is_pattern(name))


def _is_pattern(name: str) -> bool:
    """Whether `name` has {row} in it. Raises UsageError for other fields, and for formats that integers do not have."""
    try:
        fields = {field for _, field, _, _ in string.Formatter().parse(name) if field is not None}
        if fields - {"row"}:
            raise UsageError(f"{name}: only {{row}} is replaced, not {{{(fields - {'row'}).pop()}}}")
        name.format(row=0)
    except (ValueError, LookupError) as error:
        raise UsageError(f"{name} is no pattern ({error}); write {{row}} or {{row:06d}}") from None
    return bool(fields)


def _require_pillow() -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise UsageError("images need Pillow: pip install 'hwang[cli]'; or write an array, NAME.npy") from None
