"""The event's `frames`: the ways to select frames, as models, and as the selections of hwang."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, assert_never

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FiniteFloat,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hwang import selections

_RANGE = re.compile(r"([0-9]*):([0-9]*)(?::([0-9]+))?")


class Model(BaseModel):
    """Base model: strict JSON types, unknown fields rejected, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Refined(Model):
    """Fields that every selection has which is an object. `from`, `to`: seconds; negative: from the video's end."""

    start: Annotated[
        FiniteFloat | None, Field(alias="from", description="seconds: only frames from then on; negative: from the end")
    ] = None
    stop: Annotated[
        FiniteFloat | None, Field(alias="to", description="seconds: only frames before then; negative: from the end")
    ] = None
    most: Annotated[int | None, Field(alias="max", ge=1, description="at most this many frames, evenly chosen")] = None
    snap: Annotated[
        Literal["keyframe"] | None, Field(description="replace each frame by the keyframe at or before it")
    ] = None
    strict: Annotated[bool, Field(description="raise FrameOutOfRange for what the video does not have")] = False

    @model_validator(mode="after")
    def _ascends(self) -> Refined:
        start, stop = self.start, self.stop
        if start is not None and stop is not None and (start < 0) == (stop < 0) and stop <= start:
            raise PydanticCustomError("selection", "has no frames: its `to` must be behind its `from`")
        return self

    @model_serializer
    def document(self) -> dict[str, Any]:
        """The fields that were given a value, by their names in an event."""
        return {
            field.alias or name: value
            for name, field in type(self).model_fields.items()
            if (value := getattr(self, name)) is not None and value is not False
        }


class Timestamps(Refined):
    """The frames on display at these seconds; times outside the video give its first or last frame."""

    timestamps: Annotated[list[FiniteFloat], Field(min_length=1, fail_fast=True)]


class EverySeconds(Refined):
    """The frames on display every so many seconds, from `from` or from the first frame on."""

    every_seconds: Annotated[FiniteFloat, Field(gt=0)]


def _only_true(value: object) -> object:
    if value is not True:  # 1 equals it
        raise PydanticCustomError("keyframes", "must be true")
    return value


class Keyframes(Refined):
    """All keyframes: the frames that decode without any other."""

    keyframes: Annotated[Literal[True], BeforeValidator(_only_true)]


class Count(Refined):
    """This many frames, spread evenly: the middles of as many equal parts; all frames of a shorter video."""

    count: Annotated[int, Field(ge=1)]


class SceneOptions(Model):
    """`threshold`: how much two pictures differ at a cut, from 0 to 1; `max`: the longest scenes only."""

    threshold: Annotated[FiniteFloat, Field(gt=0, le=1)] = 0.06
    max: Annotated[int | None, Field(ge=1)] = None


class _Search(Model):
    @model_validator(mode="before")
    @classmethod
    def _stands_alone(cls, value: object) -> object:
        name = next((name for name in REFINEMENTS if isinstance(value, dict) and name in value), None)
        if name:
            message = "scenes and representative look at the whole video, and take no {name} beside them"
            raise PydanticCustomError("selection", message, {"name": name})
        return value


class Scenes(_Search):
    """The first good frame of each scene, found by looking at the video."""

    scenes: SceneOptions


class Representative(_Search):
    """Up to this many frames that represent the video, found by looking at it: not black, blurred or alike."""

    representative: Annotated[int, Field(ge=1, le=100)]


Searched = Scenes | Representative


class Range(Model):
    """Rows start, start + step, … before stop, as in Python; stop None is the end. In an event `"0:100"`, `"all"`."""

    start: int
    stop: int | None
    step: int

    @property
    def text(self) -> str:
        """The range as an event has it."""
        return f"{self.start}:{'' if self.stop is None else self.stop}:{self.step}"


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


_RangeText = Annotated[
    str,
    Field(
        pattern=f"^(all|{_RANGE.pattern})$",
        description="rows as in Python: start:stop or start:stop:step; all of them",
        examples=["0:100", "0:1000:10", "all"],
    ),
]
_LAST: Final = "last"
RowList = Annotated[list[int], Field(min_length=1, fail_fast=True)]
_Row = Annotated[
    Annotated[int, Tag("<row>")] | Annotated[Literal["last"], Tag("<last>")],
    Discriminator(lambda row: "<last>" if row == _LAST else "<row>"),
]
_WITH_LAST: Final[dict[str, Any]] = {"contains": {"const": _LAST}}
RowsWithLast = Annotated[list[_Row], Field(fail_fast=True, json_schema_extra=_WITH_LAST)]  # it takes longer to validate
RowRange = Annotated[Range, BeforeValidator(_parse_range, json_schema_input_type=_RangeText)]


