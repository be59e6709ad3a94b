"""From a command line to an exit code: the arguments of the four commands; every error is one line on stderr."""

from __future__ import annotations

import argparse
import enum
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from hwang.cli import frames, inspect
from hwang.cli.video import ROWS_HELP, UsageError, interval, rate, row_selections, seconds
from hwang.errors import ClockError, CorruptFrameError, FrameIndexError, HwangError


class ExitCode(enum.IntEnum):
    """The program's exit codes. `--help` explains each one."""

    OK = 0
    CORRUPT_FRAMES = 1
    USAGE = 2
    MEDIA = 3
    INPUT_OUTPUT = 4
    INTERRUPTED = 130  # 128 + SIGINT, as shells have it


# The first that matches counts: a subclass stands before its base.
_EXIT_OF_ERROR: dict[type[BaseException], ExitCode] = {
    KeyboardInterrupt: ExitCode.INTERRUPTED,
    CorruptFrameError: ExitCode.CORRUPT_FRAMES,
    UsageError: ExitCode.USAGE,
    ImportError: ExitCode.USAGE,  # of the compiled core
    FrameIndexError: ExitCode.USAGE,
    ClockError: ExitCode.USAGE,
    OSError: ExitCode.INPUT_OUTPUT,  # SourceError among them
    HwangError: ExitCode.MEDIA,
    MemoryError: ExitCode.MEDIA,
}
_EPILOG = """\
examples:
  python -m hwang info clip.mp4
  python -m hwang plan clip.mp4 0,100,5000
  python -m hwang frames clip.mp4 0:1000:10 -o 'out/{row:06d}.png'
  python -m hwang frames clip.mp4 --every 2 -o thumbnails/ --max-side 320
  python -m hwang frames clip.mp4 keyframes -o keyframes.npy

exit codes:
  0    done
  1    done, but some requested frames are damaged: they are named, the others are written
  2    wrong usage: an unknown option, a row outside the video, a file that exists already
  3    the video cannot be decoded: damaged, encrypted, too large or of an unknown kind
  4    a file cannot be read or written
  130  interrupted; no partial file is left
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code. Without arguments it prints the help."""
    parser = make_parser()
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if arguments.command is None:
        parser.print_help()
        return ExitCode.OK
    try:
        result: dict[str, Any] = arguments.run(arguments)
        print(json.dumps(result, indent=2) if arguments.json else _as_text(result), flush=True)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except tuple(_EXIT_OF_ERROR) as error:
        print(f"hwang: {' '.join(_in_words(error).split())}", file=sys.stderr)
        return next(code for kind, code in _EXIT_OF_ERROR.items() if isinstance(error, kind))
    if corrupt := result.get("corrupt_rows"):
        print(f"hwang: damaged and left out: {', '.join(map(str, corrupt))}", file=sys.stderr)
        return ExitCode.CORRUPT_FRAMES
    return ExitCode.OK


def make_parser() -> argparse.ArgumentParser:
    """The parser of the four commands; each sets `run`, which returns its result as JSON has it."""
    in_lines = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        prog="python -m hwang",
        description="Decode frames of a video exactly, and read only the bytes that they need.",
        epilog=_EPILOG,
        formatter_class=in_lines,
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    video = _Parser(add_help=False)
    video.add_argument("file", metavar="FILE", help="the video; - is standard input, read into memory")
    video.add_argument("--track", type=int, metavar="ID", help="video track of an MP4 or MOV (default: the first)")
    video.add_argument("--fps", type=rate, metavar="RATE", help="frames a second of a raw stream: 25, 30000/1001")
    video.add_argument("--json", action="store_true", help="print the result as JSON")
    rows = _Parser(add_help=False)
    either = rows.add_mutually_exclusive_group(required=True)
    either.add_argument("rows", metavar="ROWS", nargs="?", type=row_selections, help="such as 0,100,5000; see below")
    either.add_argument("--every", metavar="SECONDS", type=interval, help="instead of ROWS: one frame each SECONDS")
    for name, target, part in (("--from", "start", "from then on"), ("--to", "stop", "before")):
        purpose = f"only what is shown {part}; negative: from the end, as in {name}=-9"
        rows.add_argument(name, dest=target, type=seconds, metavar="SECONDS", help=purpose)
    rows.add_argument("--snap", action="store_true", help="instead of each frame the keyframe at or before it")
    rows.add_argument("--index", metavar="INDEX", help="the index of FILE, as written by the command 'index'")
    writing = _Parser(add_help=False)
    writing.add_argument("--force", action="store_true", help="overwrite existing files")

    def add(name: str, run: Callable[[argparse.Namespace], Any], purpose: str, *shared: _Parser) -> _Parser:
        command: _Parser = commands.add_parser(
            name,
            parents=[video, *shared],
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=ROWS_HELP if rows in shared else "",
            formatter_class=in_lines,
        )
        command.set_defaults(run=run)
        return command

    add("info", inspect.show_info, "describe a video")
    command = add("index", inspect.write_index, "write the index of a video, for later calls", writing)
    command.add_argument("-o", "--output", metavar="INDEX", help="default: FILE.hwang")
    add("plan", inspect.show_plan, "predict what decoding rows would cost", rows)
    command = add("frames", frames.write_frames, "write frames as images or as an array", rows, writing)
    command.add_argument("-o", "--output", required=True, metavar="OUTPUT", help=frames.OUTPUT_HELP)
    command.add_argument("--width", type=int, metavar="PX", help="alone: keep the aspect ratio")
    command.add_argument("--height", type=int, metavar="PX", help="alone: keep the aspect ratio")
    command.add_argument("--max-side", type=int, metavar="PX", help="shrink larger frames to fit, keep smaller ones")
    command.add_argument("--pixel-format", choices=frames.PIXEL_FORMATS, default="rgb24", help="images: the first two")
    command.add_argument("--quality", type=int, default=90, metavar="1-100", help="of jpg and webp (default: 90)")
    return parser


class _Parser(argparse.ArgumentParser):
    """Mistakes are one line, as all errors are."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"hwang: {message}; see '{self.prog} --help'\n")


def _as_text(result: dict[str, Any]) -> str:
    """A line for each fact; lists are counted."""
    width = max(map(len, result))
    return "\n".join(f"{name.replace('_', ' '):{width}}  {_value(fact)}" for name, fact in result.items())


def _value(fact: Any) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_value(part)}" for name, part in fact.items())
    if isinstance(fact, list | tuple):
        return str(len(fact))
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    return "unknown" if fact is None else f"{fact:,}" if isinstance(fact, int) else str(fact)


def _in_words(error: BaseException) -> str:
    """The message; that of an OSError without its number: "clip.mp4: No such file or directory"."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, MemoryError):
        return str(error) or "out of memory; ask for smaller frames (--max-side)"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
