"""Runs one event on this machine, without Lambda, and prints its result.

python -m function EVENT.json      the result as JSON; S3 as AWS_ENDPOINT_URL_S3 and the usual credentials say
python -m function -               the event from standard input

Here, and nowhere else, `video` may be the path of a file. HWANG_APPLY lists own code as on Lambda; without
--supervised it runs in this process, under whatever debugger does.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path

from function import s3
from function.actions.limits import function_memory
from function.deadline import NEVER, Deadline
from function.errors import FunctionError
from function.runtime import dispatch, worker
from function.runtime.supervisor import ANSWER_SECONDS, Supervisor
from function.session import Session

_NO_LIMIT_SECONDS = 10**8


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done; 1 the request failed, with the reason on standard error; 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m function", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("event", help="a file with the event as JSON, or - for standard input")
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="time limit, as Lambda has one; none by default"
    )
    parser.add_argument(
        "--supervised",
        action="store_true",
        help="run in a worker process, as on Lambda; by default in this one, for a debugger",
    )
    options = parser.parse_args(arguments)
    try:
        event = json.loads(sys.stdin.read() if options.event == "-" else Path(options.event).read_text())
    except (OSError, ValueError) as error:
        parser.error(f"{options.event}: {error}")
    try:
        result = _supervised(event, options.timeout) if options.supervised else _here(event, options.timeout)
    except FunctionError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        print(json.dumps(error.detail, indent=2), file=sys.stderr)
        print("".join(error.trace), end="", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(json.dumps(result, indent=2))
    return 0


def _here(event: object, timeout: float | None) -> dict[str, object]:
    session = Session(s3.client(), Deadline.within(timeout) if timeout else NEVER, local_files=True)
    return dispatch.run(event, session)


def _supervised(event: object, timeout: float | None) -> dict[str, object]:
    supervisor = Supervisor(partial(worker.main, local_files=True), function_memory())
    try:
        return supervisor.run(event, (timeout or _NO_LIMIT_SECONDS) + ANSWER_SECONDS)
    finally:
        supervisor.stop()


if __name__ == "__main__":
    sys.exit(main())
