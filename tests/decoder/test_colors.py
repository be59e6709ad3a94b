"""What a video says of its colors: only the matrix and the range count, as for the ffmpeg tool."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.hostile import H264, LAVFI, encode
from tests.support.clips import linear_decode

SIZE = (160, 96)


@pytest.mark.parametrize(
    "said",
    [
        "colorprim=bt2020",
        "transfer=smpte2084",
        "colormatrix=bt2020nc",
        "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc",
        "colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc",
        "colorprim=bt470bg:transfer=bt470bg:colormatrix=bt470bg",
        "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m",
        "colorprim=smpte432:transfer=iec61966-2-1:colormatrix=bt709",
    ],
)
@pytest.mark.parametrize("depth", ["yuv420p", "yuv420p10le"])
def test_no_color_is_mapped(said: str, depth: str, tmp_path: Path) -> None:
    source = (*LAVFI, "testsrc2=d=0.2:s=160x96", *H264, "-pix_fmt", depth, "-x264-params", said)
    path = encode(tmp_path / "colors.mp4", *source)
    with hwang.Decoder(path) as decoder:
        np.testing.assert_array_equal(decoder.frames(range(5)), linear_decode(path, SIZE))
