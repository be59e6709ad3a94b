#!/usr/bin/env python3
"""A function that stands in for the real one in a state machine: it answers as the job's name says.

It speaks to Lambda's runtime interface itself, as the error's type must be the code.
"""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any


class CodedError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def answer(event: dict[str, Any]) -> dict[str, Any]:
    job = event["job"]["output"] if event["action"] == "list" else event["job"]
    bucket, name = job.removeprefix("s3://").strip("/").split("/")
    go_on = {"job": job, "concurrency": 2, "tolerated_failure_percentage": 0}
    match event["action"], name:
        case ("list", "refused") | ("survey", "unsurveyed"):
            raise CodedError("CorruptMedia")
        case "part", "passing" if event["part"] == 1 and event["attempt"] < 2:
            raise CodedError("SourceUnavailable")
        case "part", "failing" if event["part"] == 1:
            raise CodedError("CorruptMedia")
        case "gather", "failing" | "unsurveyed":
            raise CodedError("JobIncomplete")
        case "list", _:
            return {**go_on, "chunks": 1, "items": {"bucket": bucket, "key": f"{name}/_job/surveys.json"}}
        case "cut", _:
            to_do = 0 if name == "done" else 3
            return {**go_on, "to_do": to_do, "items": {"bucket": bucket, "key": f"{name}/_job/parts.json"}}
        case "gather", _:
            return {"job": job, "complete": True}
    return event


def serve(invocations: str) -> None:
    """Answers one invocation after another."""
    while True:
        with urllib.request.urlopen(f"{invocations}/next") as given:  # noqa: S310
            event, request = json.load(given), given.headers["Lambda-Runtime-Aws-Request-Id"]
        try:
            outcome, path = answer(event), "response"
        except CodedError as failure:
            outcome, path = {"errorType": failure.code, "errorMessage": "as the job wants it"}, "error"
        body = json.dumps(outcome).encode()
        urllib.request.urlopen(f"{invocations}/{request}/{path}", data=body).close()  # noqa: S310


if __name__ == "__main__":
    serve(f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation")
