"""docs/numbers.json, which holds every number with its date and machine, and docs/numbers.md, written from it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from bench.results import processor
from local.measure import Number
from local.stack import ROOT

DATA, PAGE = ROOT / "docs/numbers.json", ROOT / "docs/numbers.md"
HEAD = """\
# Numbers

`make measure` writes this page; a test fails if it was changed by hand. `make measure PARTS="image jobs"` measures
these parts again. **Over** marks a number that exceeds its limit. Other decoders: [bench.md](bench.md).

The function's times are those of an emulated Lambda: S3 is a server behind a proxy that adds 50 ms to each request and
lets 80 MB/s through each connection. Costs are list prices of us-east-1, in US dollars, for a function of 3,008 MB
([`local/cost.py`](../local/cost.py)).
"""
ORDER = ("image", "function", "jobs", "deploy", "build")
TITLES = {False: "What users decide by", True: "What is guarded"}
Run = dict[str, Any]
"""One run of a part: `part`, `date`, `machine`, and `numbers`, each a Number as JSON."""


def load() -> list[Run]:
    """Return all runs, one of each part."""
    runs: list[Run] = json.loads(DATA.read_text()) if DATA.exists() else []
    return runs


def replaced(runs: list[Run], part: str, numbers: Iterable[Number]) -> list[Run]:
    """Return the runs with a new one in place of the part's earlier one."""
    values = [{name: value for name, value in asdict(number).items() if value not in ("", None)} for number in numbers]
    run = {"part": part, "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "numbers": values}
    return sorted([*(one for one in runs if one["part"] != part), run], key=lambda one: ORDER.index(one["part"]))


def machine() -> str:
    """Describe this machine: cores, processor, system, and whether it does anything else."""
    load = os.getloadavg()[2]
    busy = f", busy with other work (load {load:.0f})" if load > 3 else ""
    return f"{os.cpu_count()} cores of {processor()}, {platform.freedesktop_os_release()['PRETTY_NAME']}{busy}"


def line(number: Number) -> str:
    """Return the number as one line of text."""
    limit = "" if number.limit is None else f" (limit {amount(number.limit, number.unit)})"
    return f"{number.what}: {amount(number.value, number.unit)}{limit}{' OVER' if number.exceeds else ''}"


def amount(value: float, unit: str) -> str:
    """Return three digits of the value with its unit, four from 1 to 10; all digits of a whole number."""
    small = f"{value:.4g}" if 1 <= value < 10 else f"{value:.3g}"
    digits = f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value >= 100 else small
    return f"{digits} {unit}".strip()


def text(runs: list[Run]) -> str:
    """Return the page."""
    machines = list(dict.fromkeys(run["machine"] for run in runs))
    lines = [HEAD]
    for guarded, title in TITLES.items():
        lines += [
            f"## {title}",
            "",
            "| what | number | limit | command | date | machine |",
            "|---|---:|---:|---|---|---|",
        ]
        for run in runs:
            where = f"`make measure PARTS={run['part']}` | {run['date']} | {machines.index(run['machine']) + 1} |"
            for number in (Number(**values) for values in run["numbers"]):
                if number.guarded == guarded:
                    limit = "" if number.limit is None else amount(number.limit, number.unit)
                    value = amount(number.value, number.unit) + (" **over**" if number.exceeds else "")
                    lines.append(f"| {number.what} | {value} | {limit} | {where}")
        lines.append("")
    lines += ["Machines:", "", *(f"{place}. {name}" for place, name in enumerate(machines, 1))]
    return "\n".join(lines) + "\n"


def write(runs: list[Run]) -> None:
    """Write the data and the page."""
    DATA.write_text(json.dumps(runs, indent=1) + "\n")
    PAGE.write_text(text(runs))
