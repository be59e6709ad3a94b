"""index: write what was found out about a video into a file."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from hwang.cli.exits import ExitCode, UsageError
from hwang.cli.files import refuse_to_overwrite, replacing
from hwang.cli.text import counted, print_json, size
from hwang.cli.video import STANDARD_INPUT, index_video, open_video

__all__ = ["run"]

_SUFFIX = ".hwang"


def run(arguments: Namespace) -> ExitCode:
    if arguments.output is None and arguments.file == STANDARD_INPUT:
        raise UsageError("where to? The index of standard input needs a name: -o NAME.hwang")
    target = Path(arguments.output or arguments.file + _SUFFIX)
    if target.resolve() == Path(arguments.file).resolve():
        raise UsageError(f"{target} is the video itself; give the index another name")
    if not arguments.force:
        refuse_to_overwrite([target])
    indexed = index_video(open_video(arguments.file), arguments.track)
    data = indexed.index.serialize()
    with replacing(target) as file:
        file.write(data)
    result = {
        "index": str(target),
        "rows": len(indexed.index),
        "bytes": len(data),
        "bytes_read": indexed.bytes_read,
        "milliseconds": round(indexed.seconds * 1000, 1),
    }
    if arguments.json:
        print_json(result)
    else:
        print(
            f"{target}: {counted(len(indexed.index), 'row')} in {size(len(data))}, "
            f"made in {result['milliseconds']:g} ms from {size(indexed.bytes_read)} of {size(indexed.file_bytes)}"
        )
    return ExitCode.OK
