"""What can be said on the command line."""

from __future__ import annotations

import argparse
import math
from typing import NoReturn

from hwang.cli import frames, index, info, plan
from hwang.cli.exits import ExitCode
from hwang.cli.rows import ROWS_HELP, parse_rows
from hwang.plan import REQUEST_COST_BYTES
from hwang.rows import Every

__all__ = ["make_parser"]

_EXITS = """\
exit codes:
  0    done
  1    done, but frames that were asked for are damaged: the others are written, these are named
  2    the command makes no sense: an unknown option, a row outside the video, a file that is there already
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


class _Parser(argparse.ArgumentParser):
    """Mistakes are one line, as all errors are."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"hwang: {message}; see '{self.prog} --help'\n")


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m hwang",
        description="Frames of a video, exactly those asked for, and only the bytes they need.",
        epilog=f"{_EXAMPLES}\n{_EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")

    command = _add(commands, "info", "what is in a video, and what it took to find out", info.run)

    command = _add(commands, "index", "write the index, so that the next call need not make it", index.run)
    command.add_argument("-o", "--output", metavar="INDEX", help="default: FILE.hwang")
    _add_force(command)

    command = _add(commands, "plan", "what decoding rows would read and decode, without doing it", plan.run, ROWS_HELP)
    _add_rows(command)
    _add_index(command)
    command.add_argument(
        "--request-cost",
        type=_bytes,
        default=REQUEST_COST_BYTES,
        metavar="BYTES",
        help="read up to so many unneeded bytes rather than make another request: latency x bandwidth "
        "(default: %(default)s)",
    )

    command = _add(commands, "frames", "write frames as images or as an array", frames.run, ROWS_HELP)
    _add_rows(command)
    command.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="OUTPUT",
        help="names with {row} in them, such as 'out/{row:06d}.png' (png, jpg, webp); a directory for such names; "
        "one image, for one row; or NAME.npy, for one array [N, H, W, C] in the order asked for",
    )
    _add_force(command)
    _add_index(command)
    command.add_argument("--width", type=_positive, metavar="PX", help="alone it keeps the shape")
    command.add_argument("--height", type=_positive, metavar="PX", help="alone it keeps the shape")
    command.add_argument("--max-side", type=_positive, metavar="PX", help="make larger frames fit, keep smaller ones")
    command.add_argument(
        "--pixel-format",
        choices=frames.PIXEL_FORMATS,
        default="rgb24",
        help="images are rgb24 or gray8 (default: %(default)s)",
    )
    command.add_argument("--quality", type=_quality, default=90, metavar="1-100", help="of jpg and webp (default: 90)")
    command.add_argument("--threads", type=_positive, metavar="N", help="cores to use (default: all)")
    return parser


def _add(
    commands: argparse._SubParsersAction[_Parser], name: str, purpose: str, run: object, epilog: str = ""
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=purpose,
        description=purpose[0].upper() + purpose[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("file", metavar="FILE", help="the video; - is standard input, read into memory")
    command.add_argument(
        "--track", type=_positive, metavar="ID", help="video track of an MP4 or MOV (default: the first)"
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    return command


def _add_rows(command: argparse.ArgumentParser) -> None:
    command.add_argument("rows", metavar="ROWS", nargs="?", type=_rows, help="such as 0,100,5000; see below")
    command.add_argument("--every", metavar="SECONDS", type=_every, help="instead of ROWS: one frame each SECONDS")


def _add_index(command: argparse.ArgumentParser) -> None:
    command.add_argument("--index", metavar="INDEX", help="the index of FILE, as written by the command 'index'")


def _add_force(command: argparse.ArgumentParser) -> None:
    command.add_argument("--force", action="store_true", help="overwrite files that are there")


def _rows(text: str) -> object:
    try:
        return parse_rows(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _every(text: str) -> Every:
    seconds = float(text.removesuffix("s"))
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is no interval; it must be more than 0 seconds")
    return Every(seconds)


def _bytes(text: str) -> int:
    return _at_least(0, int(text))


def _positive(text: str) -> int:
    return _at_least(1, int(text))


def _quality(text: str) -> int:
    if int(text) > 100:
        raise argparse.ArgumentTypeError("100 is the best quality")
    return _at_least(1, int(text))


def _at_least(least: int, number: int) -> int:
    if number < least:
        raise argparse.ArgumentTypeError(f"{number} is too small; {least} is the least")
    return number
