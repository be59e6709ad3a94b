"""Compares two images: each tests itself, both decode the same, and make the same RGB of it.

python -m local.smoke IMAGE REFERENCE     (make smoke builds both first)

RGB may differ a little between two architectures (docs/decisions/rgb-conversion.md).

What is not of this machine's architecture runs under QEMU, with the instructions of the CPU that Lambda has.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local import clip
from local.stack import ROOT, Stack, StackError, docker

BUCKET = "smoke"
VIDEO = f"s3://{BUCKET}/{clip.NAME}"
OUTPUT = f"s3://{BUCKET}/frames.npy"
SELFTEST = {"action": "selftest"}
SUM = {"video": VIDEO, "frames": "0:100", "reduce": "sum", "output": OUTPUT}
FRAMES = {"video": VIDEO, "frames": [131, 0, 37], "output": OUTPUT}
MOST_LEVELS = 2  # by which RGB may differ: docs/decisions/rgb-conversion.md
PLANES = """
import hashlib, hwang
planes = hwang.Decoder("/clip.mp4").frames(range(0, 132, 12), pixel_format="yuv420p")
print(hashlib.sha256(b"".join(plane.tobytes() for plane in (planes.y, planes.u, planes.v))).hexdigest())
"""
CPUS = {"arm64": "neoverse-n1", "amd64": "max"}  # Graviton2's core; of x86 all that QEMU has


class SmokeError(Exception):
    """An image does not do what it is for."""


@dataclass(frozen=True)
class Emulated(Stack):
    """The function on a CPU that QEMU knows, with time enough for that."""

    cpu: str = "max"
    overrides: tuple[Path, ...] = (ROOT / "local/compose.smoke.yml",)

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"HWANG_CPU": self.cpu}


@dataclass(frozen=True)
class Pixels:
    """What an image makes of the clip."""

    architecture: str
    planes: str  # the digest of eleven frames as they were decoded
    frames: NDArray[np.uint8]  # three as RGB


def main(image: str, reference: str) -> None:
    found, wanted = pixels(image), pixels(reference)
    if found.planes != wanted.planes:
        raise SmokeError(f"{image} and {reference} decode different pictures")
    apart = np.abs(found.frames.astype(int) - wanted.frames)
    if apart.max() > (0 if found.architecture == wanted.architecture else MOST_LEVELS):
        raise SmokeError(f"{image} and {reference} make RGB that is {apart.max()} of 255 levels apart")
    say(
        f"{image} and {reference} decode the same, bit for bit; "
        f"RGB is {apart.mean():.2f} levels apart, {apart.max()} at most"
    )


def pixels(image: str) -> Pixels:
    """Raises SmokeError, or StackError, if the image does not work at all."""
    architecture = architecture_of(image)
    stack = Emulated(f"hwang-smoke-{os.getpid()}", image, cpu=CPUS[architecture])
    try:
        stack.up()
        stack.s3.create_bucket(Bucket=BUCKET)
        stack.s3.upload_file(str(clip.fetch()), BUCKET, clip.NAME)
        checked, first = ask(stack, SELFTEST)
        summed, summing = ask(stack, SUM)
        _, writing = ask(stack, FRAMES)
        stored = stack.s3.get_object(Bucket=BUCKET, Key=OUTPUT.rpartition("/")[2])["Body"].read()
    finally:
        stack.down()
    result = Pixels(architecture, planes(image), np.load(io.BytesIO(stored)))
    say(f"{image} ({architecture}): self-test {checked['frames_checked']} of 60 frames exact")
    say(f"{image} ({architecture}): decoded sha256:{result.planes}")
    say(f"{image} ({architecture}): sum of frames {SUM['frames']} {summed['reduced']:,}")
    say(f"{image} ({architecture}): {first:.1f} s with the start, {summing:.1f} s, {writing:.1f} s")
    return result


def planes(image: str) -> str:
    mounted = ["--volume", f"{clip.fetch()}:/clip.mp4:ro", "--entrypoint", "python3"]
    command = [docker(), "run", "--rm", "--pull", "never", "--network", "none", *mounted, image, "-c", PLANES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SmokeError(done.stderr.strip())
    return done.stdout.strip()


def ask(stack: Stack, event: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """The answer, and the seconds that it took."""
    start = time.perf_counter()
    answer = stack.invoke(event)
    if "errorType" in answer:
        raise SmokeError(f"{event} was answered with {answer['errorType']}: {answer['errorMessage']}\n{stack.logs()}")
    return answer, time.perf_counter() - start


def architecture_of(image: str) -> str:
    command = [docker(), "image", "inspect", "--format", "{{.Architecture}}", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SmokeError(done.stderr.strip())
    return done.stdout.strip()


def say(text: str) -> None:
    print(f"smoke: {text}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except (SmokeError, StackError) as error:
        sys.exit(f"smoke: {error}")
