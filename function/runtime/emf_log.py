"""The one line a request leaves in the log: JSON that CloudWatch also reads as metrics (embedded metric format)."""

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
_MAX_SEEN_CHARS: Final = 2000  # of a text; public_text keeps 300, and takes long over a megabyte
_LARGEST: Final = 2.0**360  # of a metric's value
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
    """The line, without its end. Raises nothing: what cannot be told is left out.

    `code` is "ok" or an error's code; `trace_id` the value of _X_AMZN_TRACE_ID, of which the root is told;
    `milliseconds` holds "total" and the phases; `counters` are those of a result; `more` is told as it is. No query
    string, no credentials, and no text longer than 300 characters is told.
    """
    try:
        return _line(request_id, trace_id, action, code, milliseconds, counters, environment, more)
    except Exception as error:  # a request must not fail by its log
        return json.dumps({"request_id": _text(request_id), "code": _text(code), "log": type(error).__name__})


def trace_root(trace_id: str | None) -> str | None:
    """`1-5759e988-bd862e3fe1be46a994272793` of `Root=1-5759e988-…;Parent=…;Sampled=1`."""
    match = _TRACE_ROOT.search(trace_id) if isinstance(trace_id, str) else None
    return match[1] if match else None


def _line(
    request_id: str,
    trace_id: str | None,
    action: str,
    code: str,
    milliseconds: Mapping[str, float],
    counters: Mapping[str, int],
    environment: Mapping[str, str],
    more: Mapping[str, object],
) -> str:
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
    told = {name: value for name, value in dict(_members({**more, **about}, _MAX_DEPTH)).items() if name not in emf}
    text = json.dumps({**emf, **told})
    return text if len(text) <= MAX_LINE_CHARS else json.dumps({**emf, "request_id": _text(request_id)})


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


_UNTOLD: Final = object()


def _public(value: object, depth: int) -> Any:
    """The value as JSON can have it and anyone may see it; _UNTOLD if there is no such thing."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, numbers.Real):
        number = _number(value)
        return _UNTOLD if number is None else number
    if isinstance(value, Mapping) and depth > 0:
        return dict(_members(value, depth - 1))
    if isinstance(value, list | tuple | set | frozenset) and depth > 0:
        told = [_public(item, depth - 1) for item in list(value)[:_MAX_ITEMS]]
        return [item for item in told if item is not _UNTOLD]
    return _UNTOLD


def _members(mapping: Mapping[Any, object], depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in list(mapping.items())[:_MAX_ITEMS]:
        told = _public(value, depth)
        if isinstance(name, str) and told is not _UNTOLD:
            yield _text(name), told


def _number(value: object) -> int | float | None:
    """The value, also one of numpy's, if it is a number that a metric can have."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return None
    number = int(value) if isinstance(value, numbers.Integral) else float(value)
    return number if abs(number) <= _LARGEST else None


def _text(value: object) -> str:
    return public_text(value[:_MAX_SEEN_CHARS]).strip() if isinstance(value, str) else ""


def _namespace(environment: Mapping[str, str]) -> str:
    namespace = environment.get("HWANG_METRICS_NAMESPACE", "")
    return namespace if _NAMESPACE.fullmatch(namespace) else "Hwang"
