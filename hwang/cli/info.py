"""info: what is in a video."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np

from hwang.cli.color import color_names
from hwang.cli.exits import ExitCode
from hwang.cli.text import aligned, counted, print_json, size
from hwang.cli.video import Indexed, index_video, open_video

__all__ = ["describe", "run"]


def run(arguments: Namespace) -> ExitCode:
    facts = describe(index_video(open_video(arguments.file), arguments.track))
    if arguments.json:
        print_json(facts)
    else:
        print(aligned(_lines(facts)))
    return ExitCode.OK


def describe(indexed: Indexed) -> dict[str, Any]:
    """The facts, as they go into JSON; `gop_samples` is None where nothing is known to be a sync sample."""
    index = indexed.index
    gops = np.diff(np.append(np.flatnonzero(index.sync), index.samples))
    return {
        "container": index.container,
        "codec": index.codec,
        "width": index.width,
        "height": index.height,
        "rotation": index.rotation,
        "color": color_names(index.color),
        "fps": round(index.fps(), 6),
        "duration_seconds": round(index.duration() / index.timescale(), 6),
        "rows": len(index),
        "samples": index.samples,
        "keyframes": int(index.sync.sum()),
        "gop_samples": {"shortest": int(gops.min()), "median": float(np.median(gops)), "longest": int(gops.max())}
        if len(gops)
        else None,
        "byte_addressable": index.byte_addressable,
        "file_bytes": indexed.file_bytes,
        "read": {
            "bytes": indexed.bytes_read,
            "requests": indexed.requests,
            "milliseconds": round(indexed.seconds * 1000, 1),
        },
    }


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    color, gop, read = facts["color"], facts["gop_samples"], facts["read"]
    turned = f", to be turned by {facts['rotation']} degrees" if facts["rotation"] else ""
    length = "one group" if facts["keyframes"] == 1 else "groups of {shortest} to {longest}, median {median:g}"
    keyframes = f"{facts['keyframes']:,}, " + length.format(**gop) if gop else "none known: decoding starts at 0"
    found = f"{size(read['bytes'])} in {counted(read['requests'], 'request')}, {read['milliseconds']:g} ms"
    return [
        ("video", f"{facts['codec']} in {facts['container']}, {size(facts['file_bytes'])}"),
        ("size", "{width} x {height}".format(**facts) + turned),
        ("colour", "matrix {matrix}, primaries {primaries}, transfer {transfer}, range {range}".format(**color)),
        ("rate", f"{facts['fps']:.6g} frames a second for {facts['duration_seconds']:.6g} s"),
        ("rows", f"{counted(facts['rows'], 'frame')} shown, of {counted(facts['samples'], 'sample')}"),
        ("keyframes", keyframes),
        ("access", "only the bytes needed" if facts["byte_addressable"] else "read from end to end"),
        ("to find out", found),
    ]
