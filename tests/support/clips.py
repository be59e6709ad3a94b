"""Tiny generated clips in which every frame carries its own number.

The number is drawn as eight squares of 8x8 pixels along the top, white for 1, black for 0, lowest bit first, with its
complement below, so that it survives lossy coding and a damaged or blended frame is recognised as such.
"""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SQUARE_PX = 8
BITS = 8
FRAMES = 40


class UnreadableNumberError(AssertionError):
    """The frame shows no clean number: it is damaged, blended or not of a clip from here."""


@dataclass(frozen=True)
class Clip:
    """A recipe: `arguments` go between the numbered source and the output file."""

    name: str
    suffix: str
    arguments: tuple[str, ...]
    container: str  # FFmpeg's demuxer, first name
    codec: str  # FFmpeg's decoder family
    numbers: tuple[int, ...] = tuple(range(FRAMES))  # what the rows show, by construction
    size: tuple[int, int] = (160, 96)
    then: tuple[str, ...] = ()  # second pass, `ffmpeg -i first <then> output`
    timing: str = ""  # a filter that moves timestamps or drops frames, after the number is drawn
    lavf: tuple[str, ...] = ()  # options of the second pass's input


def _x264(*more: str, params: str = "") -> tuple[str, ...]:
    base = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-threads", "1", "-pix_fmt", "yuv420p")
    return (*base, *(("-x264-params", params) if params else ()), *more)


def _x265(params: str, *more: str) -> tuple[str, ...]:
    return ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", f"log-level=error:pools=1:{params}", *more)


_GOP = "keyint=12:min-keyint=12:scenecut=0:bframes=3:b-adapt=0"
_AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-crf", "40", "-g", "16", "-svtav1-params", "lp=1", "-pix_fmt", "yuv420p")
_TRIM = ("-c", "copy", "-movflags", "+faststart")
_GROUPS = ("-g", "12", "-q:v", "8")
_STILL = "drawbox=y=16:h=ih-16:color=teal:t=fill"  # so that a picture sets few pixels
_PALETTES = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1"  # one for each picture


def _raw(pixels: str) -> tuple[str, ...]:
    return ("-c:v", "rawvideo", "-pix_fmt", pixels)


def _dnxhr(profile: str, pixels: str) -> tuple[str, ...]:
    return ("-c:v", "dnxhd", "-profile:v", profile, "-pix_fmt", pixels)


