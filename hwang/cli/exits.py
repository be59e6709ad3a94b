"""How the program ends: exit codes, and mistakes in how it was called."""

from __future__ import annotations

import enum

__all__ = ["ExitCode", "UsageError"]


class ExitCode(enum.IntEnum):
    """What the shell gets. `--help` explains each one."""

    OK = 0
    CORRUPT_FRAMES = 1
    USAGE = 2
    MEDIA = 3
    INPUT_OUTPUT = 4
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


class UsageError(Exception):
    """The command makes no sense for this video or this disk; the message says what would."""
