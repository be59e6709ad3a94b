"""info, index, plan: the facts of a video, its index, and the cost of decoding rows. Each returns JSON and text."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from hwang.cli.images import refuse_to_overwrite, replacing
from hwang.cli.text import aligned, row_list, size
from hwang.cli.video import STANDARD_INPUT, UsageError, file_bytes, index_video, open_video, selected_rows, stored_index
from hwang.metadata import color_names
from hwang.plan import counted, make_plan


def show_info(arguments: Namespace) -> tuple[dict[str, Any], str]:
    """The content of a video; `gop_samples` is None if nothing is known to be a sync sample."""
    video = open_video(arguments.file)
    index, read = index_video(video, arguments)
    gops = np.diff(np.append(np.flatnonzero(index.sync), index.samples))
    gop = (
        {"shortest": int(gops.min()), "median": float(np.median(gops)), "longest": int(gops.max())}
        if len(gops)
        else None
    )
    color = color_names(index.color)._asdict()
    facts = {
        "container": index.container,
        "codec": index.codec,
        "width": index.width,
        "height": index.height,
        "rotation": index.rotation,
        "color": color,
        "fps": round(index.fps(), 6),
        "duration_seconds": round(index.duration() / index.timescale(), 6),
        "rows": len(index),
        "samples": index.samples,
        "keyframes": int(index.sync.sum()),
        "gop_samples": gop,
        "byte_addressable": index.byte_addressable,
        "ranged": index.ranged,
        "file_bytes": file_bytes(video),
        "read": read,
    }
    turned = f", to be turned by {index.rotation} degrees" if index.rotation else ""
    length = "one group" if facts["keyframes"] == 1 else "groups of {shortest} to {longest}, median {median:g}"
    rate = f"{facts['fps']:.6g} frames a second for {facts['duration_seconds']:.6g} s"
    lines = [
        ("video", f"{index.codec} in {index.container}, {size(file_bytes(video))}"),
        ("size", f"{index.width} x {index.height}{turned}"),
        (
            "color",
            "matrix {matrix}, primaries {primaries}, transfer {transfer}, range {range}".format(**color),
        ),
        ("rate", "unknown; --fps sets that of a raw stream" if index.clockless else rate),
        ("rows", f"{counted(len(index), 'frame')} shown, of {counted(index.samples, 'sample')}"),
        ("keyframes", f"{facts['keyframes']:,}, {length.format(**gop)}" if gop else "none known: decoding starts at 0"),
        ("access", "only the bytes needed" if index.ranged else "read from end to end"),
        (
            "to find out",
            f"{size(read['bytes'])} in {counted(read['requests'], 'request')}, {read['milliseconds']:g} ms",
        ),
    ]
    return facts, aligned(lines)


def write_index(arguments: Namespace) -> tuple[dict[str, Any], str]:
    """Write the index of a video into a file."""
    if arguments.output is None and (arguments.file == STANDARD_INPUT or "://" in arguments.file):
        raise UsageError("where to? The index of standard input or of an address needs a name: -o NAME.hwang")
    target = Path(arguments.output or f"{arguments.file}.hwang")
    if target.resolve() == Path(arguments.file).resolve():
        raise UsageError(f"{target} is the video itself; name the index otherwise")
    if not arguments.force:
        refuse_to_overwrite([target])
    video = open_video(arguments.file)
    index, read = index_video(video, arguments)
    data = index.serialize()
    with replacing(target) as file:
        file.write(data)
    result = {
        "index": str(target),
        "rows": len(index),
        "bytes": len(data),
        "bytes_read": read["bytes"],
        "milliseconds": read["milliseconds"],
    }
    return result, (
        f"{target}: {counted(len(index), 'row')} in {size(len(data))}, "
        f"made in {read['milliseconds']:g} ms from {size(read['bytes'])} of {size(file_bytes(video))}"
    )


def show_plan(arguments: Namespace) -> tuple[dict[str, Any], str]:
    """The cost of decoding some rows. Ranges are [offset, length]; samples are half-open [first, end)."""
    index = stored_index(arguments)
    if index is None or not index.complete:
        index, _ = index_video(open_video(arguments.file), arguments)
    elif arguments.fps:
        index = index.at_rate(arguments.fps)
    plan = make_plan(index, selected_rows(arguments, index), request_cost_bytes=arguments.request_cost)
    runs, lines = [], [["run", "rows", "samples", "fed", "left out", "bytes", "ranges"]]
    for number, run in enumerate(plan.runs):
        first, last, fed = int(run.samples[0]), int(run.samples[-1]), len(run.samples)
        inside = (plan.sample_of_position >= first) & (plan.sample_of_position <= last)
        rows = np.unique(plan.rows[inside]).tolist()  # those asked for that the run shows
        runs.append({"rows": rows, "samples": [first, last + 1], "samples_decoded": fed, "ranges": run.ranges})
        left_out, read = last + 1 - first - fed, sum(length for _, length in run.ranges)
        cells = (number, row_list(rows), f"{first}-{last}", fed, left_out, size(read), len(run.ranges))
        lines.append([str(cell) for cell in cells])
    result = {
        "rows": len(plan.rows),
        "samples_decoded": plan.samples_decoded,
        "samples_skipped": plan.samples_skipped,
        "byte_addressable": index.byte_addressable,
        "ranged": index.ranged,
        "bytes_to_read": plan.bytes_to_read,
        "ranges": plan.ranges,
        "runs": runs,
    }
    text = f"{aligned(lines, right=(0, 3, 4, 5, 6))}\n{plan}"
    if not index.ranged:
        text += f"\nbut {index.container} is read from end to end: the whole file is read"
    return result, text
