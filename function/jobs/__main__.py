"""A job over many videos on this machine, against any S3 endpoint: the job file that the state machine takes.

python -m function.jobs JOB.json --workers 4      S3 as AWS_ENDPOINT_URL_S3 and the usual credentials say
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

from pydantic import ValidationError

from function.errors import FunctionError, JobIncomplete
from function.jobs.local import Runner
from function.jobs.progress import Progress
from function.models.job import Job
from function.models.problems import problem_list, summary


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
