"""Which frames, in which form, kept how: the fields that every request for frames has."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, FiniteFloat, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from function.models.naming import DEFAULT_NAME, NameTemplate, parse_template
from function.models.selection import Frames, Model

Format = Literal["npy", "npz", "jpeg", "png", "webp", "sheet", "mp4", "inline"]
Picture = Literal["jpeg", "png", "webp"]
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

PICTURES: Final[tuple[Picture, ...]] = ("jpeg", "png", "webp")
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
    """How objects are written."""

    if_exists: Annotated[
        Literal["replace", "reuse", "keep"],
        Field(description="reuse, keep: answer with the finished result of an equal request; keep: replace nothing"),
    ] = "replace"
    storage_class: StorageClass | None = None
    kms_key: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None


class Form(Writing):
    """Frames of a video, and how they are made."""

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
        return parse_template(self.name)

    def _form_disagreement(self) -> str | None:
        """What of these fields does not go together."""
        if self.reduce and self.format not in (None, "npy", "inline"):
            return f"format: a reduction is written as npy or inline, not {self.format}"
        if self.quality is not None and self.format in ("npy", "npz", "png", "inline", "mp4"):
            return f"quality: does not apply to {self.format}"
        if self.fps is not None and self.format not in (None, "mp4"):
            return f"fps: does not apply to {self.format}"
        return None
