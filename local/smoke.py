"""Compares two images: each tests itself, both decode the same, and make the same RGB of it.

python -m local.smoke IMAGE REFERENCE     (make smoke builds both first)

RGB may differ a little between two architectures (docs/decisions/rgb-conversion.md). An image of another architecture
than this machine's runs under QEMU, with the instructions of the CPU that Lambda has.
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from local import clip
from local.stack import ROOT, Stack, StackError, docker, output, reported, run_python

BUCKET = "smoke"
VIDEO = f"s3://{BUCKET}/{clip.NAME}"
OUTPUT = f"s3://{BUCKET}/frames.npy"
SELFTEST = {"action": "selftest"}
SUM = {"video": VIDEO, "frames": "0:100", "reduce": "sum", "output": OUTPUT}
FRAMES = {"video": VIDEO, "frames": [131, 0, 37], "output": OUTPUT}
MAX_LEVELS = 2  # by which RGB may differ
PLANES = """
import hashlib, hwang
planes = hwang.Decoder("/clip.mp4").frames(range(0, 132, 12), pixel_format="yuv420p")
print(hashlib.sha256(b"".join(plane.tobytes() for plane in (planes.y, planes.u, planes.v))).hexdigest())
"""
EMULATED = ROOT / "local/compose.smoke.yml"  # with time enough for QEMU
CPUS = {"arm64": "neoverse-n1", "amd64": "max"}  # Graviton2's core; of x86 all that QEMU has


@dataclass(frozen=True)
class Pixels:
    """The clip as an image decodes it."""

    architecture: str
    planes: str  # the digest of eleven frames as they were decoded
    frames: NDArray[np.uint8]  # three as RGB


def main(image: str, reference: str) -> None:
    """Raises StackError if an image does not work, or the two do not make the same of the clip."""
    found, wanted = pixels(image), pixels(reference)
    if found.planes != wanted.planes:
        raise StackError(f"{image} and {reference} decode different pictures")
    apart = np.abs(found.frames.astype(int) - wanted.frames)
    if apart.max() > (0 if found.architecture == wanted.architecture else MAX_LEVELS):
        raise StackError(f"{image} and {reference} make RGB that is {apart.max()} of 255 levels apart")
    levels = f"RGB is {apart.mean():.2f} levels apart, {apart.max()} at most"
    print(f"smoke: {image} and {reference} decode the same, bit for bit; {levels}", flush=True)


def pixels(image: str) -> Pixels:
    """Runs an image and prints what it does. Raises StackError if it does not work at all."""
    architecture = output(docker(), "image", "inspect", "--format", "{{.Architecture}}", image)
    stack = Stack(f"hwang-smoke-{os.getpid()}", image, (EMULATED,), {"HWANG_CPU": CPUS[architecture]})
    try:
        stack.up()
        stack.make_bucket(BUCKET)
        stack.s3.upload_file(str(clip.fetch()), BUCKET, clip.NAME)
        checked, first = stack.ask(SELFTEST)
        summed, summing = stack.ask(SUM)
        _, writing = stack.ask(FRAMES)
        stored = stack.s3.get_object(Bucket=BUCKET, Key=OUTPUT.rpartition("/")[2])["Body"].read()
    finally:
        stack.down()
    mount = ("--pull", "never", "--network", "none", "--volume", f"{clip.fetch()}:/clip.mp4:ro")
    result = Pixels(architecture, run_python(image, PLANES, options=mount), np.load(io.BytesIO(stored)))
    for line in (
        f"self-test {checked['frames_checked']} of 12 frames exact",
        f"decoded sha256:{result.planes}",
        f"sum of frames {SUM['frames']} {summed['reduced']:,}",
        f"{first:.1f} s with the start, {summing:.1f} s, {writing:.1f} s",
    ):
        print(f"smoke: {image} ({architecture}): {line}", flush=True)
    return result


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with reported("smoke"):
        main(*sys.argv[1:])
