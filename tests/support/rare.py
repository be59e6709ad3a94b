"""Clips with what few encoders write: repeated pictures, quantizers of parts of pictures, fields, missing cropping."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.support.clips import encoder, numbered_frames, run_ffmpeg
from tests.support.mpeg2fields import field_coded_mpeg2
from tests.support.strange import encoded, remuxed

RARE: dict[str, Callable[[Path], Path]] = {}
"""Make a clip in a folder, by name."""

_SIZE = (128, 96)


def _rare(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    RARE[make.__name__.strip("_").replace("_", "-")] = make
    return make


@_rare
def _several_quantizers(folder: Path) -> Path:
    """Theora that has bits left over, so that its quantizers rise from picture to picture."""
    spread = np.repeat([60.0, 3.0], [4, 44])[:, None, None, None]
    noise = 128 + np.random.default_rng(0).normal(0, 1, (48, *_SIZE[::-1], 1)) * spread
    path, raw = folder / "quantizers.mkv", folder / "quantizers.raw"
    noise.clip(0, 255).astype(np.uint8).repeat(3, 3).tofile(raw)
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "{}x{}".format(*_SIZE), "-r", "25", "-i", str(raw))
    run_ffmpeg(encoder(), *source, "-c:v", "libtheora", "-b:v", "800k", "-g", "48", str(path))
    return path


@_rare
def _shown_again(folder: Path) -> Path:
    """VP9 with samples of one byte: show a reference picture."""
    data = encoded(
        folder, "vp9.ivf", "-c:v", "libvpx-vp9", "-g", "16", "-lag-in-frames", "0", "-threads", "1"
    ).read_bytes()
    samples, at = [], 32
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        samples.append(data[at + 12 : at + 12 + size])
        if len(samples) % 5 == 3:
            samples += [bytes([0x88 | len(samples) % 8])] * 2
        at += 12 + size
    path = folder / "shown-again.ivf"
    frames = (struct.pack("<IQ", len(sample), pts) + sample for pts, sample in enumerate(samples))
    path.write_bytes(data[:32] + b"".join(frames))
    return path


@_rare
def _no_cropping(folder: Path) -> Path:
    """H.264 of whole macroblocks in a container that states what is to be seen, as a camera of Canon's has it."""
    x264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "12")
    cropped = encoded(folder, "cropped.mp4", *x264, size=(180, 116))
    return remuxed(cropped, folder / "uncropped.mp4", "-bsf:v", "h264_metadata=crop_right=0:crop_bottom=0")


@_rare
def _comment_at_the_end(folder: Path) -> Path:
    data = encoded(folder, "plain.gif", "-c:v", "gif").read_bytes()
    path = folder / "commented.gif"
    path.write_bytes(data[:-1] + b"!\xfe\x05hello\0" + data[-1:])
    return path


@_rare
def _field_pictures(folder: Path) -> Path:
    path = folder / "fields.m2v"
    path.write_bytes(field_coded_mpeg2(numbered_frames(24, _SIZE)[..., 0]))
    return path


@_rare
def _field_pictures_in_a_program_stream(folder: Path) -> Path:
    return remuxed(_field_pictures(folder), folder / "fields.mpg", before=("-fflags", "+genpts", "-r", "25"))


@_rare
def _leading_pictures_first(folder: Path) -> Path:
    """MPEG-2 cut in front of its second group, which says that its first pictures lean on nothing before it."""
    options = ("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-q:v", "3", "-sc_threshold", "1000000000")
    data = encoded(folder, "groups.m2v", *options).read_bytes()
    second = data.index(b"\0\0\1\xb3", 4)
    group = data.index(b"\0\0\1\xb8", second)
    closed = bytes([data[group + 7] | 0x40])
    path = folder / "second-group.m2v"
    path.write_bytes(data[second : group + 7] + closed + data[group + 8 :])
    return path


# Two pictures get times behind the next one, which their sequence gives the decoder no room to wait for.
_LATE = "setts=pts=PTS+1229*eq(N\\,3)+1638*eq(N\\,4)"


@_rare
def _late_pictures_hevc(folder: Path) -> Path:
    x265 = ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params")
    options = "log-level=error:pools=1:bframes=1:b-adapt=0:scenecut=0:keyint=48"
    return remuxed(encoded(folder, "in-time-hevc.mp4", *x265, options), folder / "late-hevc.mp4", "-bsf:v", _LATE)


@_rare
def _late_pictures_h264(folder: Path) -> Path:
    x264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", "bframes=1:b-adapt=0:scenecut=0:keyint=48")
    return remuxed(encoded(folder, "in-time-h264.mp4", *x264), folder / "late-h264.mp4", "-bsf:v", _LATE)


@_rare
def _late_before_a_key_frame(folder: Path) -> Path:
    x264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", "bframes=1:b-adapt=0:scenecut=0:keyint=4")
    in_time = encoded(folder, "in-time-groups.mp4", *x264)
    return remuxed(in_time, folder / "late-groups.mp4", "-bsf:v", "setts=pts=PTS+768*eq(N\\,3)")
