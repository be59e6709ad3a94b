"""The main job, end to end on this machine: a real clip into S3, frames of it out of the Lambda image.

python -m local.demo     (make demo builds the images first)
"""

from __future__ import annotations

import io
import json
import sys
import time
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from local import clip
from local.stack import Stack, StackError

OUT = clip.ROOT / "demo-out"
BUCKET = "demo"
SUM = {"video": f"s3://{BUCKET}/{clip.NAME}", "frames": "0:100", "reduce": "sum", "output": f"s3://{BUCKET}/part1.npy"}
SHEET = {"video": f"s3://{BUCKET}/{clip.NAME}", "frames": {"count": 20}, "output": f"s3://{BUCKET}/sheet.png"}


class DemoError(Exception):
    """The function did not do what was asked of it."""


def main() -> None:
    console = Console()
    stack = Stack("hwang-demo")
    OUT.mkdir(exist_ok=True)
    columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=False) as progress:

        def step(text: str, do: Any, *arguments: Any) -> Any:
            task = progress.add_task(text, total=1)
            result = do(*arguments)
            progress.advance(task)
            return result

        step("Start the function (Runtime Interface Emulator) and an S3 endpoint", stack.up)
        step(f"Put {clip.NAME} into s3://{BUCKET}", upload, stack)
        _, first_seconds = step("Sum frames 0:100", invoke, stack, SUM)
        total, seconds = step("The same again, with the function warm", invoke, stack, SUM)
        sheet, _ = step("Contact sheet of 20 frames", invoke, stack, SHEET)
        step(f"Fetch the results into {OUT.name}/", download, stack, {"sum": total, "sheet": sheet})
    report(console, total, first_seconds, seconds)
    picture(console)


def upload(stack: Stack) -> None:
    existing = {bucket["Name"] for bucket in stack.s3.list_buckets()["Buckets"]}
    if BUCKET not in existing:
        stack.s3.create_bucket(Bucket=BUCKET)
    stack.s3.upload_file(str(clip.fetch()), BUCKET, clip.NAME)


def invoke(stack: Stack, event: dict[str, Any]) -> tuple[dict[str, Any], float]:
    start = time.perf_counter()
    result = stack.invoke(event)
    if "errorType" in result:
        raise DemoError(f"{event} was answered with {result['errorType']}: {result['errorMessage']}\n{stack.logs()}")
    return result, time.perf_counter() - start


def download(stack: Stack, results: dict[str, dict[str, Any]]) -> None:
    """What the function wrote, and what it answered. The number in the file must be the one in the answer."""
    for name in ("part1.npy", "sheet.png"):
        stack.s3.download_file(BUCKET, name, str(OUT / name))
    (OUT / "result.json").write_text(json.dumps(results, indent=2) + "\n")
    stored, answered = int(np.load(OUT / "part1.npy")), results["sum"]["reduced"]
    if stored != answered:
        raise DemoError(f"part1.npy holds {stored}, the answer says {answered}")


def report(console: Console, result: dict[str, Any], first_seconds: float, seconds: float) -> None:
    video, counters, phases = result["video"], result["counters"], result["milliseconds"]
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    rows = {
        "asked": f"sum of frames {SUM['frames']} of {video['uri']}",
        "video": "{codec} {width}x{height}, {frames} frames, {fps:.4g} fps".format(**video),
        "result": f"{result['reduced']:,}  (over {counters['frames_decoded']} frames, "
        f"{counters['samples_decoded']} samples decoded)",
        "read": f"{counters['bytes_read']:,} of {video['bytes']:,} bytes, in {counters['requests']} requests",
        "time": f"{seconds * 1000:.0f} ms warm ({', '.join(f'{name} {ms:.0f}' for name, ms in phases.items())}); "
        f"{first_seconds * 1000:.0f} ms the first time",
        "written": ", ".join(f"{OUT.name}/{name}" for name in ("part1.npy", "sheet.png", "result.json")),
    }
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), value)
    console.print()
    console.print(table, soft_wrap=True)


def picture(console: Console, columns: int = 96) -> None:
    """The contact sheet on a terminal that shows colours: two pixels a character cell."""
    if not console.is_terminal or console.color_system != "truecolor":
        return
    with Image.open(io.BytesIO((OUT / "sheet.png").read_bytes())) as sheet:
        width = min(columns, console.width)
        small = sheet.convert("RGB").resize((width, round(sheet.height * width / sheet.width / 2) * 2))
    pixels = np.asarray(small)
    console.print()
    for upper, lower in zip(pixels[0::2], pixels[1::2], strict=True):
        line = Text()
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            line.append("▀", style=f"rgb({above[0]},{above[1]},{above[2]}) on rgb({below[0]},{below[1]},{below[2]})")
        console.print(line)


if __name__ == "__main__":
    try:
        main()
    except (DemoError, StackError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit("demo: interrupted; 'make down' stops what is still running")
