"""Writes the log as lines of JSON: records of `logging`, warnings, and exceptions that nobody catches."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from function.errors import public_text

_MAX_FRAMES: Final = 30
_LOG: Final = logging.getLogger(__name__)


class Formatter(logging.Formatter):
    """Formats a record as one line: {timestamp, level, logger, message}, and the stack of an exception as `trace`.

    Of an exception there is the type and the stack: its text may hold secrets.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its newline."""
        try:
            message = record.getMessage()
        except Exception:  # its arguments do not fit: the message alone is better than nothing
            message = str(record.msg)
        line: dict[str, Any] = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": public_text(message),
        }
        if record.exc_info and record.exc_info[0]:
            line["trace"] = stack(record.exc_info[0], record.exc_info[2])
        return json.dumps(line)


def stack(kind: type[BaseException], trace: TracebackType | None) -> list[str]:
    """Return the stack's last 30 frames and the name of the exception's type."""
    return [*traceback.format_tb(trace, -_MAX_FRAMES), kind.__name__]


def install() -> None:
    """Have this process, and those forked from it, write their log so to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(Formatter())
    logging.getLogger().handlers[:] = [handler]  # Lambda's own writes text, to a file that a worker has closed
    logging.captureWarnings(True)
    sys.excepthook = _log_exception
    threading.excepthook = lambda args: _log_exception(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _log_exception(args.exc_type, args.exc_value, args.exc_traceback)
    _replace_error_line()


def _log_exception(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, SystemExit):
        _LOG.error("an exception was not caught", exc_info=(kind, error or kind(), trace))


def _replace_error_line() -> None:
    """Have Lambda's runtime client log the error of an invocation as JSON, as it does if the log format is JSON."""
    try:
        from awslambdaric import bootstrap
    except ImportError:  # not on Lambda
        return

    def log_error(error_result: dict[str, Any], log_sink: Any) -> None:
        log_sink.log_error([json.dumps({"level": "ERROR", **error_result})])

    replaced: Callable[[dict[str, Any], Any], None] = log_error
    bootstrap.log_error = replaced
