"""Run a job over many videos on this machine, against any S3 endpoint; the state machine takes the same job.

python -m function.jobs JOB.json --workers 4      S3 as AWS_ENDPOINT_URL_S3 and the usual credentials say
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from function.errors import FunctionError, JobIncomplete
from function.jobs.local import Answer, Runner
from function.models.job import Job
from function.models.problems import problem_list, summary

_LINE_SECONDS: Final = 5.0
_STEPS: Final = {
    "list": "list videos",
    "survey": "index videos, predict costs",
    "cut": "cut into parts",
    "decode": "decode parts",
    "gather": "gather results",
}


@dataclass
class Progress:
    """Listener of a Runner: writes how far the job is to standard error, on a terminal in a line that renews itself."""

    frames: int = 0
    failed: int = 0  # pieces, and parts that raised
    _written: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, done: int, total: int, outcome: Answer | FunctionError | None) -> None:
        """Write the state of a step; called at its start and after each item."""
        line = f"{_STEPS[step]}: {done:,} of {total:,}"
        if step == "decode":
            if isinstance(outcome, FunctionError):
                self.failed += 1
            elif outcome:
                self.frames += outcome["frames"]
                self.failed += outcome["failed"]
            line += f" ({self.frames:,} frames, {self.failed:,} failed)"
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if terminal or done in (0, total) or now - self._written >= _LINE_SECONDS:
            self._written = now
            begin, end = ("\r", "\033[K" if done < total else "\033[K\n") if terminal else ("", "\n")
            print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Runs a job. Returns 0 if it is done, 1 if it failed, 2 for a senseless job, 3 if incomplete, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m function.jobs", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("job", help="a file with the job as JSON, or - for standard input")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--workers", type=int, default=cores, metavar="N", help="parts at a time (%(default)s)")
    timeout = "limit of a part, as Lambda's (%(default)g)"
    parser.add_argument("--timeout", type=float, default=900.0, metavar="SECONDS", help=timeout)
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the lines that the function logs")
    options = parser.parse_args(arguments)
    if options.workers < 1:
        parser.error("--workers: at least 1")
    try:
        document = json.loads(sys.stdin.read() if options.job == "-" else Path(options.job).read_text())
        job = Job.model_validate(document)
    except (OSError, ValueError) as error:
        reason = summary(problem_list(error, Job)) if isinstance(error, ValidationError) else str(error)
        parser.error(f"{options.job}: {reason}")
    try:
        with options.log.open("ab") if options.log else nullcontext(subprocess.DEVNULL) as log:
            result = Runner(options.workers, options.timeout, log, Progress()).run(job)
    except JobIncomplete as error:
        print(f"{error.code}: {error.message}\nreport: {job.output.uri}report.html", file=sys.stderr)
        return 3
    except FunctionError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        print(json.dumps(error.detail, indent=2), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what is done is kept, the same command goes on from there", file=sys.stderr)
        return 130
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
