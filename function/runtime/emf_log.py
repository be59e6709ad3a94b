"""The log line of a request: JSON that CloudWatch also reads as metrics (embedded metric format)."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from function.errors import FunctionError, Outcome, public_text

MAX_LINE_CHARS: Final = 200_000  # CloudWatch takes 256 KB

_DIMENSIONS: Final = (("FunctionName",), ("FunctionName", "Code"))
_COUNTERS: Final = {  # metric: (counter of a result, unit)
    "BytesRead": ("bytes_read", "Bytes"),
    "SourceRequests": ("requests", "Count"),
    "SamplesDecoded": ("samples_decoded", "Count"),
    "Frames": ("frames_decoded", "Count"),
}
_MAX_ITEMS: Final = 100
_TRACE_ROOT = re.compile(r"(?:^|;)\s*Root=([0-9A-Za-z-]{1,64})(?:;|$)")


def line(
    request_id: str,
    event: Mapping[str, Any],
    outcome: Outcome,
    seconds: float,
    key: str = "",
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Return the line of a request without its newline. `seconds` is how long it took, `key` its name among others.

    Texts are cut to 300 characters, without query strings and credentials, lists to 100 items.
    """
    error = outcome if isinstance(outcome, FunctionError) else None
    result = {} if isinstance(outcome, FunctionError) else outcome
    milliseconds = {**result.get("milliseconds", {}), "total": round(seconds * 1000, 1)}
    counters = result.get("counters", {})
    metrics: dict[str, tuple[float, str]] = {
        "Requests": (1, "Count"),
        "Errors": (int(error is not None), "Count"),
        "Duration": (milliseconds["total"], "Milliseconds"),
    }
    for name, (counter, unit) in _COUNTERS.items():
        if counter in counters:
            metrics[name] = counters[counter], unit
    directive = {
        "Namespace": environment.get("HWANG_METRICS_NAMESPACE") or "Hwang",
        "Dimensions": _DIMENSIONS,
        "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()],
    }
    emf = {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "FunctionName": environment.get("AWS_LAMBDA_FUNCTION_NAME") or "unnamed",
        "Code": error.code if error else "ok",
        **{name: value for name, (value, _) in metrics.items()},
        "request_id": request_id,
    }
    trace = _TRACE_ROOT.search(environment.get("_X_AMZN_TRACE_ID", ""))
    about = {
        "trace_id": trace[1] if trace else None,
        "action": str(event.get("action", "decode")),
        "milliseconds": milliseconds,
        "counters": counters,
        **({"key": key} if key else {}),
        **({"message": error.message, "detail": error.detail, "trace": error.trace} if error else {}),
    }
    text = json.dumps({**emf, **_public(about)})
    return text if len(text) <= MAX_LINE_CHARS else json.dumps(emf)


def _public(value: Any) -> Any:
    if isinstance(value, str):
        return public_text(value)
    if isinstance(value, Mapping):
        return {name: _public(member) for name, member in value.items()}
    return [_public(item) for item in value[:_MAX_ITEMS]] if isinstance(value, list | tuple) else value
