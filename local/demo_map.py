"""A job over forty videos, end to end on this machine: Step Functions runs the real image for each part.

python -m local.demo_map     (make demo-map builds the images first)
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from function.models.job_files import JobManifest
from function.report import s3_read, write_report
from local import collection
from local.cost import job_cost
from local.demo import OUT, print_summary
from local.stack import MEMORY_MB, MapStack, reported

BUCKET = "demo-map"
JOB: dict[str, Any] = {
    "videos": f"s3://{BUCKET}/videos/",
    "frames": {"every_seconds": 1},
    "size": {"max_side": 480},
    "output": f"s3://{BUCKET}/frames/",
    "part_seconds": 1,
}
STEPS = {"Survey": "Index the videos, predict costs", "Decode": "Decode the parts"}


def main() -> None:
    """Makes the videos, runs the job, writes its report, and says what it would cost on AWS."""
    console = Console()
    OUT.mkdir(exist_ok=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    stack = MapStack("hwang-demo-map")
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(STEPS.get(step, step), total=total)
            progress.update(tasks[step], completed=done, total=total)

        videos = collection.make_all(partial(show, "Make forty videos of the real clip"))
        show("Start the emulated AWS, deploy function and state machine", 0, 1)
        stack.up()
        show("Start the emulated AWS, deploy function and state machine", 1, 1)
        stack.make_bucket(BUCKET)
        for number, path in enumerate(videos, 1):
            stack.s3.upload_file(str(path), BUCKET, f"videos/{path.name}")
            show("Put them into S3", number, len(videos))
        begun = time.monotonic()
        stack.run(JOB, show)
        seconds = time.monotonic() - begun
    manifest, page = report_of(stack)
    (OUT / "map.json").write_text(json.dumps(manifest, indent=2))
    (OUT / "report.html").write_bytes(page)
    counters, work = manifest["counters"], manifest["seconds"]
    rows = {
        "request": "a frame every second of {videos} videos, {bytes_in_files:,} bytes".format(**manifest),
        "result": "{objects:,} pictures, {frames:,} frames, {bytes_written:,} bytes".format(**manifest),
        "parts": "{parts}, of {pieces} pieces; ".format(**manifest)
        + f"{manifest['attempts'] - manifest['parts']} retries",
        "read": f"{counters['bytes_read']:,} bytes in {counters['requests']:,} requests",
        "decoded": f"{counters['samples_decoded']:,} samples, {counters['samples_skipped']:,} left out",
        "time": f"{seconds:.1f} s; work {work['worked']:.1f} s, predicted {work['predicted']:.1f} s",
        "on AWS": "{:.2g} USD: {}".format(*job_cost(manifest, MEMORY_MB)),
        "written": f"{OUT.name}/report.html, {OUT.name}/map.json",
    }
    print_summary(console, rows)


def report_of(stack: MapStack) -> tuple[dict[str, Any], bytes]:
    """Return the manifest of the job that has run, and its report."""
    manifest = json.loads(stack.s3.get_object(Bucket=BUCKET, Key="frames/_manifest.json")["Body"].read())
    return manifest, write_report(JobManifest.model_validate(manifest), s3_read(stack.s3))


if __name__ == "__main__":
    with reported("demo-map"):
        main()
