"""What the videos and parts of a job add up to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

_MOST_FAILURES: Final = 10_000
_OF_A_PART: Final = ("attempts", "started", "ended", "predicted_seconds", "worker", "milliseconds", "frames")
_COUNTED_OF_A_PART: Final = ("bytes_read", "requests", "samples_decoded")
_OF_A_PIECE: Final = ("first", "last", "frames", "manifest", "objects", "output")


@dataclass
class Tally:
    """Fed with every video that was surveyed and every part. `failures` are the first ten thousand."""

    timeline: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    partials: list[str] = field(default_factory=list)
    _failed_videos: set[str] = field(default_factory=set)
    _counters: dict[str, int] = field(default_factory=dict)
    _videos: int = 0
    _bytes_in_files: int = 0
    _pieces: int = 0
    _frames: int = 0
    _objects: int = 0
    _bytes_written: int = 0

    def add_video(self, line: dict[str, Any]) -> None:
        """As its survey has described it."""
        self._videos += 1
        self._bytes_in_files += line.get("bytes") or 0
        if "failure" in line:
            self._fail(line["video"], line["failure"], part=None, first=None, last=None)

    def add_part(self, part: int, done: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Takes a part's result, and gives that of each of its pieces."""
        for name, value in done["counters"].items():
            self._counters[name] = self._counters.get(name, 0) + int(value)
        pieces = done["pieces"]
        self.timeline.append(
            {
                "part": part,
                **{name: done[name] for name in _OF_A_PART},
                **{name: int(done["counters"].get(name, 0)) for name in _COUNTED_OF_A_PART},
                "pieces": len(pieces),
                "failed": sum("code" in piece for piece in pieces),
            }
        )
        self.partials += [written["uri"] for written in done.get("output", [])]
        self._pieces += len(pieces)
        self._frames += done["frames"]
        for piece in pieces:
            if "code" in piece:
                self._fail(piece["video"], piece, part=part, first=piece["first"], last=piece["last"])
                continue
            self._objects += piece["objects"]
            self._bytes_written += piece["bytes_written"]
            yield {"video": _address(piece["video"]), "part": part, **{name: piece[name] for name in _OF_A_PIECE}}

    def totals(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Of a job that was cut like this."""
        times = [(part["started"], part["ended"]) for part in self.timeline]
        span = {"started": min(times)[0], "ended": max(ended for _, ended in times)} if times else {}
        return {
            "complete": not self.missing and not self._failed_videos,
            **span,
            "videos": self._videos,
            "failed_videos": len(self._failed_videos),
            "parts": plan["parts"],
            "missing_parts": len(self.missing),
            "pieces": self._pieces,
            "frames": self._frames,
            "objects": self._objects,
            "bytes_written": self._bytes_written,
            "bytes_in_files": self._bytes_in_files,
            "counters": self._counters,
            "seconds": {
                "predicted": plan["seconds"],
                "worked": round(sum(ended - started for started, ended in times), 3),
            },
            "attempts": sum(part["attempts"] for part in self.timeline),
        }

    def _fail(self, video: Any, failure: dict[str, Any], **where: Any) -> None:
        self._failed_videos.add(json.dumps(video, sort_keys=True))
        if len(self.failures) < _MOST_FAILURES:
            told = {name: failure[name] for name in ("code", "message")}
            self.failures.append({"video": _address(video), **where, **told})


def _address(video: Any) -> str:
    address: str = video["url"] if "url" in video else f"s3://{video['bucket']}/{video['key']}"
    return address
