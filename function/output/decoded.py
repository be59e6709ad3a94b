"""The frames of one request on their way to its output, and pictures encoded from them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from function.frames.pictures import Pictures
from function.frames.sheet import Layout
from function.models.event import Decode
from function.models.formats import FORMATS, Format, OutputFormat
from function.models.incoming import wrong
from function.models.places import Output

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class DecodedFrames:
    """The frames of one request on their way to its output. `seconds`: when each is on display, in request order."""

    request: Decode
    written_as: Format
    pictures: Pictures
    seconds: Sequence[float]
    video_uri: str
    sheet: Layout | None = None  # of a contact sheet, whose frames are as small as its cells

    @property
    def video_name(self) -> str:
        """The last part of the video's address."""
        return self.video_uri.rpartition("/")[2]

    @property
    def output(self) -> Output:
        """The request's output, which all stored formats have."""
        assert self.request.output
        return self.request.output

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of all frames as one array, [N, H, W, 3]."""
        return len(self.pictures.rows), self.pictures.shape.height, self.pictures.shape.width, 3

    @property
    def facts(self) -> OutputFormat:
        """The row of their format in the table."""
        return FORMATS[self.written_as]

    def picture_key(self, row: int, position: int) -> str:
        """Key of the picture of a row: the output's, or below a prefix named by the template."""
        if not self.output.is_prefix:
            return self.output.key
        seconds, extension = self.seconds[position], self.facts.extensions[0]
        return self.output.key + self.request.template.name(row=row, position=position, seconds=seconds, ext=extension)

    def shard_key(self, number: int) -> str:
        """Key of a shard: the output's, or below a prefix with its number."""
        return f"{self.output.key}shard-{number:06d}.tar" if self.output.is_prefix else self.output.key

    def possible_keys(self) -> Iterator[str]:
        """Keys of all objects that it may write."""
        if not self.output.is_prefix:
            yield self.output.key
            return
        rows, first = np.unique(self.pictures.rows, return_index=True)
        for number, (row, position) in enumerate(zip(rows.tolist(), first.tolist(), strict=True)):
            yield self.picture_key(row, position) if self.facts.is_picture else self.shard_key(number)


def require_own_keys(results: Sequence[DecodedFrames]) -> None:
    """Raises BadRequest if an object of one result would have the key of another's or of the manifest, the first's."""
    place = results[0].output
    owners = {(place.bucket, place.manifest_key): "the manifest"}
    folders = [(one.output.bucket, one.output.key.rpartition("/")[0]) for one in results]
    for at, one in enumerate(results):
        if folders.count(folders[at]) == 1:  # names have no slashes
            continue
        for key in one.possible_keys():
            owner = owners.setdefault((one.output.bucket, key), f"outputs[{at}]")
            if owner != f"outputs[{at}]":
                message = f"would write s3://{one.output.bucket}/{key}, as would {owner}; choose another output or name"
                raise wrong(f"outputs[{at}].output", message)


def encode(picture: NDArray[np.uint8] | Image, kind: Format, quality: int | None = None) -> bytes:
    """The picture (uint8 [H, W, 3] RGB, uint8 [H, W] gray, or Pillow's) as a file of the format `kind`."""
    from PIL import Image

    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    options = dict(FORMATS[kind].save_options)
    if quality is not None and FORMATS[kind].takes_quality:
        options["quality"] = quality
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()
