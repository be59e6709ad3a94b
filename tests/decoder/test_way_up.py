"""HDR, pixels that are not square, and scenes, in videos as encoders write them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import hwang
from function.clock import Clock
from function.frames.pictures import pixel_aspect_ratio, tone_map
from function.frames.rows import looks
from function.frames.scenes import find
from function.frames.tone import ToneMap
from function.models.selection import Representative, SceneOptions, Scenes
from tests.decoder.hostile import H264, LAVFI, encode
from tests.support.clips import encoder, run_ffmpeg
from tests.support.shots import FPS, SIZE, Clip

_COLORS = ("-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_range", "tv")
_HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le", "-tag:v", "hvc1")


def of_hdr(path: Path, transfer: str, *more: str) -> Path:
    """A gray ramp of ten bits that says it is of this transfer function."""
    x265 = f"log-level=error:pools=1:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:lossless=1"
    ramp = "gradients=s=512x64:x0=0:x1=511:y0=0:y1=0:c0=black:c1=white:n=2:d=0.4:speed=0.00001"
    said = (*_COLORS, "-color_trc", transfer)
    return encode(path, *LAVFI, ramp, *_HEVC, "-x265-params", x265, *said, *more)


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_hdr_is_known_whatever_the_container_and_shown_in_steps_of_a_few(
    transfer: str, suffix: str, tmp_path: Path
) -> None:
    with hwang.Decoder(of_hdr(tmp_path / f"ramp.{suffix}", transfer)) as decoder:
        tone = tone_map(decoder)
        assert tone
        stored = decoder.frames([0])
        shown = stored.copy()
        tone.convert(shown)
    row = shown[0, 32, :, 1].astype(int)
    assert row[0] <= 1
    assert row[-1] >= 254
    assert np.diff(row).min() >= 0
    assert np.diff(row).max() <= 6  # the ramp itself ascends by up to two
    assert row.mean() > stored[0, 32, :, 1].mean(), "not as dark and gray as the values that are stored"


def test_light_that_is_not_compressed_is_what_a_chain_of_filters_makes_of_it(tmp_path: Path) -> None:
    """Below 88 cd/m²: zscale from PQ and BT.2020 to linear light, to BT.709 and sRGB, with 203 cd/m² as white."""
    pixels = np.random.default_rng(3).integers(0, 126, (1, 64, 96, 3), dtype=np.uint8)
    raw = tmp_path / "pixels.raw"
    pixels.tofile(raw)
    chain = (
        "format=gbrp,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=gbr:range=full,format=gbrpf32le,"
        "zscale=tin=smpte2084:pin=bt2020:min=gbr:rin=full:t=linear:npl=203:p=bt709:m=gbr:r=full,"
        "zscale=t=iec61966-2-1:m=gbr:r=full,format=gbrp,format=rgb24"
    )
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x64", "-i", str(raw))
    made = run_ffmpeg(encoder(), *source, "-vf", chain, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    tone = ToneMap.of("smpte2084", "bt2020")
    assert tone
    tone.convert(pixels)
    difference = np.abs(pixels.astype(int) - np.frombuffer(made, np.uint8).reshape(pixels.shape))
    assert difference.max() <= 2
    assert difference.mean() <= 0.5


def test_the_colors_that_only_the_bitstream_states_are_found(tmp_path: Path) -> None:
    path = of_hdr(tmp_path / "ramp.mp4", "smpte2084", "-movflags", "-write_colr")
    with hwang.Decoder(path) as decoder:
        assert tone_map(decoder)


def test_sdr_has_no_tone(tmp_path: Path) -> None:
    for codec in (H264, (*_HEVC, "-x265-params", "log-level=error:pools=1")):
        path = encode(tmp_path / "sdr.mp4", *LAVFI, "testsrc=s=96x64:d=0.2", *codec)
        with hwang.Decoder(path) as decoder:
            assert tone_map(decoder) is None


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_the_shape_of_a_pixel_is_known_whatever_the_container(suffix: str, tmp_path: Path) -> None:
    path = encode(tmp_path / f"wide.{suffix}", *LAVFI, "testsrc=s=96x64:d=0.2", "-vf", "setsar=4/3", *H264)
    with hwang.Decoder(path) as decoder:
        assert pixel_aspect_ratio(decoder) == Fraction(4, 3)


@pytest.mark.parametrize("seed", [2, 5, 11])
def test_scenes_of_an_encoded_clip_begin_where_they_were_drawn(seed: int, tmp_path: Path) -> None:
    clip, raw, path = Clip(seed), tmp_path / "drawn.raw", tmp_path / "drawn.mp4"
    raw.write_bytes(b"".join(clip.frame(row).tobytes() for row in range(len(clip))))
    said = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", str(FPS), "-i", str(raw))
    encode(path, *said, *H264, "-crf", "28", "-g", "250")
    wanted = Scenes(scenes=SceneOptions())
    with hwang.Decoder(path) as decoder:
        rows = find(wanted, decoder, Clock())
        assert np.isin(rows, looks(wanted, decoder.video_index)).all()
        again = find(wanted, decoder, Clock())
        few = find(Representative(representative=2), decoder, Clock())
    np.testing.assert_array_equal(rows, again)
    firsts = np.array([shot.first for shot in clip.shots])
    shots = np.searchsorted(firsts, rows, "right") - 1
    assert len(set(shots.tolist())) == len(rows) >= 0.9 * len(firsts)
    assert len(few) == 2
