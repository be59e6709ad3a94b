"""The frames of one request on their way to its output, and pictures encoded from them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from function.frames.pictures import Pictures
from function.models.event import Decode
from function.models.formats import FORMATS, Format, OutputFormat
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
