"""The event's `frames`: the ways to select frames, as models, and as the selections of hwang.rows."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, assert_never

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, FiniteFloat, Tag, WithJsonSchema
from pydantic_core import PydanticCustomError

from hwang import rows

_RANGE = re.compile(r"([0-9]*):([0-9]*)(?::([0-9]+))?")


class Model(BaseModel):
    """Base model: strict JSON types, unknown fields rejected, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Timestamps(Model):
    """The frames on display at these times, in seconds."""

    timestamps: Annotated[list[FiniteFloat], Field(min_length=1, fail_fast=True)]


class EverySeconds(Model):
    """The frames on display at 0, s, 2 s, … after the first."""

    every_seconds: Annotated[FiniteFloat, Field(gt=0)]


def _only_true(value: object) -> object:
    if value is not True:  # 1 equals it
        raise PydanticCustomError("keyframes", "must be true")
    return value


class Keyframes(Model):
    """The frames that decode without any other."""

    keyframes: Annotated[Literal[True], BeforeValidator(_only_true)]


class Count(Model):
    """This many frames, spread evenly: the middles of as many equal parts."""

    count: Annotated[int, Field(ge=1)]


class Range(Model):
    """Rows start, start + step, … before stop, as in Python; stop None is the end. In an event `"0:100"`, `"all"`."""

    start: int
    stop: int | None
    step: int


def _parse_range(text: object) -> Range:
    assert isinstance(text, str)
    if text == "all":
        return Range(start=0, stop=None, step=1)
    match = _RANGE.fullmatch(text) if len(text) <= 99 else None
    if not match:
        raise PydanticCustomError("range", 'must be "all", "start:stop" or "start:stop:step" with rows from 0')
    start, stop, step = int(match[1] or 0), int(match[2]) if match[2] else None, int(match[3] or 1)
    if step < 1:
        raise PydanticCustomError("range", "has step 0; the step must be at least 1")
    if stop is not None and stop <= start:
        raise PydanticCustomError("range", "has no frames: its stop must be above its start")
    return Range(start=start, stop=stop, step=step)


_RANGE_SCHEMA: Final = {
    "type": "string",
    "pattern": f"^(all|{_RANGE.pattern})$",
    "description": "rows as in Python: start:stop or start:stop:step; all of them",
    "examples": ["0:100", "0:1000:10", "all"],
}
SELECTIONS: Final = ("timestamps", "every_seconds", "keyframes", "count")


def _frames_kind(value: object) -> str | None:
    if isinstance(value, list):
        return "<rows>"
    if isinstance(value, str | Range):
        return "<range>"
    names = type(value).model_fields if isinstance(value, Model) else value if isinstance(value, dict) else ()
    return next((f"<{name}>" for name in SELECTIONS if name in names), None)


Frames = Annotated[
    Annotated[list[int], Field(min_length=1, fail_fast=True), Tag("<rows>")]
    | Annotated[Range, BeforeValidator(_parse_range), Tag("<range>"), WithJsonSchema(_RANGE_SCHEMA)]
    | Annotated[Timestamps, Tag("<timestamps>")]
    | Annotated[EverySeconds, Tag("<every_seconds>")]
    | Annotated[Keyframes, Tag("<keyframes>")]
    | Annotated[Count, Tag("<count>")],
    Discriminator(
        _frames_kind,
        custom_error_type="frames",
        custom_error_message='must be a list of rows, a range like "0:100", "all", or an object with '
        "timestamps, every_seconds, keyframes or count",
    ),
]


def selection_of(frames: Frames) -> rows.Selection:
    """The same selection in the types of hwang.rows."""
    match frames:
        case list():
            return rows.RowList(frames)
        case Range():
            return rows.RowRange(frames.start, frames.stop, frames.step)
        case Timestamps():
            return rows.Times(frames.timestamps)
        case EverySeconds():
            return rows.Every(frames.every_seconds)
        case Keyframes():
            return rows.Keyframes()
        case Count():
            return rows.Spread(frames.count)
        case _:
            assert_never(frames)
