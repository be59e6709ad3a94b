"""The log line of a request: JSON that CloudWatch also reads as metrics (embedded metric format)."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from function.errors import public_text

OK: Final = "ok"
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
    *,
    request_id: str,
    trace_id: str | None,
    action: str,
    code: str,
    milliseconds: Mapping[str, float],
    counters: Mapping[str, int],
    environment: Mapping[str, str] = os.environ,
    **more: object,
) -> str:
    """Return the line without its newline. All values are those of JSON.

    `code` is "ok" or an error's code; `trace_id` the value of _X_AMZN_TRACE_ID, of which the root is logged;
    `milliseconds` holds "total" and the phases; `counters` are those of a result; `more` are further members. Texts
    are cut to 300 characters, without query strings and credentials, lists to 100 items.
    """
    metrics: dict[str, tuple[float, str]] = {"Requests": (1, "Count"), "Errors": (int(code != OK), "Count")}
    if "total" in milliseconds:
        metrics["Duration"] = milliseconds["total"], "Milliseconds"
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
        "Code": code,
        **{name: value for name, (value, _) in metrics.items()},
        "request_id": request_id,
    }
    about = {
        "trace_id": trace_root(trace_id),
        "action": action,
        "milliseconds": milliseconds,
        "counters": counters,
        **more,
    }
    text = json.dumps({**emf, **_public(about)})
    return text if len(text) <= MAX_LINE_CHARS else json.dumps(emf)


def trace_root(trace_id: str | None) -> str | None:
    """Return the root of a trace header: `1-5759e988-bd86…` for `Root=1-5759e988-bd86…;Parent=…;Sampled=1`."""
    match = _TRACE_ROOT.search(trace_id or "")
    return match[1] if match else None


def _public(value: Any) -> Any:
    if isinstance(value, str):
        return public_text(value)
    if isinstance(value, Mapping):
        return {name: _public(member) for name, member in value.items()}
    return [_public(item) for item in value[:_MAX_ITEMS]] if isinstance(value, list | tuple) else value
