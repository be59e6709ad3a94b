"""Makes the timing clips: real footage, in the codecs and lengths the workloads ask for, with numbered frames.

    python -m bench.clips [NAME…]     make these, or those that `make bench` needs (CLIPS, QUICK); what is there stays

Two short films are played forth and back (no cut at the joints) with a slow pan, so that no two cycles are alike. All
take some twenty minutes on two cores. x265 encodes with preset fast: medium takes twice as long and the streams differ
little for a decoder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.video import TIMING
from bench.workloads import Settings
from local.clip import cache, fetch, made

FPS = 25
HD, FULL_HD = (1280, 720), (1920, 1080)
LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
X264 = ("-c:v", "libx264", "-preset", "medium", "-crf", "23")
X265 = ("-c:v", "libx265", "-preset", "fast", "-crf", "26", "-tag:v", "hvc1", "-x265-params", "log-level=error")
VP9 = (
    *("-c:v", "libvpx-vp9", "-b:v", "1500k", "-deadline", "good", "-cpu-used", "4"),
    *("-row-mt", "1", "-tile-columns", "2", "-threads", "2"),
)
AV1 = ("-c:v", "libsvtav1", "-preset", "8", "-crf", "35", "-g", "250")

_BUNNY = "[0:v]split[forth][b];[b]reverse[back];[forth][back]concat,format=yuv420p"
_BIKES = f"[0:v]crop=484:272,scale=1280:720:flags=lanczos,unsharp[film];{_BUNNY.replace('[0:v]', '[film]')}"
FILMS = {"bunny": ("bigbuckbunny.mp4", _BUNNY), "bikes": ("bikes.mp4", _BIKES)}

PAN = "crop=1168:657:'56+56*sin(n/370)':'31+31*cos(n/310)',scale=1280:720:flags=lanczos"
NOISE = "scale=1920:1080:flags=lanczos,noise=alls=5:allf=t"  # like a sensor's; the upscaled film alone is too smooth


@dataclass(frozen=True)
class TimingClip:
    """A clip of numbered frames: row n shows the number n, or n modulo `period` if the clip is a loop."""

    name: str
    title: str
    suffix: str
    size: tuple[int, int]
    frames: int
    encode: tuple[str, ...] = ()
    footage: tuple[str, ...] = ("bunny",)  # played in turn, over and over
    filters: str = PAN
    loop_of: str = ""  # copies of another clip's stream, one behind the other

    @property
    def path(self) -> Path:
        """Path of the file, which may not exist yet."""
        return directory() / f"{self.name}.{self.suffix}"

    @property
    def period(self) -> int:
        """Number of frames that show numbers of their own."""
        return BY_NAME[self.loop_of].frames if self.loop_of else self.frames


MIX = ("bikes", "bunny")
CLIPS: tuple[TimingClip, ...] = (
    TimingClip("h264-720p", "H.264 720p, GOP 250", "mp4", HD, 2250, X264),
    TimingClip("h264-720p-gop30", "H.264 720p, GOP 30", "mp4", HD, 2250, (*X264, "-g", "30")),
    TimingClip("h264-1080p", "H.264 1080p", "mp4", FULL_HD, 1500, X264, MIX, NOISE),
    TimingClip("hevc-720p", "HEVC 720p", "mp4", HD, 1500, X265),
    TimingClip("hevc-720p-10bit", "HEVC 720p 10-bit", "mp4", HD, 1500, (*X265, "-pix_fmt", "yuv420p10le")),
    TimingClip("vp9-720p", "VP9 720p", "webm", HD, 2250, VP9),
    TimingClip("av1-720p", "AV1 720p", "mp4", HD, 2250, AV1),
    TimingClip("h264-10min", "H.264 720p, 10 minutes", "mp4", HD, 7 * 2250, loop_of="h264-720p"),
    TimingClip("h264-large", "H.264 1080p, 740 MB", "mp4", FULL_HD, 23 * 1500, loop_of="h264-1080p"),
)
BY_NAME = {clip.name: clip for clip in CLIPS}
LARGE = "h264-large"  # what a few frames are fetched from over HTTP


def directory() -> Path:
    """The folder of the timing clips and of the footage that they are made from."""
    return cache() / "bench"


def make(clip: TimingClip) -> Path:
    """The clip's path; made the first time. Raises CalledProcessError after ffmpeg's own message."""
    if not clip.path.exists():
        with tempfile.TemporaryDirectory() as scratch:
            made(clip.path, *(_loop(clip) if clip.loop_of else _footage(clip, Path(scratch))))
        print(f"clips: {clip.path.name}, {clip.path.stat().st_size / 1e6:.1f} MB", flush=True)
    return clip.path


def _loop(clip: TimingClip) -> tuple[str, ...]:
    source = make(BY_NAME[clip.loop_of])
    return ("-stream_loop", str(clip.frames // clip.period - 1), "-i", str(source), "-c", "copy")


def _footage(clip: TimingClip, scratch: Path) -> tuple[str, ...]:
    numbers, playlist = scratch / "numbers", scratch / "films"
    TIMING.patterns(clip.frames).tofile(numbers)
    playlist.write_text("".join(f"file '{_film(name)}'\n" for name in clip.footage))
    width, height = TIMING.strip_size(*clip.size)
    graph = (
        f"[0:v]fps={FPS},{clip.filters}[film];"
        f"[1:v]scale={width}:{height}:flags=neighbor,format=yuv420p[number];[film][number]overlay"
    )
    return (
        *("-stream_loop", "-1", "-f", "concat", "-safe", "0", "-i", str(playlist)),
        *("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{TIMING.bits}x2", "-r", str(FPS), "-i", str(numbers)),
        *("-filter_complex", graph, "-frames:v", str(clip.frames), "-pix_fmt", "yuv420p", *clip.encode),
    )


def _film(name: str) -> Path:
    """A film of FILMS forth and back, without loss."""
    original, graph = FILMS[name]
    source = ("-i", str(fetch(original)))
    return made(directory() / f"{name}.mkv", *source, "-filter_complex", graph, "-an", *LOSSLESS)


if __name__ == "__main__":
    try:
        for wanted in sys.argv[1:] or (*Settings.of(os.environ).clips, LARGE):
            make(BY_NAME[wanted])
    except KeyError as error:
        sys.exit(f"clips: {error} is unknown; there are {', '.join(BY_NAME)}")
    except ValueError as error:
        sys.exit(f"clips: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"clips: {' '.join(error.cmd)} failed")
