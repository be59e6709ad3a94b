"""AV1: frames that the wanted pictures do not depend on are left out, hidden ones too, and nobody sees a difference."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hwang
from tests.decoder.hostile import LAVFI, encode
from tests.support.clips import linear_decode

SIZE = (192, 128)
FRAMES = 50
SCENE = (*LAVFI, f"testsrc2=s={SIZE[0]}x{SIZE[1]}:r=25,noise=alls=12:allf=t,format=yuv420p", "-frames:v", str(FRAMES))


def _svt(preset: int, params: str = "", *more: str) -> tuple[str, ...]:
    return (
        "-c:v",
        "libsvtav1",
        "-preset",
        str(preset),
        "-crf",
        "45",
        "-svtav1-params",
        f"lp=1:keyint=40:{params}",
        *more,
    )


def _aom(*more: str) -> tuple[str, ...]:
    fast = ("-cpu-used", "8", "-crf", "45", "-g", "40", "-threads", "1")
    return "-c:v", "libaom-av1", *fast, *more


# Name: encoder, container, and whether it makes frames that can be left out of a request for one row.
STREAMS: dict[str, tuple[tuple[str, ...], str, bool]] = {
    "svt-preset-4": (_svt(4), "mp4", True),
    "svt-preset-8": (_svt(8), "mp4", True),
    "svt-preset-12": (_svt(12), "mkv", True),
    "svt-3-levels": (_svt(10, "hierarchical-levels=2"), "mp4", True),
    "svt-6-levels": (_svt(10, "hierarchical-levels=5"), "mp4", True),
    "svt-low-delay": (_svt(10, "pred-struct=1"), "mp4", True),
    "svt-open-gop": (_svt(10, "irefresh-type=1"), "mp4", True),
    "svt-film-grain": (_svt(10, "film-grain=10"), "mp4", True),
    "svt-screen-content": (_svt(8, "scm=1"), "mp4", True),
    "svt-superres": (_svt(10, "superres-mode=2"), "mp4", True),
    "svt-larger-maximum": (_svt(10, "forced-max-frame-width=4096:forced-max-frame-height=2304"), "mp4", True),
    "svt-larger-maximum-matroska": (_svt(10, "forced-max-frame-width=4096:forced-max-frame-height=2304"), "mkv", True),
    "svt-s-frames": (_svt(10, "pred-struct=1:sframe-dist=16:sframe-mode=1"), "mp4", True),
    "svt-raw": (_svt(10), "obu", True),
    "svt-tiles": (_svt(10, "tile-columns=1:tile-rows=1"), "ivf", True),
    "svt-10bit": (_svt(10, "", "-pix_fmt", "yuv420p10le"), "mp4", True),
    "svt-fragments": (_svt(10, "", "-movflags", "+frag_keyframe+empty_moov"), "mp4", True),
    "aom": (_aom(), "mp4", True),
    "aom-alt-ref": (_aom("-lag-in-frames", "25", "-auto-alt-ref", "1"), "mkv", True),
    "aom-resilient": (_aom("-error-resilience", "default"), "mp4", True),
    "aom-frame-parallel": (_aom("-frame-parallel", "1"), "mp4", True),
    "aom-realtime": (_aom("-usage", "realtime", "-lag-in-frames", "0"), "ivf", False),
    "aom-film-grain": (_aom("-aom-params", "film-grain-test=1"), "mp4", True),
    "rav1e": (("-c:v", "librav1e", "-speed", "10", "-qp", "150", "-g", "40"), "mp4", True),
}

Make = Callable[[str], Path]


@pytest.fixture(scope="session")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes one of STREAMS, once."""
    directory = tmp_path_factory.mktemp("av1")

    def make(name: str) -> Path:
        arguments, container, _ = STREAMS[name]
        path = directory / f"{name}.{container}"
        return path if path.exists() else encode(path, *SCENE, *arguments)

    return make


@pytest.mark.parametrize("name", STREAMS)
def test_av1_frames_that_nothing_needs_are_left_out(name: str, stream: Make) -> None:
    path = stream(name)
    truth = linear_decode(path, SIZE)
    choices = random.Random(name)  # noqa: S311
    requests = [[row] for row in range(len(truth))]
    requests += [sorted(choices.sample(range(len(truth)), count)) for count in (2, 5, 20)]
    choices.shuffle(requests)
    for threads in (1, 2):
        with hwang.Decoder(path, threads=threads) as decoder:
            assert len(decoder) == len(truth)
            for rows in requests:
                np.testing.assert_array_equal(decoder.frames(rows), truth[rows], err_msg=f"{name}, rows {rows}")
            stats = decoder.stats
        assert (stats.samples_skipped > 0) == STREAMS[name][2]
    with hwang.Decoder(path) as decoder:
        every_third = list(decoder.iter_frames(range(0, len(truth), 3)))
    np.testing.assert_array_equal(every_third, truth[::3])


def test_a_frame_behind_forty_others_costs_a_few(stream: Make) -> None:
    with hwang.Decoder(stream("svt-6-levels")) as decoder:
        decoder.frames([38])
        assert decoder.stats.samples_decoded <= 10
        assert decoder.stats.samples_skipped >= 24
