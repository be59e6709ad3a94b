"""The tool on a terminal: a pseudo-terminal of a width, whose keys are pressed and whose screen is read."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
from collections.abc import Mapping
from dataclasses import dataclass

from tests.deploy.tool import MAX_SECONDS, Tool


@dataclass(frozen=True)
class Screen:
    """All that was written, with its orders to the terminal."""

    code: int
    text: str


def run(
    tool: Tool,
    *arguments: str,
    keys: str = "",
    stop_at: str = "",
    columns: int = 80,
    more: Mapping[str, str] | None = None,
) -> Screen:
    """A run whose standard streams are a terminal.

    `keys` are pressed at once; the run is interrupted when it shows `stop_at`; `more` is added to the environment.
    """
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        os.write(ours, keys.encode())
        environment = {**tool.environment, "TERM": "xterm-256color", **(more or {})}
        process = Tool(environment, tool.home).start(*arguments, stdin=theirs, output=theirs)
    finally:
        os.close(theirs)
    text = bytearray()
    try:
        while piece := _read(ours):
            text += piece
            if stop_at and stop_at.encode() in text:
                process.send_signal(signal.SIGINT)
                stop_at = ""
        return Screen(process.wait(MAX_SECONDS), text.decode().replace("\r\n", "\n"))
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _read(terminal: int) -> bytes:
    """Empty once nobody has the other side open any more."""
    if not select.select([terminal], [], [], MAX_SECONDS)[0]:
        raise TimeoutError("the terminal is silent")
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
