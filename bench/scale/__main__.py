"""python -m bench.scale: the page and the picture. With --measure-from, what parts cost instead."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from bench.scale import costs, grid, report
from bench.scale.assumptions import Limits
from bench.scale.costs import FILE as COSTS
from bench.scale.costs import Costs

PAGE = "scale.md"
PICTURE = "scale.png"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--measure-from", type=Path, metavar="MANIFEST", help="write costs.json from a job's manifest")
    parser.add_argument("--output", type=Path, default=Path("docs"), metavar="DIR", help="where to (docs)")
    options = parser.parse_args(arguments)
    if options.measure_from:
        measured = costs.measured(json.loads(options.measure_from.read_text()))
        measured.write(COSTS)
        print(f"scale: {len(measured.samples)} parts in {COSTS}")
        return 0
    began = time.monotonic()
    measured, limits = Costs.read(), Limits.documented()
    outcomes = grid.outcomes(grid.everything(), measured, limits)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / PAGE).write_text(report.markdown(outcomes, measured, limits))
    from bench.scale import plot  # the only part that needs matplotlib

    plot.draw(outcomes, options.output / PICTURE)
    print(f"scale: {len(outcomes)} jobs simulated in {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
