"""Runs the trials whose numbers come in on standard input, one line each, and answers each with a line of JSON.

A trial may end this process: a sanitizer's report, or a stack where the time ran out, is on standard error then.
"""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import json
import sys
from pathlib import Path

from tests.fuzz.trial import Trial, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="longest that a trial may take")
    options = parser.parse_args()
    for line in sys.stdin:
        faulthandler.dump_traceback_later(options.seconds, exit=True)
        outcome = run(Trial(options.seed, int(line)), options.clips)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(dataclasses.asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
