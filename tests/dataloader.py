"""hwang in PyTorch's DataLoader: workers forked from a process that has decoded return the frames that it returns.

    python -m tests.dataloader [--videos 200] [--epochs 50] [--workers 4]

It is run by torchcodec's environment of the benchmark's image, as that has PyTorch:

    docker run --rm --network none --shm-size 1g --env PYTHONPATH=/var/lang/lib/python3.13/site-packages \
        --entrypoint /bench/torchcodec/bin/python \
        hwang-lambda:bench -m tests.dataloader
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from bench.video import Layout
from hwang import Decoder, Mp4Writer, Planes

LAYOUT = Layout(bits=8, across=16, down=9)
WIDTH, HEIGHT = 128, 72
FRAMES = 40  # of a video
ROWS = 5  # of an item
SILENCE_SECONDS = 60  # after which a worker counts as hanging


class Videos:
    """Some rows of each video, others in each epoch: uint8 [ROWS, H, W, 3]. The decoders are opened by the parent."""

    def __init__(self, paths: list[Path]) -> None:
        self._decoders = [Decoder(path) for path in paths]
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._decoders)

    def __getitem__(self, number: int) -> torch.Tensor:
        return torch.from_numpy(self.frames(number, self.rows(number)))

    def rows(self, number: int) -> list[int]:
        """The rows of a video in this epoch."""
        return random.Random(f"{self.epoch} {number}").choices(range(FRAMES), k=ROWS)  # noqa: S311

    def frames(self, number: int, rows: list[int]) -> NDArray[np.uint8]:
        """The frames of these rows."""
        frames: NDArray[np.uint8] = self._decoders[number].frames(rows)
        return frames


def write(path: Path, shift: int) -> Path:
    """Writes a video of noise whose row n shows the number n + shift, modulo 256."""
    squares = np.roll(LAYOUT.patterns(256), -shift, axis=0)[:FRAMES].repeat(8, axis=1).repeat(8, axis=2)
    luma = np.random.default_rng(shift).integers(90, 160, (FRAMES, HEIGHT, WIDTH), np.uint8)
    luma[:, : squares.shape[1], : squares.shape[2]] = squares
    chroma = np.full((FRAMES, HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    with path.open("wb") as file, Mp4Writer(file, WIDTH, HEIGHT, frames=FRAMES) as writer:
        writer.write(Planes(luma, chroma, chroma))
    return path


def main() -> None:
    """Ends with an error at the first item that differs and at the first that does not come."""
    parser = argparse.ArgumentParser()
    for option, default in (("videos", 200), ("epochs", 50), ("workers", 4)):
        parser.add_argument(f"--{option}", type=int, default=default)
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        videos = Videos([write(Path(folder, f"{number}.mp4"), number) for number in range(asked.videos)])
        everything = [videos.frames(number, list(range(FRAMES))) for number in range(asked.videos)]
        loader = DataLoader(
            videos, batch_size=None, num_workers=asked.workers, multiprocessing_context="fork", timeout=SILENCE_SECONDS
        )
        for videos.epoch in range(asked.epochs):
            for number, item in enumerate(loader):
                rows, frames = videos.rows(number), item.numpy()
                numbers = [(row + number) % 256 for row in rows]
                if [*map(LAYOUT.read, frames)] != numbers or not np.array_equal(frames, everything[number][rows]):
                    sys.exit(f"dataloader: epoch {videos.epoch}, video {number}: rows {rows} are other frames")
    frames = asked.epochs * asked.videos * ROWS
    print(f"dataloader: {frames:,} frames of {asked.workers} workers are right, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
