"""A Decoder of an address: exact frames, each byte fetched once, and an end when the server does not answer."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import hwang
from hwang.cli.main import ExitCode, main
from hwang.sources import open_source
from tests.decoder.conftest import MakeClip, Truth
from tests.unit.build.flakyserver import FlakyServer, answer, reset_after


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def address(server: FlakyServer) -> str:
    return f"http://127.0.0.1:{server.port}/clip"


@pytest.mark.parametrize("name", ["h264-closed-gop", "h264-fragmented", "h264-matroska", "h264-mpegts"])
def test_frames_of_an_address_are_exact(name: str, clip: MakeClip, truth: Truth) -> None:
    with FlakyServer(clip(name).read_bytes()) as server, hwang.Decoder(address(server)) as decoder:
        server.script.append(reset_after(1000))
        np.testing.assert_array_equal(decoder.frames([30, 3, 3]), truth(name)[[30, 3, 3]])
        np.testing.assert_array_equal(list(decoder.iter_frames(range(len(decoder)))), truth(name))


def test_with_an_index_the_first_request_is_for_the_first_frames_bytes(clip: MakeClip, truth: Truth) -> None:
    data = clip("h264-closed-gop").read_bytes()
    index = hwang.index_video(data)
    with FlakyServer(data) as server, hwang.Decoder(address(server), index) as decoder:
        assert not server.asked
        np.testing.assert_array_equal(decoder.frames([30]), truth("h264-closed-gop")[[30]])
        ((offset, length),) = decoder.plan([30]).ranges
        assert [(asked.first, asked.last) for asked in server.asked] == [(offset, offset + length - 1)]


@pytest.mark.parametrize("way", ["frames", "batches"])
def test_each_byte_is_fetched_once(way: str, clip: MakeClip) -> None:
    data = clip("h264-closed-gop").read_bytes() + bytes(1 << 20)
    index = hwang.index_video(data)
    rows = range(len(index))
    with FlakyServer(data) as server, hwang.Decoder(address(server), index) as decoder:
        if way == "frames":
            decoder.frames(rows)
        else:
            assert sum(len(frames) for _, frames in decoder.batches(rows, max_bytes=1 << 18)) == len(rows)
        fetched = sum(asked.last + 1 - asked.first for asked in server.asked)
        assert fetched == decoder.plan(rows).bytes_to_read


def test_threads_share_a_decoder_of_an_address(clip: MakeClip, truth: Truth) -> None:
    def ask(first: int) -> None:
        rows = [first, first + 9]
        np.testing.assert_array_equal(list(decoder.iter_frames(rows)), truth("h264-closed-gop")[rows])

    data = clip("h264-closed-gop").read_bytes()
    with FlakyServer(data) as server, hwang.Decoder(address(server)) as decoder, ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, [*range(30)] * 3))


@pytest.mark.parametrize("closed", [True, False])
def test_a_server_that_does_not_answer_keeps_neither_caller_nor_process(closed: bool, clip: MakeClip) -> None:
    program = (
        "import hwang, sys, time\n"
        "index = hwang.index_video(sys.argv[2])\n"
        "decoder = hwang.Decoder(sys.argv[1], index)\n"
        "began = time.perf_counter()\n"
        "try:\n"
        "    decoder.frames([3], timeout=0.2)\n"
        "except hwang.DecodeTimeoutError:\n"
        "    print(time.perf_counter() - began)\n" + ("decoder.close()\n" if closed else "")
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/clip.mp4"
        began = time.monotonic()
        run = subprocess.run(
            [sys.executable, "-c", program, url, str(clip("h264-closed-gop"))],
            cwd=Path(hwang.__file__).parent.parent,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert 0.2 <= float(run.stdout) < 0.6, run.stderr
    assert time.monotonic() - began < 3
    assert not run.returncode


def test_closing_a_decoder_releases_its_connections_and_a_callers_source_stays_open(clip: MakeClip) -> None:
    with FlakyServer(clip("h264-closed-gop").read_bytes()) as server:
        with hwang.Decoder(address(server)) as decoder:
            decoder.frames([0])
        with pytest.raises(hwang.SourceError, match="closed"):
            decoder.frames([0])
        mine = open_source(address(server))
        for _ in range(2):
            with hwang.Decoder(mine) as decoder:
                assert len(decoder.frames([0])) == 1


def test_a_missing_address_is_a_missing_file() -> None:
    with FlakyServer(b"") as server:
        server.script.append(answer("404 Not Found"))
        with pytest.raises(FileNotFoundError, match="does not exist"):
            hwang.Decoder(address(server))


def test_commands_take_addresses(clip: MakeClip, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = clip("h264-closed-gop").read_bytes()
    with FlakyServer(data) as server:
        assert main(["info", address(server), "--json"]) == ExitCode.OK
        assert json.loads(capsys.readouterr().out)["file_bytes"] == len(data)
        assert main(["index", address(server)]) == ExitCode.USAGE
        assert main(["index", address(server), "-o", str(tmp_path / "clip.hwang")]) == ExitCode.OK
    assert hwang.VideoIndex.from_file(tmp_path / "clip.hwang").samples == hwang.index_video(data).samples
