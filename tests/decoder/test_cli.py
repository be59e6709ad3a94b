"""The command line as a shell runs it: files on disk, exit codes, terminals, signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.decoder.conftest import MakeClip, Truth
from tests.support.clips import read_number

SECONDS = 120


def hwang(*argv: str | Path, cwd: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hwang", *map(str, argv)]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False, **more
    )


def environment(**more: str) -> dict[str, str]:
    """This process's, with hwang importable from any directory."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **more}


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_images_are_the_frames_bit_for_bit(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    done = hwang("frames", clip("h264-open-gop"), "5,0,5,33", "-o", "out/{row:04d}.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nframes           3\n" in done.stdout
    assert names(tmp_path / "out") == ["0000.png", "0005.png", "0033.png"]
    for row in (0, 5, 33):
        np.testing.assert_array_equal(pixels(tmp_path / f"out/{row:04d}.png"), truth("h264-open-gop")[row])


def test_an_array_holds_the_frames_in_the_order_asked_for(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    done = hwang("frames", clip("hevc-open-gop"), "20:30:3,7,7,0", "-o", "a.npy", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [20, 23, 26, 29, 7, 7, 0]
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), truth("hevc-open-gop")[rows])
    result = json.loads(done.stdout)
    assert (result["frames"], result["corrupt_rows"]) == (7, [])
    assert names(tmp_path) == ["a.npy"]


@pytest.mark.parametrize("name", ["vp9", "mpeg4-b-frames", "h264-fragmented"])
def test_all_rows_of_any_container(name: str, clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    assert hwang("frames", clip(name), "all", "-o", "a.npy", cwd=tmp_path).returncode == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), truth(name))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["keyframes"], [0, 12, 24, 36]),
        (["0.2s,1s"], [5, 25]),
        (["--every", "0.4"], [0, 10, 20, 30]),
    ],
)
def test_rows_by_kind_and_time(rows: list[str], expected: list[int], clip: MakeClip, tmp_path: Path) -> None:
    done = hwang("frames", clip("h264-closed-gop"), *rows, "-o", "out/", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "out") == [f"{row:06d}.png" for row in expected]
    assert [read_number(pixels(path)) for path in sorted((tmp_path / "out").iterdir())] == expected


@pytest.mark.parametrize(("suffix", "kind"), [("jpg", "JPEG"), ("webp", "WEBP"), ("PNG", "PNG")])
def test_the_suffix_is_the_format(suffix: str, kind: str, clip: MakeClip, tmp_path: Path) -> None:
    done = hwang("frames", clip("h264-no-b"), "9", "-o", f"one.{suffix}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / f"one.{suffix}") as image:
        assert (image.format, read_number(np.asarray(image.convert("RGB")))) == (kind, 9)


@pytest.mark.parametrize(
    ("options", "shape", "dtype"),
    [
        (["--max-side", "80"], (1, 48, 80, 3), np.uint8),
        (["--width", "80"], (1, 48, 80, 3), np.uint8),
        (["--width", "80", "--height", "80"], (1, 80, 80, 3), np.uint8),
        (["--pixel-format", "gray8"], (1, 96, 160), np.uint8),
        (["--pixel-format", "rgb48"], (1, 96, 160, 3), np.uint16),
    ],
)
def test_size_and_pixel_format(
    options: list[str], shape: tuple[int, ...], dtype: type, clip: MakeClip, tmp_path: Path
) -> None:
    done = hwang("frames", clip("h264-no-b"), "9", "-o", "a.npy", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    array = np.load(tmp_path / "a.npy")
    assert (array.shape, array.dtype) == (shape, dtype)


def test_gray_images(clip: MakeClip, tmp_path: Path) -> None:
    assert (
        hwang("frames", clip("h264-no-b"), "9", "-o", "g.png", "--pixel-format", "gray8", cwd=tmp_path).returncode == 0
    )
    assert read_number(pixels(tmp_path / "g.png")) == 9
    assert pixels(tmp_path / "g.png").ndim == 2


@pytest.mark.parametrize("options", [("--width", "80", "--max-side", "80"), ("--width", "0"), ("--quality", "101")])
def test_sizes_and_qualities_that_make_no_sense_are_a_usage_error(
    options: tuple[str, ...], clip: MakeClip, tmp_path: Path
) -> None:
    done = hwang("frames", clip("h264-no-b"), "9", "-o", "a.npy", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("hwang: ")
    assert names(tmp_path) == []


def test_a_video_from_standard_input(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    with clip("h264-matroska").open("rb") as video:
        done = hwang("frames", "-", "3", "-o", "a.npy", cwd=tmp_path, stdin=video)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), truth("h264-matroska")[[3]])


def test_an_index_spares_making_it_again(clip: MakeClip, truth: Truth, tmp_path: Path) -> None:
    assert hwang("index", clip("mpeg4-b-frames"), "-o", "i", cwd=tmp_path).returncode == 0
    done = hwang("frames", clip("mpeg4-b-frames"), "8", "--index", "i", "-o", "a.npy", "--json", cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), truth("mpeg4-b-frames")[[8]])
    assert json.loads(done.stdout)["samples_decoded"] < 40


@pytest.fixture
def damaged(clip: MakeClip, tmp_path: Path) -> Path:
    """The end is missing, of the last groups of pictures."""
    whole = clip("h264-faststart").read_bytes()
    path = tmp_path / "damaged.mp4"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    return path


def test_of_a_damaged_video_the_good_frames_are_written_and_the_others_named(
    damaged: Path, truth: Truth, tmp_path: Path
) -> None:
    images = hwang("frames", damaged, "all", "-o", "out/{row}.png", "--json", cwd=tmp_path)
    array = hwang("frames", damaged, "39,0,20,0,38", "-o", "a.npy", cwd=tmp_path)
    assert (images.returncode, array.returncode) == (1, 1)
    assert images.stderr.startswith("hwang: damaged and left out: ")
    corrupt = json.loads(images.stdout)["corrupt_rows"]
    good = sorted(set(range(40)) - set(corrupt))
    assert 15 < len(good) < 40
    assert names(tmp_path / "out") == sorted(f"{row}.png" for row in good)
    for row in good:
        np.testing.assert_array_equal(pixels(tmp_path / f"out/{row}.png"), truth("h264-faststart")[row])
    kept = [row for row in (39, 0, 20, 0, 38) if row in good]
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), truth("h264-faststart")[kept])


