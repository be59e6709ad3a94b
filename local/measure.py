"""Measures the numbers that the README states of the image and the demo, on this machine.

python -m local.measure     (make measure builds the images first)
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

from local import clip
from local.demo import BUCKET, SUM, DemoError, invoke, upload
from local.stack import Stack, StackError, docker

ROUNDS = 15
# What ffmpeg takes for the same frames without doing anything with them, timed where it runs.
NULL_DECODE = f"""
import subprocess, time
start = time.perf_counter()
command = "ffmpeg -v error -nostdin -i /clips/{clip.NAME} -map 0:v -frames:v 100 -f null -"
subprocess.run(command.split(), check=True)
print(time.perf_counter() - start)
"""
SIZES = """
import json, pathlib
def size(*paths):
    return sum(file.stat().st_size for path in paths for file in [path, *path.rglob("*")] if file.is_file())
lib, task = pathlib.Path("/opt/lib"), pathlib.Path("/var/task")
parts = {file.name: size(file) for file in sorted(lib.iterdir())}
parts |= {"hwang (extension)": size(*(task / "hwang").glob("_core*.so"))}
print(json.dumps({"compiled": parts, "packages": size(task) - parts["hwang (extension)"]}))
"""


def main() -> None:
    console = Console()
    stack = Stack("hwang-demo")
    stack.up()
    upload(stack)
    sizes(console, stack)
    warm_invoke(console, stack)


def sizes(console: Console, stack: Stack) -> None:
    command = [docker(), "run", "--rm", "--entrypoint", "python3", stack.image, "-c", SIZES]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    compiled = sum(found["compiled"].values())
    table = Table("part of the image", "MB", box=None)
    for name, size in found["compiled"].items():
        table.add_row(name, f"{size / 1e6:.2f}")
    table.add_row("compiled by us", f"{compiled / 1e6:.2f}", style="bold")
    table.add_row("packages and function", f"{found['packages'] / 1e6:.2f}")
    table.add_row("added to the base", f"{(compiled + found['packages']) / 1e6:.2f}", style="bold")
    console.print(table)


def warm_invoke(console: Console, stack: Stack) -> None:
    """The demo's request and ffmpeg's decode of the same frames in turn, each in its container with Lambda's limits."""
    client = docker()
    limits = ["--read-only", "--tmpfs", "/tmp", "--memory", "3008m", "--user", "993:990"]  # noqa: S108 - Lambda's own
    command = [client, "run", "--rm", "--detach", *limits, "--volume", f"{clip.fetch()}:/clips/{clip.NAME}:ro"]
    started = subprocess.run(
        [*command, "--entrypoint", "sleep", "hwang-lambda:test", "600"], capture_output=True, text=True, check=True
    )
    container = started.stdout.strip()
    ours, theirs = [], []
    try:
        invoke(stack, SUM)
        for _ in range(ROUNDS):
            start = time.perf_counter()
            invoke(stack, SUM)
            ours.append(time.perf_counter() - start)
            run = [client, "exec", container, "python3", "-c", NULL_DECODE]
            theirs.append(float(subprocess.run(run, capture_output=True, text=True, check=True).stdout))
    finally:
        subprocess.run([client, "rm", "--force", container], capture_output=True, check=False)
    mine, reference = statistics.median(ours), statistics.median(theirs)
    console.print(f"\nsum of frames 0:100 of s3://{BUCKET}/{clip.NAME}, warm, median of {ROUNDS}: {mine * 1000:.0f} ms")
    console.print(f"ffmpeg -f null over the same frames of the local file:                  {reference * 1000:.0f} ms")
    console.print(f"ratio: {mine / reference:.2f}")


if __name__ == "__main__":
    try:
        main()
    except (DemoError, StackError) as error:
        sys.exit(f"measure: {error}")
