"""The command line without the core: what is understood, what is refused, and how it says so."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwang.cli.frames import ArrayFile, parse_destination, replacing
from hwang.cli.main import ExitCode, main
from hwang.cli.video import UsageError, row_selections
from hwang.index import Color, VideoIndex
from hwang.metadata import color_names
from hwang.selections import Keyframes, RowList, RowRange, Times

MakeClip = Callable[[str], Path]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def video(clip: MakeClip) -> str:
    return str(clip("h264-open-gop"))


def run_json(capsys: Captured, *argv: str) -> dict[str, object]:
    assert main([*argv, "--json"]) == ExitCode.OK
    result: dict[str, object] = json.loads(capsys.readouterr().out)
    return result


def one_line(text: str) -> str:
    assert text.startswith("hwang: ")
    assert text.count("\n") == 1
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", (RowList((7,)),)),
        ("5, 3,3", (RowList((5,)), RowList((3,)), RowList((3,)))),
        ("0:10:2,99", (RowRange(0, 10, 2), RowList((99,)))),
        (":", (RowRange(),)),
        ("5::3", (RowRange(5, None, 3),)),
        ("all", (RowRange(),)),
        ("keyframes,1.5s,.5s,2s", (Keyframes(), Times((1.5,)), Times((0.5,)), Times((2.0,)))),
        ("-0.5s", (Times((-0.5,)),)),
    ],
)
def test_rows_are_understood(text: str, expected: object) -> None:
    assert row_selections(text) == expected


@pytest.mark.parametrize(
    "text", ["", "1,", "-1", "1.5", "a", "5:5", "9:3", "1:9:0", "1:2:3:4", "s", "1e3s", "٣", "0x1"]
)
def test_rows_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="row"):
        row_selections(text)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("3,1,3", [1, 3]),
        ("0:40:13", [0, 13, 26, 39]),
        ("38:", [38, 39]),
        ("0.04s,1s", [1, 25]),
        ("all", list(range(40))),
        ("keyframes", [0, 12, 24, 36]),
    ],
)
def test_rows_mean_frames_of_the_video(rows: str, expected: list[int], video: str, capsys: Captured) -> None:
    plan = run_json(capsys, "plan", video, rows)
    assert isinstance(plan["runs"], list)
    assert sorted(row for run in plan["runs"] for row in run["rows"]) == expected


def test_every_so_many_seconds(video: str, capsys: Captured) -> None:
    plan = run_json(capsys, "plan", video, "--every", "0.5s")
    assert isinstance(plan["runs"], list)
    assert [row for run in plan["runs"] for row in run["rows"]] == [0, 12, 25, 37]


def test_a_plan_says_what_is_fed_left_out_and_read(video: str, capsys: Captured) -> None:
    plan = run_json(capsys, "plan", video, "0,30")
    assert plan["rows"] == 2
    assert isinstance(plan["runs"], list)
    assert isinstance(plan["ranges"], list)
    assert plan["bytes_to_read"] == sum(length for _, length in plan["ranges"])
    assert plan["samples_decoded"] == sum(run["samples_decoded"] for run in plan["runs"])
    assert main(["plan", video, "0,30"]) == ExitCode.OK
    facts = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert {name: facts[name].strip() for name in ("rows", "runs", "samples decoded")} == {
        "rows": "2",
        "runs": "2",
        "samples decoded": str(plan["samples_decoded"]),
    }


def test_info_says_what_is_in_the_video(clip: MakeClip, capsys: Captured) -> None:
    video = str(clip("h264-closed-gop"))
    facts = run_json(capsys, "info", video)
    assert {name: facts[name] for name in ("container", "codec", "width", "height", "rows", "fps", "keyframes")} == {
        "container": "mov",
        "codec": "h264",
        "width": 160,
        "height": 96,
        "rows": 40,
        "fps": 25.0,
        "keyframes": 4,
    }
    assert facts["gop_samples"] == {"shortest": 4, "median": 12, "longest": 12}
    assert main(["info", video]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "\ncodec             h264\n" in shown
    assert "\ngop samples       shortest 4, median 12.0, longest 12\n" in shown


@pytest.mark.parametrize(
    ("color", "names"),
    [
        ((1, 1, 0, 1), "bt709 bt709 gbr limited"),
        ((9, 16, 9, 2), "bt2020 smpte2084 bt2020nc full"),
        ((22, 18, 14, 0), "ebu3213 arib-std-b67 ictcp unknown"),
        ((3, 0, 3, 0), "3 0 3 unknown"),
        ((13, 19, 256, 1), "13 19 256 limited"),
    ],
)
def test_colors_have_the_names_of_the_ffmpeg_tool(color: Color, names: str) -> None:
    named = dict(zip(("primaries", "transfer", "matrix", "range"), names.split(), strict=True))
    assert color_names(color)._asdict() == named


def test_info_reads_the_header_alone(video: str, tmp_path: Path, capsys: Captured) -> None:
    padded = tmp_path / "padded.mp4"
    padded.write_bytes(Path(video).read_bytes() + (1 << 20).to_bytes(4, "big") + b"free" + bytes((1 << 20) - 8))
    read = run_json(capsys, "info", str(padded))["read"]
    assert isinstance(read, dict)
    assert read["requests"] > 0
    assert 0 < read["bytes"] < 200_000


def test_an_index_is_written_next_to_the_video_and_serves(clip: MakeClip, tmp_path: Path, capsys: Captured) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(clip("h264-open-gop").read_bytes())
    result = run_json(capsys, "index", str(video))
    written = Path(str(result["index"]))
    assert written == tmp_path / "clip.mp4.hwang"
    assert (len(VideoIndex.from_file(written)), result["bytes"]) == (40, written.stat().st_size)
    assert main(["index", str(video)]) == ExitCode.USAGE
    assert "--force" in one_line(capsys.readouterr().err)
    assert main(["index", str(video), "--force"]) == ExitCode.OK
    assert "\nrows          40\n" in capsys.readouterr().out
    assert run_json(capsys, "plan", str(video), "7", "--index", str(written))["rows"] == 1


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["plan", "VIDEO", "40"], ExitCode.USAGE, "40 frames"),
        (["plan", "VIDEO", "0:41"], ExitCode.USAGE, "row 40"),
        (["plan", "VIDEO", "50:"], ExitCode.USAGE, "row 50"),
        (["plan", "VIDEO", "0,50:"], ExitCode.USAGE, "row 50"),
        (["plan", "VIDEO", "0:42:20"], ExitCode.USAGE, "row 41"),
        (["plan", "VIDEO", "9s"], ExitCode.USAGE, "9 s"),
        (["plan", "VIDEO", "--every", "1e-9"], ExitCode.USAGE, "longer interval"),
        (["info", "missing.mp4"], ExitCode.INPUT_OUTPUT, "missing.mp4: No such file"),
        (["info", "."], ExitCode.INPUT_OUTPUT, "directory"),
        (["info", "VIDEO", "--track", "99"], ExitCode.MEDIA, "99"),
        (["info", "EMPTY"], ExitCode.MEDIA, "empty"),
        (["index", "VIDEO", "-o", "VIDEO", "--force"], ExitCode.USAGE, "the video itself"),
        (["index", "VIDEO", "-o", "EMPTY/x"], ExitCode.INPUT_OUTPUT, "EMPTY"),
        (["frames", "VIDEO", "0", "-o", "a.gif"], ExitCode.USAGE, "png"),
        (["frames", "VIDEO", "0", "-o", "{frame}.png"], ExitCode.USAGE, "{row}"),
        (["frames", "VIDEO", "0", "-o", "{row:q}.png"], ExitCode.USAGE, "{row:06d}"),
        (["frames", "VIDEO", "0", "-o", "{row.png"], ExitCode.USAGE, "{row:06d}"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    argv: list[str], code: ExitCode, says: str, video: str, tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "EMPTY").write_bytes(b"")
    names = {"VIDEO": video, "EMPTY": str(tmp_path / "EMPTY"), "EMPTY/x": str(tmp_path / "EMPTY/x")}
    assert main([names.get(word, word) for word in argv]) == code
    assert says in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["decode"], "invalid choice"),
        (["info"], "FILE"),
        (["info", "a.mp4", "--fast"], "--fast"),
        (["plan", "a.mp4"], "ROWS --every"),
        (["plan", "a.mp4", "1", "--every", "1"], "not allowed with"),
        (["plan", "a.mp4", "x"], "'x' is no row"),
        (["plan", "a.mp4", "-1"], "do not count from the end"),
        (["plan", "a.mp4", "--every", "0"], "'0'"),
        (["plan", "a.mp4", "--every", "fast"], "fast"),
        (["frames", "a.mp4", "0"], "--output"),
        (["frames", "a.mp4", "0", "-o", "a.png", "--quality", "best"], "--quality"),
        (["info", "a.mp4", "--fps", "25/0"], "25/0"),
    ],
)
def test_a_command_line_that_is_none_names_the_help(argv: list[str], says: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == ExitCode.USAGE
    message = one_line(capsys.readouterr().err)
    assert says in message
    assert "--help" in message


def test_alone_it_prints_the_help_with_every_command_and_exit_code(capsys: Captured) -> None:
    assert main([]) == ExitCode.OK
    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in ("info", "index", "plan", "frames"))
    assert all(f"\n  {code.value}  " in text for code in ExitCode)


def test_the_page_names_every_command_and_exit_code() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs/hwang.md").read_text()
    assert all(f"python -m hwang {command} " in text for command in ("info", "index", "plan", "frames"))
    assert all(f"`{code.value}` " in text for code in ExitCode)


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [0, 2], [3], [1, 3]])
def test_an_array_file_closes_the_gaps_of_dropped_rows(kept: list[int], tmp_path: Path) -> None:
    frames = np.random.default_rng(4).integers(0, 1 << 16, (4, 5, 7, 3), np.uint16)
    path = tmp_path / "frames.npy"
    with replacing(path) as file:
        array = ArrayFile(file)
        array.add(np.arange(3), frames[:3])
        array.add(np.arange(3, 4), frames[3:])
        array.drop(set(range(4)) - set(kept))
        array.finish()
    np.testing.assert_array_equal(np.load(path), frames[kept])


def test_a_file_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "frames.npy"
    path.write_bytes(b"old")

    def interrupted() -> None:
        with replacing(path) as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"frames.npy": b"old"}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("out/{row}.png", "out/7.png"),
        ("{row:04d}.JPG", "0007.JPG"),
        ("one.webp", "one.webp"),
        ("thumbs", "thumbs/000007.png"),
        ("v1.2/", "v1.2/000007.png"),
        ("{braces}/", "{braces}/000007.png"),
        ("all.npy", "all.npy"),
        ("{odd}.npy", "{odd}.npy"),
    ],
)
def test_where_a_frame_goes(name: str, path: str) -> None:
    assert parse_destination(name).path(7) == Path(path)


def test_one_name_for_several_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\{row:06d\}\.png"):
        parse_destination(str(tmp_path / "one.png")).check(np.arange(2), "rgb24", force=False)
    with pytest.raises(UsageError, match="too few names"):
        parse_destination("{row:.0e}.png").check(np.array([100, 101]), "rgb24", force=True)


def test_pixels_that_images_do_not_have_are_refused() -> None:
    with pytest.raises(UsageError, match=r"NAME\.npy"):
        parse_destination("{row}.png").check(np.arange(2), "rgb48", force=False)


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    destination = parse_destination(str(tmp_path / "{row}.png"))
    destination.check(np.array([0, 2]), "rgb24", force=False)
    destination.check(np.array([0, 1]), "rgb24", force=True)
    with pytest.raises(UsageError, match=r"1\.png is there already"):
        destination.check(np.array([0, 1]), "rgb24", force=False)


def test_importing_hwang_loads_nothing_of_the_command_line() -> None:
    code = "import sys, hwang; print(sorted({'argparse', 'rich', 'PIL', 'hwang.cli', 'json'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
