"""The user's own code on frames: functions that HWANG_APPLY lists, loaded once in a worker, called batch by batch."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from function.errors import ApplyFailed, LimitExceeded
from function.models.incoming import wrong

Values = NDArray[Any] | list[Any]
"""Results for n frames: an array [n, …], or a list of n JSON values."""
Function = Callable[[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float64]], Any]

VARIABLE: Final = "HWANG_APPLY"
MEMORY_VARIABLE: Final = "HWANG_APPLY_MB"
_ENTRY = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_-]{0,63})\s*=\s*([\w.]+):([\w.]+)\s*")
_KINDS: Final = "biufc"  # of dtypes: what a .npy file holds without pickle, and programs count with
_MAX_ROWS_LISTED: Final = 100


def listed(environment: Mapping[str, str] = os.environ) -> dict[str, tuple[str, str]]:
    """Return module and attribute of each function by its name. Raises ApplyFailed if HWANG_APPLY is malformed."""
    found: dict[str, tuple[str, str]] = {}
    for entry in filter(str.strip, environment.get(VARIABLE, "").split(",")):
        match = _ENTRY.fullmatch(entry)
        if not match or match[1] in found:
            problem = "is there twice" if match else 'is not like "name=module:function"'
            raise ApplyFailed(f"{VARIABLE}: {entry.strip()!r} {problem}", variable=VARIABLE)
        found[match[1]] = match[2], match[3]
    return found


def declared_bytes(environment: Mapping[str, str] = os.environ) -> int:
    """Return the memory that own code needs beside the frames, as HWANG_APPLY_MB says."""
    stated = environment.get(MEMORY_VARIABLE, "0")
    if not stated.isdecimal():
        raise ApplyFailed(f"{MEMORY_VARIABLE}: {stated!r} is not a number of megabytes", variable=MEMORY_VARIABLE)
    return int(stated) << 20


@functools.cache
def load(name: str) -> Function:
    """Return the function of this name; of a class the object made of it, in each process once.

    Raises BadRequest for a name that is not listed, ApplyFailed if it cannot be loaded.
    """
    functions = listed()
    if name not in functions:
        known = f"must be one of {', '.join(functions)}" if functions else f"needs functions in {VARIABLE}"
        raise wrong("apply", known)
    module, attribute = functions[name]
    with _failing(name, "could not be loaded"):
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        if isinstance(found, type):
            found = found()
    if not callable(found):
        raise ApplyFailed(f"apply: {name} is not a function or a class of callable objects", apply=name)
    function: Function = found
    return function


def load_all() -> None:
    """Load all functions that are listed, so that requests find them; each request reports what failed."""
    for name in listed():
        with suppress(ApplyFailed):
            load(name)


@functools.cache
def content() -> str:
    """Return 32 hexadecimal digits that name the code: all files of the function's directory, and which packages.

    Outside an image, where the directory is anything, it is the files of the modules that are listed.
    """
    from importlib import metadata  # slow to import

    root = os.environ.get("LAMBDA_TASK_ROOT")
    digest = hashlib.sha256(os.environ.get(VARIABLE, "").encode())
    for place in [Path(root)] if root else _modules():
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and path.parent.name != "__pycache__":
                digest.update(f"{path.relative_to(place)}\0".encode(errors="surrogateescape"))
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
    packages = sorted(f"{found.name} {found.version}" for found in metadata.distributions())
    digest.update("\n".join(packages).encode())
    return digest.hexdigest()[:32]


def _modules() -> Iterator[Path]:
    for module in sorted({module.partition(".")[0] for module, _ in listed().values()}):
        file = getattr(importlib.import_module(module), "__file__", None)
        if file:
            yield Path(file).parent if Path(file).name == "__init__.py" else Path(file)


class Applied:
    """Calls one function with batch after batch, and checks what it returns. Raises ApplyFailed, LimitExceeded."""

    def __init__(self, name: str, function: Function) -> None:
        self.name = name
        self._function = function
        self._form: tuple[np.dtype[Any], tuple[int, ...]] | None = None  # of the first array
        self._returned: type | None = None

    def __call__(self, frames: NDArray[np.uint8], rows: NDArray[np.int64], seconds: NDArray[np.float64]) -> Values:
        """Return the results for frames uint8 [n, H, W, 3], their rows int64 [n] and times float64 [n]."""
        with _failing(self.name, "failed", rows):
            returned = self._function(frames, rows, seconds)
            values = list(returned) if isinstance(returned, list | tuple) else np.asarray(returned)
            problem = self._problem(values, returned, len(rows))
        if problem:
            raise ApplyFailed(f"apply: {self.name} {problem}", apply=self.name, rows=_shown(rows))
        return values

    def _problem(self, values: Values, returned: object, count: int) -> str:
        if isinstance(values, np.ndarray) and values.ndim == 0:
            return f"returned {type(returned).__name__} instead of an array or a list with a value for each frame"
        if len(values) != count:
            return f"returned {len(values)} results for {count} frames"
        if self._returned not in (None, type(values)):
            return "returned an array for some frames and a list for others"
        self._returned = type(values)
        if isinstance(values, list):
            return _not_json(values)
        if values.dtype.kind not in _KINDS:
            return f"returned an array of dtype {values.dtype}, which is not of numbers"
        form = values.dtype, values.shape[1:]
        if self._form not in (None, form):
            return f"returned {_described(form)} for each frame, and {_described(self._form)} for those before"
        self._form = form
        return ""


def to_json(value: object) -> str:
    """Return a value as JSON; numpy's numbers become Python's. Raises TypeError, ValueError for what JSON has not."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_number)


def _described(form: tuple[np.dtype[Any], tuple[int, ...]] | None) -> str:
    return f"{form[0]} {list(form[1])}" if form else ""


def _number(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _not_json(values: list[Any]) -> str:
    for position, value in enumerate(values):
        try:
            to_json(value)
        except (TypeError, ValueError, RecursionError) as error:
            return f"returned a list whose item {position} is not JSON ({error})"
    return ""


@contextmanager
def _failing(name: str, what: str, rows: NDArray[np.int64] | None = None) -> Iterator[None]:
    """Turn every exception of own code into ApplyFailed; its text and trace go to the log, not to the caller."""
    about: dict[str, Any] = {"apply": name} | ({} if rows is None else {"rows": _shown(rows)})
    place = "" if rows is None or not len(rows) else f" on rows {rows.min()} to {rows.max()}"
    try:
        yield
    except MemoryError as error:
        message = f"apply: {name} needs more memory than the function has{place}"
        raise LimitExceeded(message, limit="memory", **about) from error
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        failure = ApplyFailed(f"apply: {name} {what} with {kind}{place}", exception=kind, **about)
        failure.trace = traceback.format_exception(error)
        raise failure from error


def _shown(rows: Sequence[int] | NDArray[np.int64]) -> list[int]:
    return [int(row) for row in rows[:_MAX_ROWS_LISTED]]