CLIPS: tuple[Clip, ...] = (
    Clip("h264-closed-gop", "mp4", _x264(params=f"{_GOP}:open-gop=0"), "mov", "h264"),
    Clip("h264-open-gop", "mp4", _x264(params=f"{_GOP}:open-gop=1"), "mov", "h264"),
    Clip("h264-open-gop-mov", "mov", _x264(params=f"{_GOP}:open-gop=1:b-pyramid=strict"), "mov", "h264"),
    Clip("h264-all-intra", "mov", _x264("-g", "1"), "mov", "h264"),
    Clip("h264-no-b", "mp4", _x264("-bf", "0", "-g", "10"), "mov", "h264"),
    Clip("h264-one-gop", "mp4", _x264(params="keyint=infinite:bframes=2"), "mov", "h264"),
    Clip("h264-intra-refresh", "mp4", _x264(params="keyint=15:intra-refresh=1:bframes=0"), "mov", "h264"),
    Clip(
        "h264-fragmented",
        "mp4",
        _x264("-movflags", "+frag_keyframe+empty_moov+default_base_moof", params=f"{_GOP}:open-gop=0"),
        "mov",
        "h264",
    ),
    Clip(
        "h264-fragmented-delay",
        "mp4",
        _x264("-movflags", "+frag_keyframe+delay_moov", "-frag_duration", "300000", params=f"{_GOP}:open-gop=0"),
        "mov",
        "h264",
    ),
    Clip("h264-faststart", "mp4", _x264("-movflags", "+faststart", params=_GOP), "mov", "h264"),
    Clip(
        "h264-trimmed",
        "mp4",
        _x264(params=f"{_GOP}:open-gop=0"),
        "mov",
        "h264",
        numbers=tuple(range(17, FRAMES)),
        then=_TRIM,
        lavf=("-ss", "0.68"),
    ),
    Clip("h264-delayed", "mp4", _x264("-output_ts_offset", "0.5", params=_GOP), "mov", "h264"),
    Clip(
        "h264-vfr",
        "mp4",
        _x264("-fps_mode", "passthrough", "-enc_time_base", "1/1000", params=_GOP),
        "mov",
        "h264",
        timing="setpts=N*N/40/25/TB+N/25/TB",
    ),
    Clip("h264-negative-ctts", "mp4", _x264("-movflags", "+negative_cts_offsets", params=_GOP), "mov", "h264"),
    Clip("h264-odd-size", "mp4", _x264("-pix_fmt", "yuv444p", params=_GOP), "mov", "h264", size=(161, 91)),
    Clip("h264-444", "mp4", _x264("-profile:v", "high444", "-pix_fmt", "yuv444p", params=_GOP), "mov", "h264"),
    Clip(
        "h264-full-range-709",
        "mp4",
        _x264("-vf", "scale=out_range=full:out_color_matrix=bt709", "-color_range", "pc", "-colorspace", "bt709"),
        "mov",
        "h264",
    ),
    Clip(
        "h264-colour-in-the-container",
        "mp4",
        _x264(
            *("-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709", "-movflags", "+write_colr"),
            params=f"{_GOP}:colormatrix=undef:colorprim=undef:transfer=undef",
        ),
        "mov",
        "h264",
    ),
    Clip(
        "h264-rotated", "mp4", _x264(params=_GOP), "mov", "h264", then=("-c", "copy"), lavf=("-display_rotation", "90")
    ),
    Clip("h264-matroska", "mkv", _x264(params=_GOP), "matroska", "h264"),
    Clip("h264-mpegts", "ts", _x264(params=_GOP), "mpegts", "h264"),
    Clip("hevc-open-gop", "mp4", _x265("keyint=12:min-keyint=12:bframes=3:open-gop=1"), "mov", "hevc"),
    Clip("hevc-10bit", "mp4", _x265("keyint=12:bframes=3", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1"), "mov", "hevc"),
    Clip(
        "vp8-alt-ref",
        "webm",
        ("-c:v", "libvpx", "-b:v", "300k", "-g", "16", "-auto-alt-ref", "1", "-lag-in-frames", "12", "-threads", "1"),
        "matroska",
        "vp8",
    ),
    Clip(
        "vp9",
        "webm",
        ("-c:v", "libvpx-vp9", "-b:v", "300k", "-g", "16", "-lag-in-frames", "12", "-cpu-used", "5", "-threads", "1"),
        "matroska",
        "vp9",
    ),
    Clip("vp9-mp4", "mp4", ("-c:v", "libvpx-vp9", "-b:v", "300k", "-g", "16", "-cpu-used", "5"), "mov", "vp9"),
    Clip("av1", "mp4", _AV1, "mov", "av1"),
    Clip("av1-matroska", "mkv", _AV1, "matroska", "av1"),
    Clip("mpeg4-b-frames", "avi", ("-c:v", "mpeg4", "-bf", "2", "-g", "12", "-q:v", "3"), "avi", "mpeg4"),
    Clip("mpeg4-mp4", "mp4", ("-c:v", "mpeg4", "-bf", "2", "-g", "12", "-q:v", "3"), "mov", "mpeg4"),
    Clip("mpeg2-mp4", "mp4", ("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-q:v", "3"), "mov", "mpeg2video"),
    Clip(
        "mpeg2-program-stream", "mpg", ("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-q:v", "3"), "mpeg", "mpeg2video"
    ),
    Clip("h264-flv", "flv", _x264(params=_GOP), "flv", "h264"),
    Clip("h264-raw", "h264", _x264(params=_GOP), "h264", "h264"),
    Clip("hevc-raw", "hevc", _x265("keyint=12:bframes=3"), "hevc", "hevc"),
    Clip("av1-ivf", "ivf", _AV1, "ivf", "av1"),
    Clip("mjpeg", "avi", ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"), "avi", "mjpeg"),
    Clip("mjpeg-mov", "mov", ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"), "mov", "mjpeg"),
    Clip("prores", "mov", ("-c:v", "prores_ks", "-profile:v", "0", "-pix_fmt", "yuv422p10le"), "mov", "prores"),
    Clip("png-mov", "mov", ("-c:v", "png", "-pix_fmt", "rgb24"), "mov", "png"),
    Clip("ffv1", "mkv", ("-c:v", "ffv1", "-g", "1"), "matroska", "ffv1"),
    # FORMATS=web leaves these out.
    Clip("theora", "ogg", ("-c:v", "libtheora", *_GROUPS), "ogg", "theora"),
    Clip("theora-odd-size", "mkv", ("-c:v", "libtheora", *_GROUPS), "matroska", "theora", size=(161, 91)),
    Clip("wmv1", "wmv", ("-c:v", "wmv1", *_GROUPS), "asf", "wmv1"),
    Clip("wmv2", "wmv", ("-c:v", "wmv2", *_GROUPS), "asf", "wmv2"),
    Clip("wmv2-avi", "avi", ("-c:v", "wmv2", *_GROUPS), "avi", "wmv2"),
    Clip("msmpeg4v2", "avi", ("-c:v", "msmpeg4v2", *_GROUPS), "avi", "msmpeg4v2"),
    Clip("msmpeg4v3", "avi", ("-c:v", "msmpeg4", *_GROUPS), "avi", "msmpeg4v3"),
    Clip("msmpeg4v3-asf", "asf", ("-c:v", "msmpeg4", *_GROUPS), "asf", "msmpeg4v3"),
    Clip("flv1", "flv", ("-c:v", "flv", *_GROUPS), "flv", "flv1"),
    Clip("h263", "3gp", ("-c:v", "h263", *_GROUPS), "mov", "h263", size=(176, 144)),
    Clip("h263-avi", "avi", ("-c:v", "h263p", *_GROUPS), "avi", "h263"),
    Clip("mpeg1", "mpg", ("-c:v", "mpeg1video", "-bf", "2", *_GROUPS), "mpeg", "mpeg1video"),
    Clip("mpeg2-mxf", "mxf", ("-c:v", "mpeg2video", "-bf", "2", *_GROUPS), "mxf", "mpeg2video"),
    Clip("dv", "dv", ("-c:v", "dvvideo", "-pix_fmt", "yuv420p"), "dv", "dvvideo", size=(720, 576)),
    Clip(
        "dv-ntsc",
        "avi",
        ("-c:v", "dvvideo", "-pix_fmt", "yuv411p", "-r", "30000/1001"),
        "avi",
        "dvvideo",
        size=(720, 480),
        timing="setpts=N/(30000/1001)/TB",
    ),
    Clip("dv50-mov", "mov", ("-c:v", "dvvideo", "-pix_fmt", "yuv422p"), "mov", "dvvideo", size=(720, 576)),
    Clip("dnxhr-mxf", "mxf", _dnxhr("dnxhr_lb", "yuv422p"), "mxf", "dnxhd", size=(256, 128)),
    Clip("dnxhr-10bit", "mov", _dnxhr("dnxhr_hqx", "yuv422p10le"), "mov", "dnxhd", size=(256, 128)),
    Clip("dnxhr-444", "mov", _dnxhr("dnxhr_444", "gbrp10le"), "mov", "dnxhd", size=(256, 128)),
    Clip("raw-bgr24-avi", "avi", _raw("bgr24"), "avi", "rawvideo", size=(161, 91)),
    Clip("raw-palettes-avi", "avi", (*_raw("pal8"), "-vf", _PALETTES), "avi", "rawvideo"),
    Clip("raw-rgb24-mov", "mov", _raw("rgb24"), "mov", "rawvideo", size=(161, 91)),
    Clip("raw-palette-mov", "mov", _raw("pal8"), "mov", "rawvideo"),
    Clip("raw-gray-mov", "mov", _raw("gray"), "mov", "rawvideo"),
    Clip("raw-uyvy-mov", "mov", _raw("uyvy422"), "mov", "rawvideo"),
    Clip("raw-yuv420p", "mkv", _raw("yuv420p"), "matroska", "rawvideo", size=(161, 91)),
    Clip("y4m", "y4m", ("-pix_fmt", "yuv420p"), "yuv4mpegpipe", "rawvideo", size=(161, 91)),
    Clip("y4m-10bit", "y4m", ("-pix_fmt", "yuv422p10le", "-strict", "-1"), "yuv4mpegpipe", "rawvideo"),
    Clip("huffyuv", "avi", ("-c:v", "huffyuv", "-pix_fmt", "yuv422p"), "avi", "huffyuv"),
    Clip("huffyuv-rgb", "avi", ("-c:v", "huffyuv", "-pix_fmt", "rgb24"), "avi", "huffyuv", size=(161, 91)),
    Clip("ffvhuff", "mkv", ("-c:v", "ffvhuff", "-pix_fmt", "yuv420p", "-context", "1"), "matroska", "ffvhuff"),
    Clip("utvideo", "avi", ("-c:v", "utvideo", "-pix_fmt", "yuv420p"), "avi", "utvideo"),
    Clip("utvideo-rgb", "mov", ("-c:v", "utvideo", "-pix_fmt", "gbrp", "-pred", "median"), "mov", "utvideo"),
    Clip("animation", "mov", ("-c:v", "qtrle", "-pix_fmt", "rgb24", "-g", "12", "-vf", _STILL), "mov", "qtrle"),
    Clip(
        "animation-alpha",
        "mov",
        ("-c:v", "qtrle", "-pix_fmt", "argb", "-g", "12", "-vf", _STILL),
        "mov",
        "qtrle",
        size=(161, 91),
    ),
    Clip(
        "animation-16bit", "mov", ("-c:v", "qtrle", "-pix_fmt", "rgb555be", "-g", "12", "-vf", _STILL), "mov", "qtrle"
    ),
    Clip("animation-gray", "mov", ("-c:v", "qtrle", "-pix_fmt", "gray", "-g", "12", "-vf", _STILL), "mov", "qtrle"),
    Clip("gif", "gif", ("-c:v", "gif", "-vf", _STILL), "gif", "gif"),
    Clip("gif-palettes", "gif", ("-c:v", "gif", "-vf", _PALETTES), "gif", "gif", size=(161, 91)),
)

BY_NAME = {clip.name: clip for clip in CLIPS}


@functools.cache
def encoder() -> str:
    """The ffmpeg program that makes the clips: a complete build, of the imageio-ffmpeg package."""
    import imageio_ffmpeg  # type: ignore[import-untyped,unused-ignore]

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def oracle() -> str:
    """The ffmpeg program that hwang is compared with: $HWANG_ORACLE (in the test image, of the same sources)."""
    return os.environ.get("HWANG_ORACLE") or encoder()


def run_ffmpeg(program: str, *arguments: str) -> bytes:
    """Standard output of an ffmpeg program. Fails with its log."""
    command = [program, "-hide_banner", "-nostdin", "-v", "error", "-y", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr.decode(errors='replace')[-4000:]}"
    return done.stdout


def numbered_frames(count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """uint8 [count, H, W, 3] RGB: a moving gradient with each frame's number on top."""
    width, height = size
    frame, y, x = np.meshgrid(np.arange(count), np.arange(height), np.arange(width), indexing="ij", sparse=True)
    shade = np.stack(
        [(x + 3 * frame) % 160 + 40 + 0 * y, (y * 2 + frame) % 120 + 60 + 0 * x, 90 + 0 * (x + y + frame)], -1
    )
    frames = shade.astype(np.uint8)
    for number in range(count):
        for bit in range(BITS):
            left = bit * SQUARE_PX
            on = number >> bit & 1
            frames[number, :SQUARE_PX, left : left + SQUARE_PX] = 255 * on
            frames[number, SQUARE_PX : 2 * SQUARE_PX, left : left + SQUARE_PX] = 255 * (1 - on)
    return frames


def read_number(frame: NDArray[Any]) -> int:
    """The number drawn into `frame`: [H, W, 3] or [H, W], upright, 8 or 16 bits. Raises UnreadableNumberError."""
    depth = np.iinfo(frame.dtype).max
    gray = frame.astype(np.float64).reshape(*frame.shape[:2], -1).mean(axis=2) / depth
    inner = slice(2, SQUARE_PX - 2)
    number = 0
    for bit in range(BITS):
        square = gray[:, bit * SQUARE_PX : (bit + 1) * SQUARE_PX][:, inner]
        direct, complement = square[:SQUARE_PX][inner].mean(), square[SQUARE_PX : 2 * SQUARE_PX][inner].mean()
        if abs(direct - complement) < 0.5:
            raise UnreadableNumberError(f"bit {bit} is {direct:.2f}, its complement {complement:.2f}")
        number |= int(direct > complement) << bit
    return number


def make_clip(name: str, directory: Path) -> Path:
    """Make the clip in `directory`, unless it is there. Deterministic for one ffmpeg build."""
    clip = BY_NAME[name]
    path = directory / f"{clip.name}.{clip.suffix}"
    if path.exists():
        return path
    width, height = clip.size
    raw = directory / f"{clip.name}.raw"
    first = directory / f"{clip.name}.first.{clip.suffix}"
    partial = directory / f"{clip.name}.partial.{clip.suffix}"
    numbered_frames(FRAMES, clip.size).tofile(raw)
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "25", "-i", str(raw))
    timing = ("-vf", clip.timing) if clip.timing else ()
    target = first if clip.then else partial
    try:
        run_ffmpeg(encoder(), *source, *timing, *clip.arguments, "-bitexact", str(target))
        if clip.then:
            run_ffmpeg(encoder(), *clip.lavf, "-i", str(first), *clip.then, "-bitexact", str(partial))
        partial.replace(path)
    finally:
        for leftover in (raw, first, partial):
            leftover.unlink(missing_ok=True)
    return path


def tool_table(path: Path, *options: str) -> list[list[int]]:
    """[dts, pts, duration, size] of every packet or frame that the tool writes."""
    text = run_ffmpeg(
        oracle(), "-threads", "1", "-noautorotate", "-i", str(path), "-map", "0:v:0", *options, "-f", "framecrc", "-"
    )
    lines = [line.split(",") for line in text.decode().splitlines() if line and not line.startswith("#")]
    return [[int(cell) for cell in line[1:5]] for line in lines]


def linear_decode(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """uint8 [N, H, W, 3]: every frame that the ffmpeg tool shows, in its order."""
    width, height = size
    show = ("-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    data = run_ffmpeg(oracle(), "-threads", "1", "-noautorotate", "-i", str(path), *show)
    return np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)


def numbers_of(frames: Iterable[NDArray[Any]]) -> list[int]:
    """read_number of each."""
    return [read_number(frame) for frame in frames]
