"""An execution environment on this machine: a process that answers invocations as the function does on Lambda.

    python -m function.runtime.stdio

Each line of standard input is {"event": …, "seconds": time limit}; each line of standard output is {"result": …} or
{"error": {code, message, retryable, detail}}. The function's log goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from typing import Any

from function.actions.limits import function_memory
from function.errors import FunctionError
from function.frames import own_code
from function.runtime import invocation, json_log, worker
from function.runtime.supervisor import Supervisor


class Context:
    """Lambda's context of an invocation: a request id and the time that is left."""

    def __init__(self, seconds: float) -> None:
        self.aws_request_id = str(uuid.uuid4())
        self._until = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the time limit, at least 0."""
        return max(0, int((self._until - time.monotonic()) * 1000))


def main() -> None:
    """Answer lines until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json_log.install()
    supervisor = Supervisor(worker.main, function_memory(), loads=bool(os.environ.get(own_code.VARIABLE)))
    try:
        for line in sys.stdin:
            print(json.dumps(_answer(json.loads(line), supervisor)), file=answers, flush=True)
    finally:
        supervisor.stop()


def _answer(message: dict[str, Any], supervisor: Supervisor) -> dict[str, Any]:
    try:
        return {"result": invocation.answer(message["event"], Context(message["seconds"]), supervisor)}
    except FunctionError as error:
        return {"error": error.facts()}


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
