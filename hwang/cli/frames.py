"""frames: write frames to files, an image each or one array. A file is complete or absent."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hwang.cli.video import UsageError, open_video, selected_rows, stored_index
from hwang.errors import CorruptFrameError
from hwang.picture import picture_layout

if TYPE_CHECKING:
    from hwang.decoder import Decoder

OUTPUT_HELP = (
    "names with {row} in them, such as 'out/{row:06d}.png' (png, jpg, webp); a directory for such names; "
    "one image, for one row; or NAME.npy, for one array [N, H, W, C] in the order requested"
)
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
PIXEL_FORMATS = ("rgb24", "gray8", "bgr24", "rgb48")
_IMAGE_PIXELS = PIXEL_FORMATS[:2]
_PNG_LEVEL = 1  # of 9: a quarter of the time of Pillow's own choice, 6, for a tenth more bytes
_BAR_CHARACTERS = 40


def write_frames(arguments: Namespace) -> dict[str, Any]:
    """Write the selected frames; `corrupt_rows` of the result are those left out."""
    destination = parse_destination(arguments.output)
    if not 1 <= arguments.quality <= 100:
        raise UsageError(f"--quality is from 1 to 100, not {arguments.quality}")
    from hwang.decoder import Decoder  # needs the compiled core

    start = time.perf_counter()
    with Decoder(
        open_video(arguments.file), stored_index(arguments), track=arguments.track, fps=arguments.fps
    ) as decoder:
        rows = selected_rows(arguments, decoder.video_index)
        if not destination.is_array:
            rows = np.array(list(dict.fromkeys(rows.tolist())), np.int64)
        options = {name: getattr(arguments, name) for name in ("width", "height", "max_side", "pixel_format")}
        try:
            picture_layout((decoder.video_index.width, decoder.video_index.height), **options)
        except ValueError as error:
            raise UsageError(str(error)) from None
        destination.check(rows, arguments.pixel_format, arguments.force)
        with destination.open(arguments.quality) as output:
            corrupt = _write(decoder, rows, output, **options)
            if len(corrupt) == len(np.unique(rows)):
                raise CorruptFrameError("none of the frames asked for can be decoded: the video is damaged", corrupt)
        stats = decoder.stats
    return {
        "output": destination.name,
        "frames": int(np.isin(rows, corrupt, invert=True).sum()),
        "corrupt_rows": corrupt,
        "bytes_read": stats.bytes_read,
        "samples_decoded": stats.samples_decoded,
        "milliseconds": round((time.perf_counter() - start) * 1000, 1),
    }


def _write(decoder: Decoder, rows: NDArray[np.int64], output: Output, **options: Any) -> list[int]:
    """Decode `rows` into `output`; returns the damaged ones, ascending, which are not in it."""
    corrupt: set[int] = set()
    total = len(rows)
    while len(rows):
        done = 0
        try:
            for part, frames in decoder.batches(rows, **options):
                output.add(rows[part], frames)
                done = part.stop
                _show_progress(total - len(rows) + done, total)
            break
        except CorruptFrameError as error:
            output.drop(error.rows)
            corrupt.update(error.rows)
            rest = rows[done:][np.isin(rows[done:], error.rows, invert=True)]
            if len(rest) == len(rows):
                raise  # it names nothing that was asked for
            rows = rest
    return sorted(corrupt)


def _show_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        bar, end = "#" * (_BAR_CHARACTERS * done // total), "\n" if done == total else ""
        print(f"\r{bar:-<{_BAR_CHARACTERS}} {done:,}/{total:,} frames", end=end, file=sys.stderr, flush=True)


def refuse_to_overwrite(targets: Iterable[Path]) -> None:
    """Raise UsageError for the first target that exists."""
    for target in targets:
        if os.path.lexists(target):
            raise UsageError(f"{target} is there already; --force overwrites it")


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A new file that gets the name `target` when the block ends; if it fails, nothing is left and nothing changed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("w+b") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


class Images:
    """One image a row, saved by several threads: compressing takes longer than decoding."""

    def __init__(self, path: Callable[[int], Path], quality: int) -> None:
        self._path, self._quality = path, quality

    def add(self, rows: NDArray[np.int64], frames: NDArray[Any]) -> None:
        """Save the frames [n, ...] of `rows`."""
        with ThreadPoolExecutor(len(os.sched_getaffinity(0)), "hwang-save") as threads:
            list(threads.map(self._save, rows.tolist(), frames))

    def drop(self, rows: Collection[int]) -> None:
        """Delete the images of these rows: they turned out to be damaged."""
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
        self._frame = np.empty(0)  # one of them, for its shape and dtype

    def add(self, rows: NDArray[np.int64], frames: NDArray[Any]) -> None:
        """Append the frames [n, ...] of `rows`."""
        if not self._rows:
            self._frame = frames[0]
            self._write_header(len(rows))
        self._file.write(np.ascontiguousarray(frames).data)
        self._rows += rows.tolist()

    def drop(self, rows: Collection[int]) -> None:
        """Leave these rows out when the file is finished: they turned out to be damaged."""
        self._dropped.update(rows)

    def finish(self) -> None:
        """Close the gaps that dropped rows leave, and state the true length."""
        kept = [place for place, row in enumerate(self._rows) if row not in self._dropped]
        self._file.seek(0)
        self._write_header(len(kept))  # numpy leaves room in the header for the first axis to grow
        start = self._file.tell()
        frames = np.memmap(self._file, self._frame.dtype, "r+", start, (len(self._rows), *self._frame.shape))
        for place, source in enumerate(kept):
            if place != source:
                frames[place] = frames[source]
        frames.flush()
        self._file.truncate(start + len(kept) * self._frame.nbytes)

    def _write_header(self, count: int) -> None:
        header = np.lib.format.header_data_from_array_1_0(self._frame) | {"shape": (count, *self._frame.shape)}
        np.lib.format.write_array_header_1_0(self._file, header)


Output = Images | ArrayFile


@dataclass(frozen=True, slots=True)
class Destination:
    """The file or files that the option --output names."""

    name: str  # with {row} in it, if there is a file for each row
    is_array: bool = False

    def path(self, row: int) -> Path:
        """The file that the frame of `row` goes to."""
        return Path(self.name if self.is_array else self.name.format(row=row))

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
        if not self.is_array:
            yield Images(self.path, quality)
            return
        with replacing(Path(self.name)) as file:
            array = ArrayFile(file)
            yield array
            array.finish()


def parse_destination(name: str) -> Destination:
    """The destination of that name. Raises UsageError for one without a known format, or a pattern that is none."""
    suffix = Path(name).suffix.lower()
    if suffix == ".npy":
        return Destination(name, is_array=True)
    if name.endswith(os.sep) or Path(name).is_dir() or not suffix:
        directory = name.replace("{", "{{").replace("}", "}}")
        return Destination(str(Path(directory) / "{row:06d}.png"))
    if suffix not in _FORMATS:
        raise UsageError(
            f"{name}: frames are written as {', '.join(format_[1:] for format_ in _FORMATS)} or npy; "
            "for a directory end the name with /"
        )
    try:
        name.format(row=0)
    except (ValueError, LookupError, AttributeError) as error:
        raise UsageError(f"{name} is no pattern ({error}); only {{row}} is replaced, as in {{row:06d}}") from None
    return Destination(name)


def _require_pillow() -> None:
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise UsageError("images need Pillow: pip install 'hwang[cli]'; or write an array, NAME.npy") from None
