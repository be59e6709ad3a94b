"""The pictures of the documentation: a contact sheet, the report of a job, the terminal of a deploy, as of today.

python -m local.pictures     (make pictures builds the images first)
"""

from __future__ import annotations

from typing import Any

from PIL import Image

from local import collection, demo, demo_deploy, demo_map
from local.stack import ROOT, MapStack, Stack, reported
from tests.browser.showing import View, show_page

FOLDER = ROOT / "docs/pictures"
SHEET: dict[str, Any] = {
    **demo.SHEET,
    "size": {"max_side": 192},
    "quality": 75,
    "output": f"s3://{demo.BUCKET}/sheet.jpg",
}
VIDEOS = collection.RECIPES[::2]  # of all sizes and GOPs
JOB = {**demo_map.JOB, "frames": {"count": 1}}
REPORT = View(width=1280, clip=1080)
COLOURS = 96  # are enough for a page, and its file is small


def main() -> None:
    """Write all."""
    FOLDER.mkdir(exist_ok=True)
    _draw_sheet()
    _draw_report()
    (FOLDER / "deploy.svg").write_text(demo_deploy.main())


def _draw_sheet() -> None:
    stack = Stack("hwang-demo")
    stack.up()
    demo.upload(stack)
    stack.ask(SHEET)
    stack.s3.download_file(demo.BUCKET, "sheet.jpg", str(FOLDER / "sheet.jpg"))


def _draw_report() -> None:
    stack = MapStack("hwang-pictures")
    try:
        stack.up()
        stack.make_bucket(demo_map.BUCKET)
        for recipe in VIDEOS:
            stack.s3.upload_file(str(recipe.make()), demo_map.BUCKET, f"videos/{recipe.name}")
        stack.run(JOB)
        _, page = demo_map.report_of(stack)
    finally:
        stack.down()
    (look,) = show_page(page, REPORT).views
    small = look.screenshot.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    small.save(FOLDER / "report.png", optimize=True)


if __name__ == "__main__":
    with reported("pictures"):
        main()
