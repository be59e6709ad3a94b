"""Reads JSON from outside; anything of another type is a BadRequest that names its place."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from function.errors import BadRequest, public_text
from function.models.problems import json_type

MAX_JSON_CHARS: Final = 8 * 2**20  # Lambda takes 6 MB, SQS 1 MiB
_MAX_SEEN_CHARS: Final = 1000  # of a message; public_text keeps 300


def wrong(path: str, message: str) -> BadRequest:
    """Return the error for one wrong field. The message may quote the input at any length."""
    message = message[:_MAX_SEEN_CHARS]
    return BadRequest(f"{path}: {message}", problems=[{"path": path, "message": public_text(message)}])


def json_object(text: object, path: str) -> dict[str, Any]:
    """Parse the JSON object in a text; `path` names it in errors. Raises BadRequest."""
    if not isinstance(text, str):
        raise wrong(path, f"must be a string of JSON, not {json_type(text)}")
    if len(text) > MAX_JSON_CHARS:
        raise wrong(path, f"has {len(text)} characters, more than {MAX_JSON_CHARS}")
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise wrong(path, "is nested too deeply") from None
    except ValueError:
        raise wrong(path, "is not valid JSON") from None
    if not isinstance(value, dict):
        raise wrong(path, f"must hold a JSON object, not {json_type(value)}")
    return value


def text_at(document: object, *path: str) -> str:
    """Return the string at this path of names. Raises BadRequest if there is none."""
    value = optional_text_at(document, *path)
    if value is None:
        raise wrong(".".join(path), "must be a string, not null")
    return value


def optional_text_at(document: object, *path: str) -> str | None:
    """Return the string at this path of names, None if null or absent. Raises BadRequest for another type."""
    value = document
    for depth, name in enumerate(path):
        if not isinstance(value, dict):
            raise wrong(".".join(path[:depth]) or "event", f"must be an object, not {json_type(value)}")
        value = value.get(name)
    if value is not None and not isinstance(value, str):
        raise wrong(".".join(path), f"must be a string, not {json_type(value)}")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
