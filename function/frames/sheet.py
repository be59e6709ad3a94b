"""A contact sheet: thumbnails in a grid, each with its row and time, under one title line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

# Pillow is imported where it is used: requests without images need not wait for it at a cold start.

_MAX_THUMB_PX: Final = 320
_MAX_SHEET_PX: Final = 4096
_SHAPE: Final = 16 / 9
_GAP_PX: Final = 12
_MARGIN_PX: Final = 24
_TITLE_PX: Final = 22
_TITLE_BAND_PX: Final = 56
_BACKGROUND: Final = (24, 25, 28)
_TITLE_COLOR: Final = (236, 237, 240)
_CAPTION_COLOR: Final = (164, 168, 176)


@dataclass(frozen=True)
class Layout:
    """Positions on the sheet, in pixels."""

    columns: int
    rows: int
    thumb_width_px: int
    thumb_height_px: int
    caption_px: int

    @property
    def cell_height_px(self) -> int:
        """A thumbnail with its caption below."""
        return self.thumb_height_px + self.caption_px + 10

    @property
    def width_px(self) -> int:
        """The whole sheet's width."""
        return 2 * _MARGIN_PX + self.columns * (self.thumb_width_px + _GAP_PX) - _GAP_PX

    @property
    def height_px(self) -> int:
        """The whole sheet's height."""
        return _TITLE_BAND_PX + _MARGIN_PX + self.rows * (self.cell_height_px + _GAP_PX) - _GAP_PX

    def corner(self, position: int) -> tuple[int, int]:
        """The upper left corner of a thumbnail."""
        row, column = divmod(position, self.columns)
        return (
            _MARGIN_PX + column * (self.thumb_width_px + _GAP_PX),
            _TITLE_BAND_PX + row * (self.cell_height_px + _GAP_PX),
        )


def layout(count: int, width: int, height: int) -> Layout:
    """The grid for `count` frames of this size that comes nearest to 16:9, few empty cells preferred."""

    def grid(columns: int) -> Layout:
        fits = (_MAX_SHEET_PX - 2 * _MARGIN_PX + _GAP_PX) // columns - _GAP_PX
        thumb_width = max(1, min(_MAX_THUMB_PX, fits, width))
        thumb_height = max(1, round(thumb_width * height / width))
        if thumb_height > _MAX_THUMB_PX:  # portrait
            thumb_width, thumb_height = max(1, round(_MAX_THUMB_PX * width / height)), _MAX_THUMB_PX
        caption = 16 if thumb_width >= 160 else 11
        return Layout(columns, math.ceil(count / columns), max(thumb_width, 96), thumb_height, caption)

    def distance(candidate: Layout) -> float:
        empty = candidate.columns * candidate.rows - count
        shape = abs(math.log(candidate.width_px / candidate.height_px / _SHAPE))
        return shape + empty / (candidate.columns * candidate.rows)

    return min((grid(columns) for columns in range(1, min(count, 40) + 1)), key=distance)


def caption(row: int, seconds: float) -> str:
    """The line below a thumbnail, `#100  4.17 s`; in a video without times `#100`."""
    return f"#{row}" if math.isnan(seconds) else f"#{row}  {seconds:.2f} s"


def draw_sheet(sheet: Layout, title: str, frames: Sequence[NDArray[np.uint8]], captions: Sequence[str]) -> Image:
    """Draw the sheet, RGB: the frames, uint8 [H, W, 3] and small enough, and captions in the order of the grid."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (sheet.width_px, sheet.height_px), _BACKGROUND)
    draw = ImageDraw.Draw(image)
    title_font, small_font = ImageFont.load_default(size=_TITLE_PX), ImageFont.load_default(size=sheet.caption_px)
    while len(title) > 1 and draw.textlength(title, font=title_font) > sheet.width_px - 2 * _MARGIN_PX:
        title = title[:-2] + "…"
    draw.text((_MARGIN_PX, _TITLE_BAND_PX / 2), title, font=title_font, fill=_TITLE_COLOR, anchor="lm")
    for position, (frame, text) in enumerate(zip(frames, captions, strict=True)):
        left, top = sheet.corner(position)
        picture = Image.fromarray(frame)
        image.paste(picture, (left + (sheet.thumb_width_px - picture.width) // 2, top))
        middle = left + sheet.thumb_width_px / 2
        draw.text((middle, top + sheet.thumb_height_px + 6), text, font=small_font, fill=_CAPTION_COLOR, anchor="mt")
    return image
