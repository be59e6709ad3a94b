"""The log line of a request: JSON that CloudWatch also reads as metrics (embedded metric format)."""

from __future__ import annotations

import json
import numbers
import os
import re
import time
from collections.abc import Iterator, Mapping
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
_MAX_DEPTH: Final = 4
_MAX_ITEMS: Final = 100
_MAX_SEEN_CHARS: Final = 2000  # of a text; public_text keeps 300, and is slow on a megabyte
_MAX_VALUE: Final = 2.0**360  # of a metric
_NAMESPACE = re.compile(r"(?!AWS/)[A-Za-z0-9._/#:-][A-Za-z0-9._/#: -]{0,254}")
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
    """Return the line without its newline. Never raises; values that cannot be serialised are omitted.

    `code` is "ok" or an error's code; `trace_id` the value of _X_AMZN_TRACE_ID, of which the root is logged;
    `milliseconds` holds "total" and the phases; `counters` are those of a result; `more` are further members. Texts
    are cut to 300 characters, without query strings and credentials.
    """
    try:
        values: dict[str, object] = {"Requests": 1, "Errors": int(code != OK)}
        units = {"Requests": "Count", "Errors": "Count"}
        for name, (value, unit) in _measured(milliseconds, counters):
            values[name], units[name] = value, unit
        dimensions = {
            "FunctionName": _text(environment.get("AWS_LAMBDA_FUNCTION_NAME")) or "unnamed",
            "Code": _text(code) or "unknown",
        }
        about = {
            "request_id": request_id,
            "trace_id": trace_root(trace_id),
            "action": action,
            "milliseconds": milliseconds,
            "counters": counters,
        }
        metrics = [{"Name": name, "Unit": unit} for name, unit in units.items()]
        directive = {"Namespace": _namespace(environment), "Dimensions": _DIMENSIONS, "Metrics": metrics}
        emf = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}, **dimensions, **values}
        members = {name: value for name, value in _members({**more, **about}, _MAX_DEPTH) if name not in emf}
        text = json.dumps({**emf, **members})
        return text if len(text) <= MAX_LINE_CHARS else json.dumps({**emf, "request_id": _text(request_id)})
    except Exception as error:  # a failing log must not fail the request
        return json.dumps({"request_id": _text(request_id), "code": _text(code), "log": type(error).__name__})


def trace_root(trace_id: str | None) -> str | None:
    """Return the root of a trace header: `1-5759e988-bd86…` for `Root=1-5759e988-bd86…;Parent=…;Sampled=1`."""
    match = _TRACE_ROOT.search(trace_id) if isinstance(trace_id, str) else None
    return match[1] if match else None


def _measured(
    milliseconds: Mapping[str, float], counters: Mapping[str, int]
) -> Iterator[tuple[str, tuple[int | float, str]]]:
    total = _number(milliseconds.get("total"))
    if total is not None:
        yield "Duration", (total, "Milliseconds")
    for name, (counter, unit) in _COUNTERS.items():
        value = _number(counters.get(counter))
        if value is not None:
            yield name, (value, unit)


_OMITTED: Final = object()


def _public(value: object, depth: int) -> Any:
    """Return the value as public JSON, or _OMITTED if it has no such form."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, numbers.Real):
        number = _number(value)
        return _OMITTED if number is None else number
    if isinstance(value, Mapping) and depth > 0:
        return dict(_members(value, depth - 1))
    if isinstance(value, list | tuple | set | frozenset) and depth > 0:
        items = [_public(item, depth - 1) for item in list(value)[:_MAX_ITEMS]]
        return [item for item in items if item is not _OMITTED]
    return _OMITTED


def _members(mapping: Mapping[Any, object], depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in list(mapping.items())[:_MAX_ITEMS]:
        public = _public(value, depth)
        if isinstance(name, str) and public is not _OMITTED:
            yield _text(name), public


def _number(value: object) -> int | float | None:
    """Return the value as int or float (numpy's as well) if a metric can hold it, else None."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    number = int(value) if isinstance(value, numbers.Integral) else float(value)
    return number if abs(number) <= _MAX_VALUE else None


def _text(value: object) -> str:
    return public_text(value[:_MAX_SEEN_CHARS]).strip() if isinstance(value, str) else ""


def _namespace(environment: Mapping[str, str]) -> str:
    namespace = environment.get("HWANG_METRICS_NAMESPACE", "")
    return namespace if _NAMESPACE.fullmatch(namespace) else "Hwang"
