"""Lambda's entry point: `function.handler.handler`."""
# ruff: noqa: E402 - what makes importing faster comes before the imports

from __future__ import annotations

import gc
import os
import random
from typing import Any

gc.disable()  # imports make no garbage
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: its threads would only take memory
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # it would search all packages for plugins

from awslambdaric.lambda_runtime_exception import FaultException
from snapshot_restore_py import register_after_restore, register_before_snapshot

from function.actions.limits import function_memory
from function.errors import FunctionError
from function.frames import own_code
from function.runtime import invocation, json_log, worker
from function.runtime.supervisor import Supervisor

_LOAD_SECONDS = 9.0  # Lambda gives a start ten


def handler(event: object, context: invocation.Context) -> Any:
    """Answer one invocation. Raises FaultException: errorType is the code, errorMessage the report."""
    try:
        return invocation.answer(event, context, _supervisor)
    except FunctionError as error:
        # The runtime client reports this exception alone under a type of our choice and without a stack trace.
        raise FaultException(error.code, error.report(context.aws_request_id)) from None


def _restored() -> None:
    random.seed()  # otherwise all environments restored from one snapshot draw the same numbers
    _supervisor.start()


json_log.install()
gc.freeze()
gc.enable()
_supervisor = Supervisor(worker.main, function_memory(), loads=bool(os.environ.get(own_code.VARIABLE)))
_supervisor.start()
_supervisor.wait_until_loaded(_LOAD_SECONDS)
register_before_snapshot(_supervisor.stop)
register_after_restore(_restored)
