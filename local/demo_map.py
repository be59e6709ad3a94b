"""A job over forty videos, end to end on this machine: Step Functions runs the real image for each part.

python -m local.demo_map     (make demo-map builds the images first)
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from deploy.prices import JobCost, job_cost
from function.report import s3_read, write_report
from local import collection
from local.clip import ROOT
from local.mapstack import MEMORY_MB, JobError, MapStack
from local.stack import StackError

OUT = ROOT / "demo-out"
BUCKET = "demo-map"
JOB: dict[str, Any] = {
    "videos": f"s3://{BUCKET}/videos/",
    "frames": {"every_seconds": 1},
    "size": {"max_side": 480},
    "output": f"s3://{BUCKET}/frames/",
    "part_seconds": 1,
}


def main() -> None:
    console = Console()
    OUT.mkdir(exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    stack = MapStack("hwang-demo-map")
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def told(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total)
            progress.update(tasks[step], completed=done, total=total)

        made = "Make forty videos of the real clip"
        videos = collection.make_all(lambda done: told(made, done, len(collection.RECIPES)))
        told("Start the emulated AWS, deploy function and state machine", 0, 1)
        stack.up()
        told("Start the emulated AWS, deploy function and state machine", 1, 1)
        upload(stack, videos, lambda done: told("Put them into S3", done, len(videos)))
        begun = time.monotonic()
        stack.run(JOB, lambda step, done, total: told(STEPS.get(step, step), done, total))
        seconds = time.monotonic() - begun
    manifest = fetch(stack)
    cost = job_cost(manifest, memory_mb=MEMORY_MB)
    told_cost = {"dollars": cost.dollars, "note": str(cost)}
    (OUT / "report.html").write_bytes(write_report(manifest, s3_read(stack.s3), cost=told_cost))
    summary(console, manifest, cost, seconds)


STEPS = {"Survey": "Index the videos, predict costs", "Decode": "Decode the parts"}


def upload(stack: MapStack, videos: list[Any], told: Any) -> None:
    existing = {bucket["Name"] for bucket in stack.s3.list_buckets()["Buckets"]}
    if BUCKET not in existing:
        stack.s3.create_bucket(Bucket=BUCKET)
    for number, path in enumerate(videos, 1):
        stack.s3.upload_file(str(path), BUCKET, f"videos/{path.name}")
        told(number)


def fetch(stack: MapStack) -> dict[str, Any]:
    """The manifest, also into the folder of the demo's results."""
    stack.s3.download_file(BUCKET, "frames/_manifest.json", str(OUT / "map.json"))
    manifest: dict[str, Any] = json.loads((OUT / "map.json").read_text())
    return manifest


def summary(console: Console, manifest: dict[str, Any], cost: JobCost, seconds: float) -> None:
    counters, work = manifest["counters"], manifest["seconds"]
    rows = {
        "asked": "a frame every second of {videos} videos, {bytes_in_files:,} bytes".format(**manifest),
        "result": "{objects:,} pictures, {frames:,} frames, {bytes_written:,} bytes".format(**manifest),
        "parts": "{parts}, of {pieces} pieces; ".format(**manifest)
        + f"{manifest['attempts'] - manifest['parts']} retries",
        "read": f"{counters['bytes_read']:,} bytes in {counters['requests']:,} requests",
        "decoded": f"{counters['samples_decoded']:,} samples, {counters['samples_skipped']:,} left out",
        "time": f"{seconds:.1f} s; work {work['worked']:.1f} s, predicted {work['predicted']:.1f} s",
        "on AWS": f"{cost.dollars:.2g} USD: {cost}",
        "written": f"{OUT.name}/report.html, {OUT.name}/map.json",
    }
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), value)
    console.print()
    console.print(table, soft_wrap=True)


if __name__ == "__main__":
    try:
        main()
    except (JobError, StackError) as error:
        sys.exit(f"demo-map: {error}")
    except KeyboardInterrupt:
        sys.exit("demo-map: interrupted; 'make down' stops what is still running")
