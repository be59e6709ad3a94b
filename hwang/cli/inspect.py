"""info, index, plan: the facts of a video, its index, and the cost of decoding rows. Each returns what JSON has."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np

from hwang.cli.frames import refuse_to_overwrite, replacing
from hwang.cli.video import STANDARD_INPUT, UsageError, index_video, open_video, selected_rows, stored_index
from hwang.metadata import color_names
from hwang.plan import make_plan
from hwang.sources import open_source


def show_info(arguments: Namespace) -> dict[str, Any]:
    """The content of a video; `gop_samples` is None if nothing is known to be a sync sample."""
    video = open_video(arguments.file)
    index, read = index_video(video, arguments)
    gops = np.diff(np.append(np.flatnonzero(index.sync), index.samples))
    lengths = None
    if len(gops):
        lengths = {"shortest": int(gops.min()), "median": float(np.median(gops)), "longest": int(gops.max())}
    return {
        "container": index.container,
        "codec": index.codec,
        "width": index.width,
        "height": index.height,
        "rotation": index.rotation,
        "color": color_names(index.color)._asdict(),
        "fps": None if index.clockless else round(index.fps(), 6),
        "duration_seconds": None if index.clockless else round(index.duration() / index.timescale(), 6),
        "rows": len(index),
        "samples": index.samples,
        "keyframes": int(index.sync.sum()),
        "gop_samples": lengths,
        "byte_addressable": index.byte_addressable,
        "ranged": index.ranged,
        "file_bytes": open_source(video).size,
        "read": read,
    }


def write_index(arguments: Namespace) -> dict[str, Any]:
    """Write the index of a video into a file."""
    if arguments.output is None and (arguments.file == STANDARD_INPUT or "://" in arguments.file):
        raise UsageError("where to? The index of standard input or of an address needs a name: -o NAME.hwang")
    target = Path(arguments.output or f"{arguments.file}.hwang")
    if target.resolve() == Path(arguments.file).resolve():
        raise UsageError(f"{target} is the video itself; name the index otherwise")
    if not arguments.force:
        refuse_to_overwrite([target])
    index, read = index_video(open_video(arguments.file), arguments)
    with replacing(target) as file:
        index.to_file(file)
    return {
        "index": str(target),
        "rows": len(index),
        "bytes": target.stat().st_size,
        "bytes_read": read["bytes"],
        "milliseconds": read["milliseconds"],
    }


def show_plan(arguments: Namespace) -> dict[str, Any]:
    """The cost of decoding some rows. Ranges are [offset, length]; samples are half-open [first, end)."""
    index = stored_index(arguments)
    if index is None or not index.complete:
        index, _ = index_video(open_video(arguments.file), arguments)
    elif arguments.fps:
        index = index.at_rate(arguments.fps)
    plan = make_plan(index, selected_rows(arguments, index))
    runs = []
    for run in plan.runs:
        first, last = int(run.samples[0]), int(run.samples[-1])
        inside = (plan.sample_of_position >= first) & (plan.sample_of_position <= last)
        rows = np.unique(plan.rows[inside]).tolist()  # those asked for that the run shows
        samples = {"samples": [first, last + 1], "samples_decoded": len(run.samples)}
        runs.append({"rows": rows, **samples, "ranges": run.ranges})
    return {
        "rows": len(plan.rows),
        "samples_decoded": plan.samples_decoded,
        "samples_skipped": plan.samples_skipped,
        "byte_addressable": index.byte_addressable,
        "ranged": index.ranged,
        "bytes_to_read": plan.bytes_to_read,
        "ranges": plan.ranges,
        "runs": runs,
    }
