"""A picture of a page, for the documentation.

python -m tests.browser.shoot PAGE.html PICTURE.png [--width 1280] [--height PIXELS]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from tests.browser.showing import View, show_page

COLOURS = 96  # are enough for a page, and its file is small


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.browser.shoot", description="A picture of a page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, help="how much of the page, in pixels; by default all of it")
    options = parser.parse_args()
    view = View(options.width, clip=options.height)
    (look,) = show_page(options.page.read_bytes(), view).views
    small = look.screenshot.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    small.save(options.picture, optimize=True)


if __name__ == "__main__":
    main()
