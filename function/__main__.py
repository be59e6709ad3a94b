"""Runs one event on this machine, without Lambda, and prints its result.

python -m function EVENT.json      the result as JSON; S3 as AWS_ENDPOINT_URL_S3 and the usual credentials say
python -m function -               the event from standard input

The event may be any that Lambda takes, also a notification or an HTTP request. Its log goes to standard error.
Here, and nowhere else, `video` may be the path of a file. HWANG_APPLY lists own code as on Lambda, run in this
process, under whatever debugger does.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from function import s3
from function.errors import FunctionError
from function.runtime import dispatch, invocation
from function.runtime.stdio import Context
from function.session import Session

_NO_LIMIT_SECONDS = 10**8


class _Here:
    """Runs requests in this process, in the place of a Supervisor."""

    def run(self, event: object, _seconds_left: float) -> dict[str, Any]:
        return dispatch.run(event, Session(s3.client(), local_files=True))


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done; 1 the request failed, with the reason on standard error; 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m function", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("event", help="a file with the event as JSON, or - for standard input")
    options = parser.parse_args(arguments)
    try:
        event = json.loads(sys.stdin.read() if options.event == "-" else Path(options.event).read_text())
    except (OSError, ValueError) as error:
        parser.error(f"{options.event}: {error}")
    try:
        with redirect_stdout(sys.stderr):
            result = invocation.answer(event, Context(_NO_LIMIT_SECONDS), _Here())
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


if __name__ == "__main__":
    sys.exit(main())
