"""Runs one event on this machine, without Lambda, and prints its result.

python -m function EVENT.json      the result as JSON; S3 as AWS_ENDPOINT_URL_S3 and the usual credentials say
python -m function -               the event from standard input

Here, and nowhere else, `video` may be the path of a file. HWANG_APPLY lists own code as on Lambda. All runs in this
process, under whatever debugger does.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from function import s3
from function.errors import FunctionError
from function.runtime import dispatch
from function.session import Session


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
        result = dispatch.run(event, Session(s3.client(), local_files=True))
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
