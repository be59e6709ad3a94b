"""Lambda's entry point: `function.handler.handler`."""

from __future__ import annotations

import json
import time
import traceback
from typing import Any, Protocol

from awslambdaric.lambda_runtime_exception import FaultException

from function import job, s3
from function.errors import Internal, from_exception

s3.client()  # made while Lambda initialises the function, not in the first request


class Context(Protocol):
    aws_request_id: str


def handler(event: object, context: Context) -> dict[str, Any]:
    """The result of the request. Raises with errorType the code and errorMessage the report, and no stack trace."""
    start = time.perf_counter()
    line: dict[str, object] = {"request_id": context.aws_request_id}
    try:
        result = job.run(event, s3.client())
        line["code"] = "ok"
        return result
    except Exception as exception:
        error = from_exception(exception)
        line |= {"code": error.code, "message": error.message}
        if isinstance(error, Internal):
            # Only where it happened: the text of an unknown exception may hold anything.
            line |= {"exception": type(exception).__name__, "trace": traceback.format_tb(exception.__traceback__)}
        # The runtime client reports this exception alone under a type of our choice and without a stack trace.
        raise FaultException(error.code, error.report(context.aws_request_id)) from None
    finally:
        line["milliseconds"] = round((time.perf_counter() - start) * 1000, 1)
        print(json.dumps(line), flush=True)