Rows = (
    Annotated[RowList, Tag("<rows>")]
    | Annotated[RowsWithLast, Tag("<rows with last>")]
    | Annotated[RowRange, Tag("<range>")]
    | Annotated[Literal["last"], Tag("<last>")]
)


def _rows_kind(value: object) -> str | None:
    if isinstance(value, list):
        return "<rows with last>" if _LAST in value else "<rows>"
    if value == _LAST:
        return "<last>"
    return "<range>" if isinstance(value, str | Range) else None


class SomeRows(Refined):
    """The rows of a list or a range, by default all, narrowed by `from`, `to` and the like."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    rows: Annotated[
        Rows,
        Discriminator(
            _rows_kind,
            custom_error_type="rows",
            custom_error_message='must be a list of rows, a range like "0:100", "all" or "last"',
        ),
    ] = Field(default_factory=lambda: Range(start=0, stop=None, step=1))
    asked: Annotated[
        list[FiniteFloat] | None,
        Field(
            min_length=1,
            fail_fast=True,
            description="the requested seconds of each row, for the result",
        ),
    ] = None

    @model_validator(mode="after")
    def _asked_fits(self) -> SomeRows:
        if self.asked is not None:
            if len(self.document()) > 2:
                raise PydanticCustomError("selection", "has asked, which goes with rows and nothing else")
            if isinstance(self.rows, list) and len(self.asked) != len(self.rows):
                raise PydanticCustomError("selection", "needs as many seconds in asked as rows")
        return self

    @model_serializer
    def document(self) -> dict[str, Any]:
        """The fields that were given a value, by their names in an event."""
        return {**Refined.document(self), "rows": self.rows.text if isinstance(self.rows, Range) else self.rows}


SELECTIONS: Final = ("timestamps", "every_seconds", "keyframes", "count", "scenes", "representative")
REFINEMENTS: Final = tuple(field.alias or name for name, field in Refined.model_fields.items())


def _frames_kind(value: object) -> str | None:
    """The tag of the member of Frames, for its value in an event, and for the model when it is written again."""
    if isinstance(value, Refined | Searched):
        return next((f"<{name}>" for name in SELECTIONS if hasattr(value, name)), "<some>")
    if isinstance(value, dict):
        kind = next((f"<{name}>" for name in SELECTIONS if name in value), None)
        return kind or ("<some>" if any(name in value for name in ("rows", *REFINEMENTS)) else None)
    return _rows_kind(value)


Frames = Annotated[
    Rows
    | Annotated[Timestamps, Tag("<timestamps>")]
    | Annotated[EverySeconds, Tag("<every_seconds>")]
    | Annotated[Keyframes, Tag("<keyframes>")]
    | Annotated[Count, Tag("<count>")]
    | Annotated[Scenes, Tag("<scenes>")]
    | Annotated[Representative, Tag("<representative>")]
    | Annotated[SomeRows, Tag("<some>")],
    Discriminator(
        _frames_kind,
        custom_error_type="frames",
        custom_error_message='must be a list of rows, a range like "0:100", "all", "last", or an object with '
        "timestamps, every_seconds, keyframes, count, scenes, representative, or from and to",
    ),
]


def selection_of(frames: Frames) -> selections.Refined:
    """The same selection in the types of hwang.selections."""
    if not isinstance(frames, Refined):
        return selections.Refined(_plain(frames), strict=False)
    return selections.Refined(
        _plain(frames),
        frames.start,
        frames.stop,
        most=frames.most,
        snap=frames.snap is not None,
        strict=frames.strict,
    )


def _plain(frames: Frames) -> selections.Plain:
    match frames:
        case list():
            return selections.RowList([selections.Last() if row == _LAST else row for row in frames])
        case "last":
            return selections.Last()
        case Range():
            return selections.RowRange(frames.start, frames.stop, frames.step)
        case Timestamps():
            return selections.Times(frames.timestamps)
        case EverySeconds():
            return selections.Every(frames.every_seconds)
        case Keyframes():
            return selections.Keyframes()
        case Count():
            return selections.Spread(frames.count)
        case SomeRows():
            return _plain(frames.rows)
        case Scenes() | Representative():
            raise TypeError("the rows of a search are found by looking at the video")
        case _:
            assert_never(frames)
