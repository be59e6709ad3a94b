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
from hwang.cli.text import row_list
from hwang.cli.video import ROWS_HELP, UsageError, parse_every, parse_rate, parse_rows, parse_seconds
from hwang.errors import ClockError, CorruptFrameError, FrameIndexError, HwangError
from hwang.plan import REQUEST_COST_BYTES


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
    FrameIndexError: ExitCode.USAGE,
    ClockError: ExitCode.USAGE,
    OSError: ExitCode.INPUT_OUTPUT,  # SourceError among them
    HwangError: ExitCode.MEDIA,
    MemoryError: ExitCode.MEDIA,
}
_EXITS = """\
exit codes:
  0    done
  1    done, but frames that were asked for are damaged: the others are written, these are named
  2    the command makes no sense: an unknown option, a row outside the video, a file that exists already
  3    the video cannot be decoded: damaged, encrypted, too large or of an unknown kind
  4    a file cannot be read or written
  130  interrupted; no partial file is left
"""
_EXAMPLES = """\
examples:
  python -m hwang info clip.mp4
  python -m hwang plan clip.mp4 0,100,5000
  python -m hwang frames clip.mp4 0:1000:10 -o 'out/{row:06d}.png'
  python -m hwang frames clip.mp4 --every 2 -o thumbnails/ --max-side 320
  python -m hwang frames clip.mp4 keyframes -o keyframes.npy
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code. Without arguments it prints the help."""
    parser = make_parser()
    arguments = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if arguments.command is None:
        parser.print_help()
        return ExitCode.OK
    try:
        result, text = arguments.run(arguments)
        print(json.dumps(result, indent=2) if arguments.json else text, flush=True)
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except tuple(_EXIT_OF_ERROR) as error:
        print(f"hwang: {' '.join(_in_words(error).split())}", file=sys.stderr)
        return next(code for kind, code in _EXIT_OF_ERROR.items() if isinstance(error, kind))
    if corrupt := result.get("corrupt_rows"):
        print(f"hwang: damaged and left out: {row_list(corrupt, most=len(corrupt))}", file=sys.stderr)
        return ExitCode.CORRUPT_FRAMES
    return ExitCode.OK


def make_parser() -> argparse.ArgumentParser:
    """The parser of the four commands; each sets `run`, which returns its result as JSON and as text."""
    parser = _Parser(
        prog="python -m hwang",
        description="Frames of a video, exactly those asked for, and only the bytes they need.",
        epilog=f"{_EXAMPLES}\n{_EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    video = _Parser(add_help=False)
    video.add_argument("file", metavar="FILE", help="the video; - is standard input, read into memory")
    video.add_argument(
        "--track", type=_integer(1), metavar="ID", help="video track of an MP4 or MOV (default: the first)"
    )
    video.add_argument(
        "--fps", type=parse_rate, metavar="RATE", help="frames a second of a raw stream, such as 25 or 30000/1001"
    )
    video.add_argument("--json", action="store_true", help="print the result as JSON")
    rows = _Parser(add_help=False)
    either = rows.add_mutually_exclusive_group(required=True)
    either.add_argument("rows", metavar="ROWS", nargs="?", type=parse_rows, help="such as 0,100,5000; see below")
    either.add_argument("--every", metavar="SECONDS", type=parse_every, help="instead of ROWS: one frame each SECONDS")
    until = "negative: from the end, as in"
    rows.add_argument(
        "--from",
        dest="start",
        type=parse_seconds,
        metavar="SECONDS",
        help=f"only what is shown from then on; {until} --from=-9",
    )
    rows.add_argument(
        "--to", dest="stop", type=parse_seconds, metavar="SECONDS", help=f"only what is shown before; {until} --to=-5"
    )
    rows.add_argument("--snap", action="store_true", help="instead of each frame the last key frame no later: cheap")
    rows.add_argument("--index", metavar="INDEX", help="the index of FILE, as written by the command 'index'")
    writing = _Parser(add_help=False)
    writing.add_argument("--force", action="store_true", help="overwrite existing files")

    def add(
        name: str, run: Callable[[argparse.Namespace], Any], purpose: str, *shared: _Parser
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            parents=[video, *shared],
            help=purpose,
            description=f"{purpose[0].upper()}{purpose[1:]}.",
            epilog=ROWS_HELP if rows in shared else "",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=run)
        return command

    add("info", inspect.show_info, "what is in a video, and what it took to find out")
    command = add("index", inspect.write_index, "write the index, so that the next call need not make it", writing)
    command.add_argument("-o", "--output", metavar="INDEX", help="default: FILE.hwang")
    command = add("plan", inspect.show_plan, "what decoding rows would read and decode, without doing it", rows)
    command.add_argument(
        "--request-cost",
        type=_integer(0),
        default=REQUEST_COST_BYTES,
        metavar="BYTES",
        help="read up to so many unneeded bytes rather than make another request: latency x bandwidth "
        "(default: %(default)s)",
    )
    command = add("frames", frames.write_frames, "write frames as images or as an array", rows, writing)
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUTPUT",
        help="names with {row} in them, such as 'out/{row:06d}.png' (png, jpg, webp); a directory for such names; "
        "one image, for one row; or NAME.npy, for one array [N, H, W, C] in the order asked for",
    )
    for side in ("--width", "--height"):
        command.add_argument(side, type=_integer(1), metavar="PX", help="alone it keeps the shape")
    command.add_argument(
        "--max-side", type=_integer(1), metavar="PX", help="shrink larger frames to fit, keep smaller ones"
    )
    command.add_argument(
        "--pixel-format",
        choices=frames.PIXEL_FORMATS,
        default="rgb24",
        help="images are rgb24 or gray8 (default: %(default)s)",
    )
    command.add_argument(
        "--quality", type=_integer(1, 100), default=90, metavar="1-100", help="of jpg and webp (default: 90)"
    )
    command.add_argument("--threads", type=_integer(1), metavar="N", help="cores to use (default: all)")
    return parser


class _Parser(argparse.ArgumentParser):
    """Mistakes are one line, as all errors are."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"hwang: {message}; see '{self.prog} --help'\n")


def _integer(least: int, most: int = sys.maxsize) -> Callable[[str], int]:
    def integer(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is too small; {least} is the least")
        if number > most:
            raise argparse.ArgumentTypeError(f"{number} is too large; {most} is the most")
        return number

    return integer


def _in_words(error: BaseException) -> str:
    """The message; that of an OSError without its number: "clip.mp4: No such file or directory"."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, MemoryError):
        return str(error) or "out of memory; ask for smaller frames (--max-side)"
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
