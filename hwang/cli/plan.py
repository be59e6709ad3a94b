"""plan: what decoding some rows would cost."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import numpy as np

from hwang.cli.exits import ExitCode
from hwang.cli.rows import requested_rows
from hwang.cli.text import aligned, print_json, row_list, size
from hwang.cli.video import index_video, open_video, stored_index
from hwang.plan import Plan, Run, make_plan

__all__ = ["describe", "run"]

_HEADER = ("run", "rows", "samples", "fed", "left out", "bytes", "ranges")


def run(arguments: Namespace) -> ExitCode:
    index = index_video(open_video(arguments.file), arguments.track, stored_index(arguments.index)).index
    plan = make_plan(index, requested_rows(arguments, index), request_cost_bytes=arguments.request_cost)
    if arguments.json:
        print_json(describe(plan, index.byte_addressable))
        return ExitCode.OK
    lines = [_line(number, run, plan) for number, run in enumerate(plan.runs)]
    print(aligned([_HEADER, *lines], right=(0, 3, 4, 5, 6)))
    print(plan)
    if not index.byte_addressable:
        print(f"but {index.container} is read from end to end: what is to read is the whole file")
    return ExitCode.OK


def describe(plan: Plan, byte_addressable: bool) -> dict[str, Any]:
    """The plan, as it goes into JSON. Ranges are [offset, length]; samples are half-open [first, end)."""
    return {
        "rows": len(plan.rows),
        "samples_decoded": plan.samples_decoded,
        "samples_left_out": plan.samples_left_out,
        "byte_addressable": byte_addressable,
        "bytes_to_read": plan.bytes_to_read,
        "ranges": plan.ranges,
        "runs": [
            {
                "rows": _rows_of(run, plan),
                "samples": [int(run.samples[0]), int(run.samples[-1]) + 1],
                "samples_decoded": len(run.samples),
                "ranges": run.ranges,
            }
            for run in plan.runs
        ],
    }


def _rows_of(run: Run, plan: Plan) -> list[int]:
    """The rows asked for that `run` gives, ascending, each once."""
    inside = (plan.sample_of_position >= run.samples[0]) & (plan.sample_of_position <= run.samples[-1])
    rows: list[int] = np.unique(plan.rows[inside]).tolist()
    return rows


def _line(number: int, run: Run, plan: Plan) -> tuple[str, ...]:
    first, last = int(run.samples[0]), int(run.samples[-1])
    return (
        str(number),
        row_list(_rows_of(run, plan)),
        f"{first}-{last}",
        str(len(run.samples)),
        str(last - first + 1 - len(run.samples)),
        size(sum(length for _, length in run.ranges)),
        str(len(run.ranges)),
    )
