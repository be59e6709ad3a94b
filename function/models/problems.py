"""Validation errors in the words of the event: a list of {path, message}."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypedDict

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from function.errors import MAX_MESSAGE_CHARS, BadRequest, public_text
from function.models.form import ONE_ANSWER
from function.models.selection import SELECTIONS

MAX_PROBLEMS: Final = 20
_MAX_NAME_CHARS: Final = 40
_EXPECTED: Final = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "string_type": "a string",
    "list_type": "an array",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
_JSON_TYPES: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


class Problem(TypedDict):
    """One problem: the path of the field, and what is wrong with it."""

    path: str
    message: str


def json_type(value: object) -> str:
    """Return the JSON name of the value's type, with its article."""
    return _JSON_TYPES.get(type(value), "another type")


def problem_list(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Return the first 20 problems of the error. `model` is the event's model."""
    known = list(model.model_fields)
    details = error.errors(include_url=False, include_context=True)
    problems = [_problem(detail, known) for detail in details[:MAX_PROBLEMS]]
    if len(details) > MAX_PROBLEMS:
        problems.append({"path": "", "message": f"and {len(details) - MAX_PROBLEMS} more problems"})
    return problems


def summary(problems: list[Problem]) -> str:
    """Join the problems in one line; the last ones are only counted if it gets too long."""
    lines = [f"{problem['path']}: {problem['message']}".removeprefix(": ") for problem in problems]
    shown, room = 0, MAX_MESSAGE_CHARS - len("; and 99 more")
    while shown < len(lines) and (shown == 0 or sum(map(len, lines[: shown + 1])) + 2 * shown <= room):
        shown += 1
    rest = f"; and {len(lines) - shown} more" if shown < len(lines) else ""
    return "; ".join(lines[:shown]) + rest


@contextmanager
def below(path: str) -> Iterator[None]:
    """Let the problems of a BadRequest be those of the field `path`, unless that is empty."""
    try:
        yield
    except BadRequest as error:
        if not path:
            raise
        found: list[Problem] = error.detail["problems"]  # type: ignore[assignment]
        problems: list[Problem] = [
            {"path": f"{path}.{problem['path']}", "message": problem["message"]} for problem in found
        ]
        raise BadRequest(summary(problems), problems=problems) from None


def _problem(detail: ErrorDetails, known: list[str]) -> Problem:
    place = _place(detail)
    path, message = _path(place), _message(detail, place, known)
    if not place and ": " in message:  # fields that do not fit each other: the message begins with the field to change
        path, _, message = message.partition(": ")
    return {"path": public_text(path), "message": public_text(message)}


def _message(detail: ErrorDetails, place: tuple[int | str, ...], known: list[str]) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "missing":
        return f"is required: {ONE_ANSWER}" if "outputs" in place[:-1] else "is required"
    if kind == "extra_forbidden":
        return _unknown(str(place[-1]), known if len(place) == 1 else [])
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {json_type(value)}"
    if kind == "too_short":
        return "must not be empty"
    if kind == "finite_number":
        return "must be a finite number"
    if kind == "literal_error":
        return f"must be {detail['ctx']['expected']}"
    if kind == "string_pattern_mismatch":
        return "is not a valid name"
    if kind == "frames" and isinstance(value, dict):
        near = [name for key in value for name in difflib.get_close_matches(str(key), SELECTIONS, n=1)]
        return detail["msg"] + (f"; did you mean {near[0]!r}?" if near else "")
    return detail["msg"].removeprefix("Input ").replace("should", "must", 1)


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    if near:
        return f"is not a known field; did you mean {near[0]!r}?"
    return "is not a known field" + (f"; the fields are {', '.join(known)}" if known else " here")


def _place(detail: ErrorDetails) -> tuple[int | str, ...]:
    """Return the place in the event, without the tags of unions."""
    loc = detail["loc"]
    is_field = detail["type"] in ("missing", "extra_forbidden")  # of any name, also one like a tag
    last = [part for part in loc[-1:] if is_field or not _is_tag(part)]
    return (*(part for part in loc[:-1] if not _is_tag(part)), *last)


def _is_tag(part: int | str) -> bool:
    """True for the tag of a union's member, which only the models know."""
    return isinstance(part, str) and part.startswith("<") and part.endswith(">")


def _path(place: tuple[int | str, ...]) -> str:
    """Format a place, such as `frames[3]` or `video.key`."""
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            name = part if len(part) <= _MAX_NAME_CHARS else part[: _MAX_NAME_CHARS - 1] + "…"
            path += f".{name}" if path else name
    return path
