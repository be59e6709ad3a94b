"""Runs the benchmark in its image and leaves the results in $RESULTS: results.json, bench.md, bench.png.

bench/run.sh starts it with the timing clips in $HWANG_CACHE/bench.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import time
from pathlib import Path

from bench.contenders import CORES
from bench.plot import draw
from bench.process import ROOT
from bench.report import markdown
from bench.results import Results, processor
from bench.run import measure
from bench.workloads import Settings


def main() -> None:
    """Measures, writes the results after each clip, and prints the tables."""
    settings = Settings.of(os.environ)
    folder = Path(os.environ.get("RESULTS", ROOT / "bench/results"))
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()

    def log(text: str) -> None:
        print(f"bench: {time.monotonic() - begun:5.0f} s  {text}", flush=True)

    results = Results(processor(), CORES, platform.release(), time.strftime("%Y-%m-%d"))
    for _ in measure(results, settings, log):  # a run that is ended early leaves what it has measured
        (folder / "results.json").write_text(json.dumps(dataclasses.asdict(results), indent=1) + "\n")
        (folder / "bench.md").write_text(markdown(results))
        draw(results, folder / "bench.png")
    print(markdown(results))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit("bench: interrupted")
