"""Raw streams state no times: rows work, times are NaN or an error that names fps=, and fps= gives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hwang
from hwang.cli.main import ExitCode, main
from tests.decoder.conftest import MakeClip, Truth
from tests.support.clips import encoder, linear_decode, make_clip, run_ffmpeg

RAW = {
    "h264": ("h264-closed-gop", "h264"),
    "hevc": ("hevc-open-gop", "hevc"),
    "mpegvideo": ("mpeg2-mp4", "m2v"),
    "obu": ("av1", "obu"),
}
WITH_CLOCK = (
    "av1-ivf",
    "mpeg4-b-frames",
    "h264-flv",
    "h264-mpegts",
    "mpeg2-program-stream",
    "h264-matroska",
    "vp8-alt-ref",
)
Request = Callable[[hwang.Decoder], Any]
BY_TIME: dict[str, Request] = {
    "frames_at": lambda decoder: decoder.frames_at(0.5),
    "frames_between": lambda decoder: decoder.frames_between(0, 1),
    "every": lambda decoder: list(decoder.iter_frames(hwang.every(1))),
    "nearest keyframe": lambda decoder: decoder.plan(hwang.nearest_keyframe([0])),
    "rows_at": lambda decoder: decoder.video_index.rows_at(0),
}


@pytest.fixture(scope="session", params=RAW)
def raw(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw stream of 40 frames."""
    name, suffix = RAW[request.param]
    directory = tmp_path_factory.mktemp("raw")
    path = directory / f"stream.{suffix}"
    run_ffmpeg(encoder(), "-i", str(make_clip(name, directory)), "-c", "copy", "-bitexact", str(path))
    return path


def test_rows_work_and_times_are_not_a_number(raw: Path) -> None:
    with hwang.Decoder(raw) as decoder:
        np.testing.assert_array_equal(decoder[:], linear_decode(raw, (160, 96)))
        index = hwang.VideoIndex.deserialize(decoder.video_index.serialize())
        assert index.clockless
        assert np.isnan(index.timestamps()).all()
        timed = decoder.frames([3, 4], with_times=True)
        assert np.isnan([timed.seconds, timed.durations]).all()
        assert np.isnan([decoder.metadata.average_fps, decoder.metadata.duration_seconds]).all()
        assert "no clock" in repr(decoder)
        assert len(decoder.frames(hwang.count(3))) == 3


@pytest.mark.parametrize("ask", BY_TIME.values(), ids=BY_TIME)
def test_a_request_by_time_names_the_remedy(ask: Request, raw: Path) -> None:
    with hwang.Decoder(raw) as decoder, pytest.raises(hwang.ClockError, match="fps="):
        ask(decoder)


def test_a_rate_gives_them_times(raw: Path) -> None:
    truth = linear_decode(raw, (160, 96))
    for decoder in (
        hwang.Decoder(raw, fps=(30000, 1001)),
        hwang.Decoder(raw, hwang.index_video(raw), fps=30000 / 1001),
    ):
        np.testing.assert_allclose(decoder.video_index.timestamps(), np.arange(40) * 1001 / 30000)
        np.testing.assert_array_equal(decoder.frames_at([1.0, 0.05]), truth[[29, 1]])
        assert decoder.metadata.average_fps == pytest.approx(30000 / 1001)
        assert decoder.metadata.duration_seconds == pytest.approx(40 * 1001 / 30000)
    assert hwang.index_video(raw, fps=50).fps() == 50


@pytest.mark.parametrize("name", WITH_CLOCK)
def test_other_containers_have_a_clock(name: str, clip: MakeClip, truth: Truth) -> None:
    with hwang.Decoder(clip(name)) as decoder:
        start = decoder.metadata.begin_seconds
        np.testing.assert_array_equal(decoder.frames_at(start + 0.5), truth(name)[[12]])
    with pytest.raises(hwang.ClockError, match="raw streams"):
        hwang.Decoder(clip(name), fps=25)


@pytest.mark.parametrize("fps", [0, -1, (25, 0), "25 a second"])
def test_a_rate_that_is_none_is_refused_before_anything_is_read(fps: Any) -> None:
    with pytest.raises(ValueError, match="frames per second"):
        hwang.Decoder("no such file", fps=fps)


def test_the_command_line_takes_a_rate(raw: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["info", str(raw)]) == ExitCode.OK
    assert "\nfps               unknown\n" in capsys.readouterr().out
    assert main(["plan", str(raw), "0.5s"]) == ExitCode.USAGE
    assert "fps=" in capsys.readouterr().err
    assert main(["info", str(raw), "--fps", "30000/1001"]) == ExitCode.OK
    assert "\nfps               29.97003\nduration seconds  1.334667\n" in capsys.readouterr().out
    index = tmp_path / "raw.hwang"
    assert main(["index", str(raw), "-o", str(index)]) == ExitCode.OK
    for command in (["plan", str(raw), "0.5s"], ["frames", str(raw), "0.5s", "-o", str(tmp_path / "a.npy")]):
        assert main([*command, "--fps", "25", "--index", str(index)]) == ExitCode.OK
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), linear_decode(raw, (160, 96))[[12]])
    for rate in ("0", "fast", "25/0"):
        with pytest.raises(SystemExit):
            main(["info", str(raw), "--fps", rate])
