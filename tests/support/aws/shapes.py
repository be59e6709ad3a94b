"""Values of the APIs and botocore's models of them: JSON to Python's forms and back, and whether a value fits."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator


def decode(shape: Shape, value: Any) -> Any:
    """JSON in the forms that clients use. What does not fit stays as it is, for `misfit` to tell."""
    match shape, value:
        case StructureShape(), dict():
            known = {member.serialization.get("name", name): name for name, member in shape.members.items()}
            return {
                known.get(key, key): decode(shape.members[known[key]], item) if key in known else item
                for key, item in value.items()
                if item is not None
            }
        case ListShape(), list():
            return [decode(shape.member, item) for item in value]
        case MapShape(), dict():
            return {key: decode(shape.value, item) for key, item in value.items()}
        case Shape(type_name="blob"), str():
            try:
                return base64.b64decode(value, validate=True)
            except binascii.Error:
                return object()
        case Shape(type_name="timestamp"), int() | float():
            return datetime.fromtimestamp(value, UTC)
    return value


def encode(shape: Shape, value: Any) -> Any:
    """The value as JSON has it. It must fit the shape."""
    match shape:
        case StructureShape():
            members = shape.members
            return {
                members[name].serialization.get("name", name): encode(members[name], item)
                for name, item in value.items()
                if item is not None
            }
        case ListShape():
            return [encode(shape.member, item) for item in value]
        case MapShape():
            return {key: encode(shape.value, item) for key, item in value.items()}
        case Shape(type_name="blob"):
            return base64.b64encode(value).decode()
        case Shape(type_name="timestamp"):
            return value.timestamp()
    return value


def misfit(shape: Shape | None, value: dict[str, Any]) -> str:
    """What botocore's own validation says against the value: unknown, missing, of a wrong type, too short."""
    if shape is None:
        return f"nothing is expected, but there is {sorted(value)}" if value else ""
    report = ParamValidator().validate(value, shape)
    return str(report.generate_report()) if report.has_errors() else ""


def broken_constraint(shape: Shape, value: Any, path: str = "") -> str:
    """What AWS says against a value that fits otherwise: it is not of the enumeration, pattern or range."""
    match shape:
        case StructureShape():
            inner = ((shape.members[name], item, name) for name, item in value.items())
        case ListShape():
            inner = ((shape.member, item, "member") for item in value)
        case MapShape():
            inner = ((shape.value, item, "value") for item in value.values())
        case _:
            return _broken(shape, value, path)
    found = (broken_constraint(member, item, f"{path}.{_lower(name)}".lstrip(".")) for member, item, name in inner)
    return next(filter(None, found), "")


def _broken(shape: Shape, value: Any, path: str) -> str:
    constraint = ""
    if isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        constraint = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
    pattern, most = shape.metadata.get("pattern"), shape.metadata.get("max")
    if pattern and isinstance(value, str) and not _matches(pattern, value):
        constraint = f"Member must satisfy regular expression pattern: {pattern}"
    if most is not None and isinstance(value, (str, bytes)) and len(value) > most:
        constraint = f"Member must have length less than or equal to {most}"
    if most is not None and isinstance(value, (int, float)) and value > most:
        constraint = f"Member must have value less than or equal to {most}"
    if not constraint:
        return ""
    return f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error:  # Java's, not Python's
        return True


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