@pytest.mark.parametrize("output", ["a.npy", "{row}.png"])
def test_where_all_is_damaged_nothing_is_written(output: str, damaged: Path, tmp_path: Path) -> None:
    done = hwang("frames", damaged, "38,39", "-o", output, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("hwang: ")
    assert names(tmp_path) == ["damaged.mp4"]


def test_what_is_no_video_is_a_media_error(tmp_path: Path) -> None:
    (tmp_path / "page.mp4").write_bytes(b"<!DOCTYPE html><html><body>404</body></html>")
    for argv in (["info", "page.mp4"], ["frames", "page.mp4", "0", "-o", "a.npy"]):
        done = hwang(*argv, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("hwang: ")
        assert done.stderr.count("\n") == 1
    assert names(tmp_path) == ["page.mp4"]


def test_the_reader_of_the_output_may_leave_early(clip: MakeClip, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hwang", "plan", str(clip("h264-all-intra")), "all", "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_no_partial_file(number: int, code: int, clip: MakeClip, tmp_path: Path) -> None:
    """The same rows over and over: long enough to be interrupted, however fast the machine."""
    rows = ",".join(["0:40"] * 2000)
    command = [sys.executable, "-m", "hwang", "frames", str(clip("h264-all-intra")), rows, "-o", "a.npy"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + SECONDS
        while not names(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert process.poll() is None
        process.send_signal(number)
        _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == code
    assert errors == ("hwang: interrupted\n" if number == signal.SIGINT else "")
    assert names(tmp_path) == []


def on_a_terminal(*argv: str | Path, cwd: Path, **variables: str) -> tuple[int, str]:
    """Exit code, and what a terminal shows."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "hwang", *map(str, argv)]
    with subprocess.Popen(
        command, cwd=cwd, env=environment(TERM="xterm-256color", **variables), stdin=child, stdout=child, stderr=child
    ) as process:
        os.close(child)
        shown = b""
        while part := read_terminal(parent):
            shown += part
        os.close(parent)
    return process.returncode, shown.decode()


def read_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # Linux: the other side was closed
        return b""


def test_a_terminal_shows_a_progress_bar(clip: MakeClip, tmp_path: Path) -> None:
    code, shown = on_a_terminal("frames", clip("h264-no-b"), "all", "-o", "a.npy", cwd=tmp_path)
    assert code == 0, shown
    assert f"{'#' * 40} 40/40 frames" in shown


def test_elsewhere_there_is_neither_bar_nor_colour(clip: MakeClip, tmp_path: Path) -> None:
    done = hwang("frames", clip("h264-no-b"), "all", "-o", "a.npy", cwd=tmp_path)
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(("output", "code"), [("a.png", 2), ("a.npy", 0)])
def test_without_the_extra_it_says_how_to_get_it(output: str, code: int, clip: MakeClip, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "PIL.py").write_text("raise ImportError('no PIL')\n")
    path = os.pathsep.join([str(hidden), *sys.path])
    ended, shown = on_a_terminal("frames", clip("h264-no-b"), "0", "-o", output, cwd=tmp_path, PYTHONPATH=path)
    assert ended == code, shown
    assert ("pip install 'hwang[cli]'" in shown) == (output == "a.png")
