"""Clips as phones, cameras and muxers make them, that need more than an encoder's options: joined, patched, retimed."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import hwang
from tests.support.boxes import Movie, box, full, table, u32
from tests.support.clips import BY_NAME, FRAMES, encoder, make_clip, numbered_frames, run_ffmpeg
from tests.support.patch import body, put_numbers

Recipe = Callable[[Path], Path]

RECIPES: dict[str, Recipe] = {}
"""Make a clip in a folder, by name."""

_X264 = ("-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-pix_fmt", "yuv420p")
_GOP = "keyint=12:min-keyint=12:scenecut=0:bframes=2:b-adapt=0"


def _recipe(name: str, function: Callable[..., Path], *arguments: object) -> None:
    RECIPES[name] = lambda folder: function(folder, name, *arguments)


def encoded(folder: Path, name: str, *arguments: str, size: tuple[int, int] = (192, 128)) -> Path:
    """The numbered frames, encoded to the file `name`."""
    path, raw = folder / name, folder / f"{name}.raw"
    if not path.exists():
        numbered_frames(FRAMES, size).tofile(raw)
        source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", "25", "-i", str(raw))
        run_ffmpeg(encoder(), *source, *arguments, "-bitexact", str(path))
        raw.unlink()
    return path


def remuxed(source: Path, target: Path, *arguments: str, before: tuple[str, ...] = ()) -> Path:
    """The same samples in another file."""
    if not target.exists():
        run_ffmpeg(encoder(), *before, "-i", str(source), "-c", "copy", *arguments, "-bitexact", str(target))
    return target


# Container cropping: clean apertures, and Matroska's PixelCrop elements.


def with_clean_aperture(data: bytes, entry: bytes, numbers: tuple[int, ...]) -> bytes:
    """Add a clap box to the sample entry of an MP4 whose header is at the end."""
    end = body(data, entry).stop
    clap = struct.pack(">I4s8i", 40, b"clap", *numbers)
    data = data[:end] + clap + data[end:]
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", entry):
        at = body(data, kind).start - 8
        data = data[:at] + (int.from_bytes(data[at : at + 4], "big") + len(clap)).to_bytes(4, "big") + data[at + 4 :]
    return data


def _clean_aperture(
    folder: Path, name: str, entry: bytes, arguments: tuple[str, ...], numbers: tuple[int, ...]
) -> Path:
    suffix = Path(name).suffix
    if suffix != ".mkv":
        path = folder / name
        path.write_bytes(
            with_clean_aperture(encoded(folder, f"{name}.whole{suffix}", *arguments).read_bytes(), entry, numbers)
        )
        return path
    cropped = folder / f"{name}.cropped.mp4"
    whole = encoded(folder, f"{name}.whole.mp4", *arguments)
    cropped.write_bytes(with_clean_aperture(whole.read_bytes(), entry, numbers))
    return remuxed(cropped, folder / name)


_MJPEG = ("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt")
for _name, _numbers in {
    "centered": (176, 1, 112, 1, 0, 1, 0, 1),
    "aside": (100, 1, 60, 1, 8, 1, -6, 1),
    "odd": (177, 1, 113, 1, 0, 1, 0, 1),
    "fractions": (175, 1, 111, 1, -3, 2, 5, 2),
    "one-column": (190, 1, 128, 1, -1, 1, 0, 1),
    "impossible": (400, 1, 112, 1, 0, 1, 0, 1),
}.items():
    _recipe(f"clap-{_name}.mp4", _clean_aperture, b"avc1", (*_X264, "-g", "12"), _numbers)
_ODD = (175, 1, 111, 1, 0, 1, 0, 1)
_recipe("clap-prores.mov", _clean_aperture, b"apco", ("-c:v", "prores_ks", "-profile:v", "0"), _ODD)
_recipe("clap-mjpeg-420.mov", _clean_aperture, b"jpeg", (*_MJPEG, "yuvj420p"), _ODD)
_recipe("clap-mjpeg-444.mov", _clean_aperture, b"jpeg", (*_MJPEG, "yuvj444p"), _ODD)
_recipe("crop.mkv", _clean_aperture, b"avc1", (*_X264, "-g", "12"), (100, 1, 60, 1, 8, 1, -6, 1))

# Cropping in the coded video, by odd numbers too, which must not be rounded to whole vectors.

_recipe(
    "crop-in-sps-420.mp4",
    encoded,
    *(*_X264, "-bsf:v", "h264_metadata=crop_left=6:crop_right=4:crop_top=2:crop_bottom=8"),
)
_recipe(
    "crop-in-sps-444.mp4",
    encoded,
    *(
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv444p",
        "-bsf:v",
        "h264_metadata=crop_left=5:crop_right=4:crop_top=3:crop_bottom=8",
    ),
)
_recipe(
    "crop-in-sps-hevc.mp4",
    encoded,
    *("-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=error:pools=1"),
    *("-bsf:v", "hevc_metadata=crop_left=6:crop_right=4:crop_top=2:crop_bottom=8"),
)

# HDR with messages about the display that it was mastered on.

_DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
for _transfer in ("smpte2084", "arib-std-b67"):
    for _suffix in ("mp4", "mkv", "ts"):
        _recipe(
            f"hdr-{_transfer}.{_suffix}",
            encoded,
            *("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-x265-params"),
            f"log-level=error:pools=1:keyint=12:hdr10=1:colorprim=bt2020:transfer={_transfer}:colormatrix=bt2020nc:"
            f"master-display={_DISPLAY}:max-cll=1000,400",
        )
for _suffix in ("mp4", "mkv"):
    _recipe(
        f"hdr-av1.{_suffix}",
        encoded,
        *("-c:v", "libsvtav1", "-preset", "12", "-g", "16", "-pix_fmt", "yuv420p10le", "-svtav1-params"),
        "lp=1:enable-hdr=1:color-primaries=9:transfer-characteristics=16:matrix-coefficients=9:"
        "mastering-display=G(0.265,0.69)B(0.15,0.06)R(0.68,0.32)WP(0.3127,0.329)L(1000.0,0.0001):content-light=1000,400",
    )

# Parameter sets that change in band: streams one after another, each with its sets once.

_SET_TYPES = {"h264": (7, 8), "hevc": (32, 33, 34)}


def with_sets_once(stream: bytes, codec: str) -> bytes:
    """An H.264 or HEVC stream behind start codes, with its first parameter sets only."""
    seen, kept = set(), b""
    for unit in filter(None, re.split(b"\0\0\0\1|\0\0\1", stream)):
        kind = unit[0] & 31 if codec == "h264" else unit[0] >> 1 & 63
        if kind in _SET_TYPES.get(codec, ()):
            if kind in seen:
                continue
            seen.add(kind)
        kept += b"\0\0\0\1" + unit
    return kept


def _joined(folder: Path, name: str, codec: str, kind: str, parts: tuple[tuple[str, ...], ...]) -> Path:
    streams = [encoded(folder, f"{name}.{number}.{kind}", *part).read_bytes() for number, part in enumerate(parts)]
    raw = folder / f"{name}.joined.{kind}"
    raw.write_bytes(b"".join(with_sets_once(s, codec) if codec in _SET_TYPES else s for s in streams))
    if Path(name).suffix == f".{kind}":
        return raw
    times = () if name.endswith((".mp4", ".avi")) else ("-bsf:v", "setts=ts=N")
    return remuxed(raw, folder / name, *times, before=("-r", "25"))


def _x264(*more: str, params: str) -> tuple[str, ...]:
    return (*_X264, *more, "-x264-params", f"{_GOP}:{params}")


def _x265(params: str) -> tuple[str, ...]:
    return (
        *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params"),
        f"log-level=error:pools=1:repeat-headers=1:keyint=12:min-keyint=12:bframes=2:{params}",
    )


_OFFSETS = (_x264(params="chroma-qp-offset=0"), _x264(params="chroma-qp-offset=-12"))
_CAVLC = (_x264("-qp", "18", params="cabac=0"), _x264("-qp", "40", params="cabac=0"))
_HEVC = (_x265("cbqpoffs=0:crqpoffs=0"), _x265("cbqpoffs=-12:crqpoffs=-12:no-sao=1"))
for _suffix in ("h264", "mp4", "mov", "mkv", "ts"):
    _recipe(f"two-offsets.{_suffix}", _joined, "h264", "h264", _OFFSETS)
    _recipe(f"there-and-back.{_suffix}", _joined, "h264", "h264", (*_OFFSETS, _OFFSETS[0]))
    _recipe(f"two-quantizers.{_suffix}", _joined, "h264", "h264", _CAVLC)
for _suffix in ("hevc", "mp4", "mkv", "ts"):
    _recipe(f"two-hevc.{_suffix}", _joined, "hevc", "hevc", _HEVC)
_MATRIX = ",".join(["8", *["90"] * 63])
_MPEG = ("-g", "12", "-bf", "2", "-q:v", "4")
for _codec, _kind, _suffixes in (("mpeg2video", "m2v", "m2v mp4 ts avi"), ("mpeg4", "m4v", "m4v mp4 mkv avi")):
    _plain = ("-c:v", _codec, *_MPEG)
    _other = (
        (*_plain, "-mpeg_quant", "1", "-intra_matrix", _MATRIX)
        if _codec == "mpeg4"
        else (*_plain, "-intra_matrix", _MATRIX)
    )
    for _suffix in _suffixes.split():
        _recipe(f"two-matrices-{_codec}.{_suffix}", _joined, _codec, _kind, (_plain, _other))

# Several sample descriptions in one track, as MP4Box -cat writes them.


def concatenated(parts: Sequence[Path]) -> bytes:
    """One MP4 of several of equal timing, each with its own sample description."""
    indexes = [hwang.index_video(part) for part in parts]
    files = [part.read_bytes() for part in parts]
    pieces, offsets, described, compositions, syncs = [], [], [], [], []
    chunk, start = 1, 8
    for number, (index, file) in enumerate(zip(indexes, files, strict=True), 1):
        described.append((chunk, 1, number))
        syncs += [(chunk + sample,) for sample in index.keyframe_indices()]
        for offset, size in zip(index.sample_offsets(), index.sample_sizes(), strict=True):
            pieces.append(file[offset : offset + size])
            offsets.append((start,))
            start += size
            chunk += 1
        compositions += [(1, int(pts - dts)) for pts, dts in zip(index.pts, index.dts - index.dts[0], strict=True)]
    entries = b"".join(file[body(file, b"stsd").start + 8 : body(file, b"stsd").stop] for file in files)
    duration = int(indexes[0].dts[1] - indexes[0].dts[0])
    tables = {
        b"stsd": full(b"stsd", u32(len(parts)), entries),
        b"stts": table(b"stts", [(chunk - 1, duration)]),
        b"ctts": table(b"ctts", compositions),
        b"stss": table(b"stss", syncs),
        b"stsc": table(b"stsc", described),
        b"stsz": full(b"stsz", u32(0, chunk - 1), *(u32(len(piece)) for piece in pieces)),
        b"stco": table(b"stco", offsets),
    }
    track = files[0][body(files[0], b"tkhd").start - 8 : body(files[0], b"tkhd").stop]
    media = files[0][body(files[0], b"mdhd").start - 8 : body(files[0], b"mdhd").stop]
    handler = files[0][body(files[0], b"hdlr").start - 8 : body(files[0], b"hdlr").stop]
    information = box(b"minf", full(b"vmhd", bytes(8), flags=1), box(b"stbl", *tables.values()))
    movie = files[0][body(files[0], b"mvhd").start - 8 : body(files[0], b"mvhd").stop]
    return box(b"mdat", *pieces) + box(b"moov", movie, box(b"trak", track, box(b"mdia", media, handler, information)))


def _described(folder: Path, name: str, *parts: tuple[str, ...]) -> Path:
    path = folder / name
    files = [encoded(folder, f"{name}.{number}.mp4", *part) for number, part in enumerate(parts)]
    path.write_bytes(concatenated(files))
    return path


_recipe("two-descriptions.mp4", _described, *_OFFSETS)
_recipe("three-descriptions.mp4", _described, *_OFFSETS, _OFFSETS[0])
_recipe("two-descriptions-cavlc.mp4", _described, *_CAVLC)
_recipe("two-descriptions-hevc.mp4", _described, *((*part, "-tag:v", "hvc1") for part in _HEVC))
_recipe(
    "two-descriptions-mpeg4.mp4", _described, ("-c:v", "mpeg4", *_MPEG), ("-c:v", "mpeg4", *_MPEG, "-mpeg_quant", "1")
)

# Timestamps that contradict the order in which the pictures are shown.


def _retimed(folder: Path, name: str, clip: str, filter_: str) -> Path:
    return remuxed(make_clip(clip, folder), folder / name, "-bsf:v", filter_)


for _suffix in ("mp4", "mkv", "ts", "flv"):
    _recipe(f"pts-are-dts.{_suffix}", _retimed, "h264-closed-gop", "setts=pts=DTS")
_recipe("pts-are-dts-hevc.mp4", _retimed, "hevc-open-gop", "setts=pts=DTS")
_recipe("pts-are-dts-mpeg4.mp4", _retimed, "mpeg4-mp4", "setts=pts=DTS")
_recipe("pts-are-dts-mpeg2.mp4", _retimed, "mpeg2-mp4", "setts=pts=DTS")
for _suffix in ("mp4", "mkv"):
    _recipe(f"equal-pts.{_suffix}", _retimed, "h264-closed-gop", "setts=pts=PTS-mod(PTS\\,2560)")


def _no_durations(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(put_numbers(make_clip("h264-closed-gop", folder).read_bytes(), b"stts", 8, FRAMES, 0))
    return path


_recipe("all-at-once.mp4", _no_durations)

_B_FRAMES = ("-x264-params", f"{_GOP}:b-pyramid=normal")
_recipe("cut-in-groups.mp4", encoded, *_X264, *_B_FRAMES, "-movflags", "frag_keyframe", "-frag_duration", "200000")
_recipe("a-fragment-each.mp4", encoded, *_X264, *_B_FRAMES, "-movflags", "frag_every_frame+negative_cts_offsets")

_recipe("b-frames.mxf", encoded, *_X264, *_B_FRAMES)

# Fields as pictures of their own, in the order that the container states.


def _fields(folder: Path, name: str, order: bytes) -> Path:
    def picture(pixels: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=95)
        return file.getvalue()

    samples = []
    for frame in numbered_frames(4, (64, 48)):
        frame[0::2] //= 2
        samples.append(picture(frame[0::2]) + picture(frame[1::2]))
    movie = Movie([len(sample) for sample in samples], sync=None, entry=b"jpeg", inside=box(b"fiel", order)).build()
    path = folder / name
    path.write_bytes(movie[: movie.rindex(b"mdat") + 4] + b"".join(samples))
    return path


for _order in (b"\1\0", b"\2\1", b"\2\6", b"\2\x09", b"\2\x0e"):
    _recipe(f"fields-{_order.hex()}.mov", _fields, _order)

# Sizes that the container misstates.


def _misstated(folder: Path, name: str, clip: str, entry: bytes, size: tuple[int, int]) -> Path:
    path = folder / name
    path.write_bytes(put_numbers(make_clip(clip, folder).read_bytes(), entry, 24, *size, size=2))
    return path


_recipe("smaller-stated.mp4", _misstated, "h264-closed-gop", b"avc1", (64, 48))
_recipe("larger-stated.mp4", _misstated, "hevc-10bit", b"hvc1", (640, 480))
_recipe("smaller-stated-mjpeg.mov", _misstated, "mjpeg-mov", b"jpeg", (64, 48))
_recipe("larger-stated-prores.mov", _misstated, "prores", b"apco", (640, 480))
_recipe("larger-stated-vp9.mp4", _misstated, "vp9-mp4", b"vp09", (640, 480))
_recipe("smaller-stated-av1.mp4", _misstated, "av1", b"av01", (64, 48))

assert not set(RECIPES) & set(BY_NAME)
