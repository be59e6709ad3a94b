"""A few frames of a large video behind HTTP: how many bytes and requests they take, and how many they must take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench.contestants import LIMIT, Contestant
from bench.process import ContestantError, Process
from bench.rangeserver import RangeServer
from bench.video import Video
from bench.workloads import REMOTE


@dataclass(frozen=True)
class Fetched:
    contestant: str
    sent_bytes: int = 0
    requests: int = 0
    wall: float = 0.0
    wrong: int = 0
    error: str = ""


def floor_bytes(video: Video) -> int:
    """The index (all of the file but its media) and the groups of pictures up to the last row wanted of each."""
    with Process(LIMIT) as process:
        process.open(video, {})
        groups: int = process.plan(video, REMOTE(len(video.numbers)))["bytes"]
    return index_bytes(Path(video.path)) + groups


def index_bytes(file: Path) -> int:
    """Bytes of an MP4 file that are not in its mdat box, but for that box's header."""
    total, position = 0, 0
    with file.open("rb") as stream:
        while header := stream.read(16):
            size, kind = int.from_bytes(header[:4]), header[4:8]
            if size == 1:
                size = int.from_bytes(header[8:16])
            total += len(header) if kind == b"mdat" else size
            position += size
            stream.seek(position)
    return total


def fetch_all(video: Video, contestants: Iterable[Contestant], tell: Callable[[str], None]) -> list[Fetched]:
    """Each contestant opens the video by URL in a fresh process and asks for the same rows."""
    with RangeServer(Path(video.path)) as server:
        behind = dataclasses.replace(video, path=server.url)
        fetched = []
        for contestant in contestants:
            if contestant.remote is not None:
                tell(f"remote: {contestant.title}")
                server.reset()
                fetched.append(_fetch(behind, contestant, server))
    return fetched


def _fetch(video: Video, contestant: Contestant, server: RangeServer) -> Fetched:
    rows = REMOTE(len(video.numbers))
    options = contestant.remote or {}
    try:
        with Process(contestant) as process:
            opened = process.open(video, options)
            answer = process.run(video, options, rows)
    except ContestantError as error:
        return Fetched(contestant.name, error=str(error))
    counters = server.counters
    wall = opened["wall"] + answer["wall"]
    return Fetched(contestant.name, counters.sent_bytes, counters.requests, wall, video.wrong(rows, answer["numbers"]))
