"""Makes the timing clips: real footage, in the codecs and lengths the workloads ask for, with numbered frames.

    python -m bench.clips [NAME…]     make all, or these; what is there stays

Two short films are played forth and back (no cut at the joints) with a slow pan, so that no two cycles are alike. The
first run takes some twenty minutes on two cores. x265 encodes with preset fast: medium takes twice as long and the
streams differ little for a decoder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import barcode
from local.clip import cache, fetch
from tests.support.clips import encoder

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
NOISE = "scale=1920:1080:flags=lanczos,noise=alls=5:allf=t"  # as of a sensor; the upscaled film alone is too smooth


@dataclass(frozen=True)
class TimingClip:
    """A clip of numbered frames: row n shows the number n, or n modulo `period` where the clip is a loop."""

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
        return directory() / f"{self.name}.{self.suffix}"

    @property
    def period(self) -> int:
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


def directory() -> Path:
    return cache() / "bench"


def make(clip: TimingClip, advance: Callable[[int], None] = lambda _: None) -> Path:
    """The clip's path; made the first time. `advance` is told how many frames are done."""
    if not clip.path.exists():
        directory().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory()) as scratch:
            part = Path(scratch) / clip.path.name
            (_loop if clip.loop_of else _encode)(clip, part, advance)
            part.rename(clip.path)
    return clip.path


def _loop(clip: TimingClip, part: Path, advance: Callable[[int], None]) -> None:
    source = ("-stream_loop", str(clip.frames // clip.period - 1), "-i", str(make(BY_NAME[clip.loop_of])))
    _ffmpeg(advance, *source, "-c", "copy", str(part))


def _encode(clip: TimingClip, part: Path, advance: Callable[[int], None]) -> None:
    films = [_film(name) for name in clip.footage]
    numbers = part.with_suffix(".numbers")
    barcode.TIMING.patterns(clip.frames).tofile(numbers)
    playlist = part.with_suffix(".films")
    playlist.write_text("".join(f"file '{film}'\n" for film in films))
    width, height = barcode.TIMING.strip_size(*clip.size)
    graph = (
        f"[0:v]fps={FPS},{clip.filters}[film];"
        f"[1:v]scale={width}:{height}:flags=neighbor,format=yuv420p[number];[film][number]overlay"
    )
    sources = (
        *("-stream_loop", "-1", "-f", "concat", "-safe", "0", "-i", str(playlist)),
        *("-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{barcode.TIMING.bits}x2", "-r", str(FPS), "-i", str(numbers)),
    )
    length = ("-frames:v", str(clip.frames))
    _ffmpeg(advance, *sources, "-filter_complex", graph, *length, "-pix_fmt", "yuv420p", *clip.encode, str(part))


def _film(name: str) -> Path:
    """A film of FILMS forth and back, without loss."""
    film = directory() / f"{name}.mkv"
    if not film.exists():
        original, graph = FILMS[name]
        part = film.with_suffix(".part.mkv")
        _ffmpeg(lambda _: None, "-i", str(fetch(original)), "-filter_complex", graph, "-an", *LOSSLESS, str(part))
        part.rename(film)
    return film


def _ffmpeg(advance: Callable[[int], None], *arguments: str) -> None:
    """Runs the complete ffmpeg; reports its frame count. Raises CalledProcessError with its log."""
    command = [encoder(), "-hide_banner", "-nostdin", "-v", "error", "-y", "-progress", "pipe:1", *arguments]
    with tempfile.TemporaryFile("w+") as log:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                key, _, value = line.strip().partition("=")
                if key == "frame":
                    advance(int(value))
        if process.returncode:
            log.seek(0)
            raise subprocess.CalledProcessError(process.returncode, command, stderr=log.read()[-4000:])


def make_all(clips: tuple[TimingClip, ...], console: Console) -> None:
    """Makes what is missing of `clips`, and says so."""
    missing = [clip for clip in clips if not clip.path.exists()]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for clip in missing:
            task = progress.add_task(clip.title, total=clip.frames)
            path = make(clip, lambda frames, task=task: progress.update(task, completed=frames))  # type: ignore[misc]
            if not console.is_terminal:
                console.print(f"clips: {path.name}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        make_all(tuple(BY_NAME[name] for name in sys.argv[1:]) or CLIPS, Console())
    except KeyError as error:
        sys.exit(f"clips: there is no clip {error}; there are {', '.join(BY_NAME)}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"clips: {error.stderr}\nclips: {' '.join(error.cmd)} failed")
