"""The main job, end to end on this machine: a real clip into S3, frames of it out of the Lambda image.

python -m local.demo     (make demo builds the images first)
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from local import clip
from local.stack import ROOT, Stack, StackError, reported

OUT = ROOT / "demo-out"
BUCKET = "demo"
SUM = {"video": f"s3://{BUCKET}/{clip.NAME}", "frames": "0:100", "reduce": "sum", "output": f"s3://{BUCKET}/part1.npy"}
SHEET = {"video": f"s3://{BUCKET}/{clip.NAME}", "frames": {"count": 20}, "output": f"s3://{BUCKET}/sheet.png"}


def main() -> None:
    """Starts the containers, asks for a sum twice and for a contact sheet, and prints what it took."""
    stack = Stack("hwang-demo")
    OUT.mkdir(exist_ok=True)
    columns = (SpinnerColumn(finished_text="[green]✓"), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console()
    with Progress(*columns, console=console) as progress:

        def step(text: str, do: Any, *arguments: Any) -> Any:
            task = progress.add_task(text, total=1)
            result = do(*arguments)
            progress.advance(task)
            return result

        step("Start the function (Runtime Interface Emulator) and an S3 endpoint", stack.up)
        step(f"Put {clip.NAME} into s3://{BUCKET}", upload, stack)
        _, first_seconds = step("Sum frames 0:100", stack.ask, SUM)
        total, seconds = step("The same again, with the function warm", stack.ask, SUM)
        sheet, _ = step("Contact sheet of 20 frames", stack.ask, SHEET)
        step(f"Fetch the results into {OUT.name}/", download, stack, {"sum": total, "sheet": sheet})
    video, counters, phases = total["video"], total["counters"], total["milliseconds"]
    rows = {
        "request": f"sum of frames {SUM['frames']} of {video['uri']}",
        "video": "{codec} {width}x{height}, {frames} frames, {fps:.4g} fps".format(**video),
        "result": f"{total['reduced']:,}  (over {counters['frames_decoded']} frames, "
        f"{counters['samples_decoded']} samples decoded)",
        "read": f"{counters['bytes_read']:,} of {video['bytes']:,} bytes, in {counters['requests']} requests",
        "time": f"{seconds * 1000:.0f} ms warm ({', '.join(f'{name} {ms:.0f}' for name, ms in phases.items())}); "
        f"{first_seconds * 1000:.0f} ms the first time",
        "written": ", ".join(f"{OUT.name}/{name}" for name in ("part1.npy", "sheet.png", "result.json")),
    }
    print_summary(console, rows)


def upload(stack: Stack) -> None:
    """Puts the clip into the demo's bucket."""
    stack.make_bucket(BUCKET)
    stack.s3.upload_file(str(clip.fetch()), BUCKET, clip.NAME)


def download(stack: Stack, results: dict[str, dict[str, Any]]) -> None:
    """Fetches the objects and writes the answers. Raises StackError if the number in the file is not the answer's."""
    for name in ("part1.npy", "sheet.png"):
        stack.s3.download_file(BUCKET, name, str(OUT / name))
    (OUT / "result.json").write_text(json.dumps(results, indent=2) + "\n")
    stored, answered = int(np.load(OUT / "part1.npy")), results["sum"]["reduced"]
    if stored != answered:
        raise StackError(f"part1.npy holds {stored}, the answer says {answered}")


def print_summary(console: Console, rows: dict[str, str]) -> None:
    """Prints what a demo did, a line each."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), value)
    console.print()
    console.print(table, soft_wrap=True)


if __name__ == "__main__":
    with reported("demo"):
        main()
