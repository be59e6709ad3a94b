"""From a command line to an exit code: every error is one line on stderr."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType

from hwang.cli.arguments import make_parser
from hwang.cli.exits import ExitCode, UsageError
from hwang.errors import CorruptFrameError, FrameIndexError, HwangError, SourceError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Without arguments it prints the help."""
    parser = make_parser()
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if arguments.command is None:
        parser.print_help()
        return ExitCode.OK
    try:
        with _termination_unwinds():
            code: ExitCode = arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _failed(ExitCode.INTERRUPTED, "interrupted")
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except CorruptFrameError as error:
        return _failed(ExitCode.CORRUPT_FRAMES, error)
    except (UsageError, FrameIndexError) as error:
        return _failed(ExitCode.USAGE, error)
    except (SourceError, OSError) as error:
        return _failed(ExitCode.INPUT_OUTPUT, _in_words(error))
    except (HwangError, MemoryError) as error:
        return _failed(ExitCode.MEDIA, str(error) or "out of memory; ask for smaller frames (--max-side)")
    return code


def _failed(code: ExitCode, reason: object) -> ExitCode:
    print(f"hwang: {' '.join(str(reason).split())}", file=sys.stderr)
    return code


def _in_words(error: OSError) -> str:
    """Without the number in front: "clip.mp4: No such file or directory"."""
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


@contextlib.contextmanager
def _termination_unwinds() -> Iterator[None]:
    """SIGTERM ends the program as an exception does, so that no partial file is left."""

    def terminate(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
