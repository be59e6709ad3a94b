"""A long video for ranged reads: two hours of 720p, groups of 60 pictures, its header at the end. Kept between runs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from local import clip as real_clip
from tests.support.clips import encoder, run_ffmpeg

LOOP_SECONDS = 120
FPS = 25
GOP = 60
_ENCODE = (
    *("-c:v", "libx264", "-preset", "veryfast", "-b:v", "2200k", "-maxrate", "4M", "-bufsize", "8M"),
    *("-g", str(GOP), "-keyint_min", str(GOP), "-sc_threshold", "0", "-pix_fmt", "yuv420p"),
)


@dataclass(frozen=True)
class LongVideo:
    """`loops` times the same two minutes: row n shows what row n modulo `period` of `loop` shows."""

    path: Path
    loop: Path
    loops: int

    @property
    def frames(self) -> int:
        return self.loops * self.period

    @property
    def period(self) -> int:
        return LOOP_SECONDS * FPS


def make(minutes: int) -> LongVideo:
    """Some 17 MB a minute."""
    folder = real_clip.cache() / "long"
    folder.mkdir(parents=True, exist_ok=True)
    loops = minutes * 60 // LOOP_SECONDS
    video = LongVideo(folder / f"{minutes}-minutes.mp4", folder / "loop.mp4", loops)
    film = ("-stream_loop", "-1", "-i", str(real_clip.fetch()), "-map", "0:v", "-r", str(FPS), "-t", str(LOOP_SECONDS))
    _made(video.loop, *film, *_ENCODE)
    _made(video.path, "-stream_loop", str(loops - 1), "-i", str(video.loop), "-c", "copy")
    return video


def _made(path: Path, *arguments: str) -> None:
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            part = Path(scratch) / path.name
            run_ffmpeg(encoder(), *arguments, str(part))
            part.rename(path)
