"""Decoder.metadata, as ffprobe of the same release has it."""

from __future__ import annotations

import dataclasses
import json
import struct
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import hwang
from tests.decoder.conftest import MakeClip
from tests.support.clips import BY_NAME, CLIPS, encoder, oracle, run_ffmpeg

RANGES = {"tv": "limited", "pc": "full"}
# The header has none, or counts other times too.
RATES_OFF = {"mpeg2-program-stream", "h264-flv", "av1-ivf", "theora", "mpeg1", "dv"}


def probed(path: Path) -> dict[str, Any]:
    """The facts that ffprobe shows about the first video stream; the colors are those of its first frame."""
    command = [str(Path(oracle()).with_name("ffprobe")), "-v", "error", "-select_streams", "v:0", "-of", "json"]
    show = ("-show_streams", "-show_frames", "-read_intervals", "%+#9")
    shown = json.loads(subprocess.run([*command, *show, str(path)], capture_output=True, check=True).stdout)
    colors = {key: value for key, value in shown["frames"][0].items() if key.startswith("color_")}
    return {**shown["streams"][0], **colors}


@pytest.mark.parametrize("name", [clip.name for clip in CLIPS])
def test_metadata_is_that_of_ffprobe(name: str, clip: MakeClip) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        facts = decoder.metadata
        assert decoder.metadata is facts
    tool = probed(clip(name))
    assert (facts.codec, facts.pixel_format) == (tool["codec_name"], tool["pix_fmt"])
    assert (facts.width, facts.height) == (tool["width"], tool["height"])
    assert facts.bit_depth == (10 if "10" in tool["pix_fmt"] else 5 if "555" in tool["pix_fmt"] else 8)
    assert facts.num_frames == len(BY_NAME[name].numbers)
    assert facts.color[:3] == tuple(tool.get(f"color_{kind}", "unknown") for kind in ("primaries", "transfer", "space"))
    assert facts.color.range == RANGES.get(tool.get("color_range", ""), "unknown")
    turn = sum(int(data.get("rotation", 0)) for data in tool.get("side_data_list", ()))
    assert facts.rotation == -turn % 360
    aspect = tool.get("sample_aspect_ratio", "0:1").replace(":", "/")
    assert (facts.sample_aspect_ratio or 0) == Fraction(aspect)
    assert not facts.is_hdr
    if name.endswith("-raw"):
        return
    assert facts.begin_seconds == pytest.approx(float(tool["start_time"]), abs=0.041)
    if name not in RATES_OFF:
        assert facts.average_fps == pytest.approx(float(Fraction(tool["avg_frame_rate"])), rel=1e-6)
        assert facts.duration_seconds == pytest.approx(float(tool.get("duration", 1.6)), abs=1e-5)
    else:
        assert (facts.average_fps, facts.duration_seconds) == pytest.approx((25, 1.6))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "webm", "avi", "ts"])
def test_the_shape_of_pixels_is_the_containers_or_else_the_streams(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"wide.{suffix}"
    codec = ("-c:v", "libvpx-vp9" if suffix == "webm" else "libx264", "-pix_fmt", "yuv420p")
    run_ffmpeg(encoder(), "-f", "lavfi", "-i", "testsrc=d=0.2:s=48x48,setsar=4/3", *codec, str(path))
    with hwang.Decoder(path) as decoder:
        assert (
            decoder.metadata.sample_aspect_ratio
            == Fraction(4, 3)
            == Fraction(probed(path)["sample_aspect_ratio"].replace(":", "/"))
        )


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_pq_and_hlg_are_hdr(transfer: str, tmp_path: Path) -> None:
    colors = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited:log-level=error"
    source = ("-f", "lavfi", "-i", "testsrc=d=0.2:s=64x48", "-pix_fmt", "yuv420p10le")
    run_ffmpeg(encoder(), *source, "-c:v", "libx265", "-x265-params", colors, str(tmp_path / "hdr.mp4"))
    with hwang.Decoder(tmp_path / "hdr.mp4") as decoder:
        facts = decoder.metadata
    assert facts.is_hdr
    assert (facts.pixel_format, facts.bit_depth) == ("yuv420p10le", 10)
    assert facts.color == hwang.ColorNames("bt2020", transfer, "bt2020nc", "limited")
    with pytest.raises(dataclasses.FrozenInstanceError):
        facts.width = 1  # type: ignore[misc]


def test_metadata_of_a_damaged_start_come_from_a_later_picture(clip: MakeClip) -> None:
    data = bytearray(clip("h264-no-b").read_bytes())
    index = hwang.index_video(bytes(data))
    for sample in range(3):
        start = int(index.sample_offset[sample])
        data[start : start + int(index.sample_size[sample])] = bytes(int(index.sample_size[sample]))
    with hwang.Decoder(bytes(data), index) as decoder:
        assert decoder.metadata.pixel_format == "yuv420p"
    for sample in range(index.samples):
        start = int(index.sample_offset[sample])
        data[start : start + int(index.sample_size[sample])] = bytes(int(index.sample_size[sample]))
    with hwang.Decoder(bytes(data), index) as decoder, pytest.raises(hwang.CorruptMediaError, match="damaged"):
        decoder.metadata  # noqa: B018


def test_a_header_that_lies_changes_neither_rate_nor_duration(clip: MakeClip, tmp_path: Path) -> None:
    data = clip("h264-matroska").read_bytes()
    place = data.index(bytes.fromhex("448988")) + 3  # Matroska's Duration, a float of 8 bytes
    path = tmp_path / "liar.mkv"
    for stated in (1.0, 3_600_000.0):
        path.write_bytes(data[:place] + struct.pack(">d", stated) + data[place + 8 :])
        index = hwang.index_video(path)
        assert (index.fps(), index.duration() / index.timescale()) == pytest.approx((25, 1.6), rel=0.001)
