"""The function's container and the videos as they are now, to be compared with how they were."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud.stack import VIDEOS, FaultStack

INSIDE = Path(__file__).with_name("inside.py")
EMULATOR = "aws-lambda-rie"  # its threads and files are its own business
KEPT_CONNECTIONS = 24  # sockets that a function may keep open between requests
SETTLE_SECONDS = 2


@dataclass(frozen=True)
class Inside:
    """Of all processes but the emulator. `files` are open ones that are no sockets, without their numbers."""

    processes: tuple[str, ...]
    threads: tuple[str, ...]
    files: tuple[str, ...]
    sockets: int
    stored: Mapping[str, int]  # bytes by path, below /tmp

    @classmethod
    def of(cls, stack: FaultStack) -> Inside:
        seen = json.loads(stack.python("function", INSIDE.read_text()))
        processes: list[dict[str, Any]] = [item for item in seen["processes"] if item["name"] != EMULATOR]
        names = [item["name"] + (" (a zombie)" if item["state"] == "Z" else "") for item in processes]
        files = [re.sub(r"\[\d+\]", "", name) for item in processes for name in item["files"]]
        return cls(
            processes=tuple(sorted(names)),
            threads=tuple(sorted(name for item in processes for name in item["threads"])),
            files=tuple(sorted(name for name in files if name != "socket:")),
            sockets=files.count("socket:"),
            stored=dict(sorted(seen["stored"].items())),
        )

    def left_over(self, before: Inside) -> list[str]:
        """What is more than before, in words."""
        found = []
        if self.processes != before.processes:
            found.append(f"processes {before.processes} became {self.processes}")
        if more := Counter(self.threads) - Counter(before.threads):
            found.append(f"threads {dict(more)} were added to {before.threads}")
        if self.files != before.files:
            found.append(f"open files {before.files} became {self.files}")
        if self.sockets > max(before.sockets, KEPT_CONNECTIONS):
            found.append(f"{before.sockets} sockets became {self.sockets}")
        if self.stored != before.stored:
            found.append(f"stored files {before.stored} became {self.stored}")
        return found


@dataclass(frozen=True)
class State:
    container: tuple[object, ...]  # its id, its first process and since when, how often it was restarted
    inside: Inside
    videos: Mapping[str, tuple[str, int, str]]  # ETag, bytes and time by key

    @classmethod
    def of(cls, stack: FaultStack) -> State:
        return cls(container_of(stack), Inside.of(stack), videos_of(stack))


def container_of(stack: FaultStack) -> tuple[object, ...]:
    described = stack.inspect("function")
    running = described["State"]
    return (described["Id"], running["Running"], running["Pid"], running["StartedAt"], described["RestartCount"])


def videos_of(stack: FaultStack) -> dict[str, tuple[str, int, str]]:
    pages = stack.s3.get_paginator("list_objects_v2").paginate(Bucket=VIDEOS)
    items = [item for page in pages for item in page.get("Contents", [])]
    return {item["Key"]: (item["ETag"], item["Size"], str(item["LastModified"])) for item in items}


def left_over(stack: FaultStack, before: Inside) -> list[str]:
    """What a request left behind inside the container, after a moment to settle."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (found := Inside.of(stack).left_over(before)) and time.monotonic() < deadline:
        pass
    return found
