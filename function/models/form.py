"""The fields that every request for frames has: which frames, in which form, how the results are stored."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, FiniteFloat, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from function.models.formats import FORMATS, Format
from function.models.naming import DEFAULT_NAME, NameTemplate, parse_template
from function.models.selection import Frames, Model

Reduce = Literal["sum", "sum_frames", "mean", "min", "max"]
StorageClass = Literal[
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "EXPRESS_ONEZONE",
]

MAX_SIDE_PX: Final = 16_384
Side = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]


class Size(Model):
    """The size of the frames in pixels: `width` and `height` (one alone keeps the aspect ratio), or `max_side`."""

    width: Side | None = None
    height: Side | None = None
    max_side: Side | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Size:
        if (self.max_side is None) == (self.width is None and self.height is None):
            raise PydanticCustomError("size", "must have width, height or both, or max_side alone")
        return self


class Writing(Model):
    """Fields that say how objects are written."""

    if_exists: Annotated[
        Literal["replace", "reuse", "keep"],
        Field(description="reuse, keep: answer with the finished result of an equal request; keep: replace nothing"),
    ] = "replace"
    storage_class: StorageClass | None = None
    kms_key: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None


class Form(Writing):
    """Fields that say which frames are wanted, and in which form."""

    frames: Frames
    format: Format | None = None
    size: Size | None = None
    rotate: Annotated[bool, Field(description="turn the frames as the video's metadata says")] = False
    reduce: Reduce | None = None
    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    fps: Annotated[FiniteFloat, Field(gt=0, le=1000, description="of an mp4; by default the video's")] | None = None
    name: Annotated[str, AfterValidator(lambda text: parse_template(text) and text)] = DEFAULT_NAME

    @property
    def template(self) -> NameTemplate:
        """The parsed `name`."""
        return parse_template(self.name)

    def _form_disagreement(self) -> str | None:
        """The first pair of these fields that excludes each other, as `field: problem`; None if there is none."""
        if self.format is None:
            return None
        facts = FORMATS[self.format]
        if self.reduce and not facts.takes_reduction:
            possible = " or ".join(name for name, other in FORMATS.items() if other.takes_reduction)
            return f"format: a reduction is written as {possible}, not {self.format}"
        if self.quality is not None and not facts.takes_quality:
            return f"quality: does not apply to {self.format}"
        if self.fps is not None and not facts.takes_fps:
            return f"fps: does not apply to {self.format}"
        return None
