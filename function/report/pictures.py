"""The pictures that the report shows: a few of the results, read in time, only from below the job's prefixes."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from function.deadline import Deadline
from function.models.formats import FORMATS, picture_format
from function.models.job_files import JobManifest, PieceResult, spread
from function.report.formatting import count, size
from function.s3 import S3Error, s3_failures
from hwang.sources.buckets import split_address

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Read = Callable[[str, int], bytes]
"""(uri, length) to the object's first bytes, so many or as many as there are. Raises Unreadable, which is shown."""

MAX_PICTURES: Final = 48
MAX_OF_A_VIDEO: Final = 6
MAX_SHEETS: Final = 6
MAX_SHOWN_BYTES: Final = 2_000_000  # of JPEG; the page has a third more
PICTURE_PX: Final = 340
SHEET_PX: Final = 1080
_MAX_PIXELS: Final = 2**26
_MAX_OBJECT_BYTES: Final = 32 * 2**20
_QUALITY: Final = 74
_AT_A_TIME: Final = 4
_PILLOW_FORMATS: Final = tuple(name.upper() for name, facts in FORMATS.items() if facts.is_picture)


class Unreadable(Exception):  # noqa: N818 - the reason why a picture is not there
    """An object cannot be had; the message goes on from its name: `does not exist`."""


@dataclass(frozen=True)
class Picture:
    """A JPEG of one object of a video's results, its sides in pixels. `frames` of a sheet are several."""

    video: str
    name: str
    frames: int
    jpeg: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture itself as an address, for a page."""
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}"


def s3_read(client: S3Client) -> Read:
    """Reads once: a picture is not worth a second attempt, nor an ended process."""

    def read(uri: str, length: int) -> bytes:
        bucket, key = split_address(uri) or ("", "")
        try:
            with s3_failures():
                answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes=0-{length - 1}")
                return answer["Body"].read(length)
        except S3Error as failure:
            raise Unreadable(failure.fault.value) from failure

    return read


def pictures(
    manifest: JobManifest, read: Read, prefixes: tuple[str, ...], seconds: float
) -> tuple[list[Picture], list[str]]:
    """The pictures in the order of the videos, and notes on those that cannot be had. Never raises.

    A read that does not end in time is left behind in its thread.
    """
    deadline = Deadline.within(seconds)
    chosen = _chosen(manifest.results)
    pool = ThreadPoolExecutor(_AT_A_TIME, "report")
    futures = [pool.submit(_picture, result, uri, read, prefixes, deadline) for result, uri in chosen]
    done, _ = wait(futures, timeout=deadline.seconds_left)
    pool.shutdown(wait=False, cancel_futures=True)
    shown: list[Picture] = []
    reasons: Counter[str] = Counter()
    room = MAX_SHOWN_BYTES
    for future in futures:
        found = future.result() if future in done else "was not there in time"
        if isinstance(found, str):
            reasons[found] += 1
        elif len(found.jpeg) > room:
            reasons["would make this page too large"] += 1
        else:
            shown.append(found)
            room -= len(found.jpeg)
    left_out = [
        f"{count(number, 'picture')} left out because {'it' if number == 1 else 'each'} {reason}."
        for reason, number in reasons.most_common()
    ]
    return shown, left_out


def _chosen(results: Iterable[PieceResult]) -> list[tuple[PieceResult, str]]:
    """Sheets, and pictures of some videos, evenly spread, of each as many."""
    sheets: list[tuple[PieceResult, str]] = []
    by_video: dict[str, list[tuple[PieceResult, str]]] = {}
    for result in results:
        for uri in result.output:
            if picture_format(uri.rpartition(".")[2].lower()):
                is_sheet = result.objects == 1 < result.frames
                (sheets if is_sheet else by_video.setdefault(result.video, [])).append((result, uri))
    videos = spread(list(by_video.values()), MAX_PICTURES)
    each = min(MAX_OF_A_VIDEO, MAX_PICTURES // max(1, len(videos)))
    return [*spread(sheets, MAX_SHEETS), *(one for some in videos for one in spread(some, each))]


def _picture(result: PieceResult, uri: str, read: Read, prefixes: tuple[str, ...], deadline: Deadline) -> Picture | str:
    """The picture, or why it is not to be had."""
    if not uri.startswith("s3://") or not uri.startswith(prefixes):
        return "does not lie below the job's prefixes"
    if deadline.has_passed:
        return "was not there in time"
    try:
        data = read(uri, _MAX_OBJECT_BYTES + 1)
    except Unreadable as error:
        return str(error)
    if len(data) > _MAX_OBJECT_BYTES:
        return f"is larger than {size(_MAX_OBJECT_BYTES)}"
    frames = result.frames if result.objects == 1 else 1
    try:
        jpeg, width, height = _thumbnail(data, PICTURE_PX if frames == 1 else SHEET_PX)
    except Exception:  # Pillow's decoders raise what they like
        return "is not a picture"
    return Picture(result.video, uri.rpartition("/")[2], frames, jpeg, width, height)


def _thumbnail(data: bytes, max_side: int) -> tuple[bytes, int, int]:
    """The picture in a file as a small JPEG, with its width and height."""
    from PIL import Image  # late import: no other request draws

    with Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError("too many pixels")
        image.draft("RGB", (max_side, max_side))  # a JPEG decodes smaller at once
        small = image.convert("RGB")
    small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue(), small.width, small.height
