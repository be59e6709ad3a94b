"""The fields that every request for frames has: which frames, in which form, how the results are stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, FiniteFloat, StringConstraints, create_model, model_validator
from pydantic_core import PydanticCustomError

from function.models.formats import FORMATS, REDUCTION_FORMAT, SHARD_PICTURE, Format, Picture
from function.models.naming import DEFAULT_NAME, NameTemplate, parse_template
from function.models.places import OutputUri
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
MAX_BATCH: Final = 4096
MAX_SHARD_MB: Final = 100_000
SHARD_MB: Final = 256
STATED_TONE: Final = "tone: does not apply to clips, which state the video's own"
MAX_OUTPUTS: Final = 16
ONE_ANSWER: Final = "several results are written, an answer holds one, so ask for that alone"
APPLY_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_-]{0,63}(@[0-9a-f]{32})?$"
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
        Field(description="reuse, keep: return the finished result of an equal request; keep: replace nothing"),
    ] = "replace"
    storage_class: StorageClass | None = None
    kms_key: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None


class Treatment(Model):
    """Fields that say which frames are wanted, of which size, and what is made of them."""

    frames: Frames
    format: Format | None = None
    size: Size | None = None
    reduce: Reduce | None = None
    apply: Annotated[
        str | None, Field(pattern=APPLY_PATTERN, description="a function that HWANG_APPLY lists, or NAME@IMAGE")
    ] = None
    picture: Annotated[Picture | None, Field(description="format of the pictures in a tar")] = None
    batch: Annotated[int | None, Field(ge=1, le=MAX_BATCH, description="frames that `apply` gets at a time")] = None
    rotate: Annotated[
        bool | None, Field(description="turn frames upright, as the video states; by default for pictures and clips")
    ] = None
    square_pixels: Annotated[bool, Field(description="scale the width by the video's sample aspect ratio")] = False
    tone: Annotated[
        Literal["sdr", "stored"] | None,
        Field(description="sdr: convert PQ and HLG to BT.709; the default for pictures"),
    ] = None

    def settled(self, written_as: Format) -> Self:
        """The same with what is the default for this format in `rotate` and `tone`.

        What is made to be looked at is as a player shows it, arrays are as the video stores them.
        """
        facts = FORMATS[written_as]
        is_viewed = self.makes_frames and facts.is_viewed
        rotate = is_viewed if self.rotate is None else self.rotate
        tone = self.tone or ("sdr" if is_viewed and not facts.states_tone else "stored")
        return self.model_copy(update={"rotate": rotate, "tone": tone})

    @property
    def makes_frames(self) -> bool:
        """True if the frames themselves are the result, False if it is made from them."""
        return not (self.reduce or self.apply)

    @property
    def cost_format(self) -> Format | None:
        """The format that tells what a frame costs beyond its decoding; None: the result's own."""
        return self.picture if self.makes_frames else REDUCTION_FORMAT


class Form(Writing, Treatment):
    """Fields that say which frames are wanted, and in which form they are written."""

    quality: Annotated[int, Field(ge=1, le=100)] | None = None
    fps: Annotated[FiniteFloat, Field(gt=0, le=1000, description="constant rate of an mp4")] | None = None
    shard_mb: Annotated[int | None, Field(ge=1, le=MAX_SHARD_MB, description="megabytes of each tar")] = None
    name: Annotated[str, AfterValidator(lambda text: parse_template(text) and text)] = DEFAULT_NAME

    @property
    def template(self) -> NameTemplate:
        """The parsed `name`."""
        return parse_template(self.name)

    def _shard_disagreement(self) -> str | None:
        picture = FORMATS[self.picture or SHARD_PICTURE]
        if self.quality is not None and not picture.takes_quality:
            return f"quality: does not apply to {self.picture}"
        example = self.template.name(row=1, position=1, seconds=1, ext=picture.extensions[0])
        if example.count(".") != 1 or not example.endswith(f".{picture.extensions[0]}"):
            return "name: in a shard it has one dot, before {ext}: what stands behind the first one tells the kind"
        return None

    def _form_disagreement(self) -> str | None:
        """The first pair of these fields that excludes each other, as `field: problem`; None if there is none."""
        if self.apply and self.reduce:
            return "apply: does not go with reduce"
        if self.batch and not self.apply:
            return "batch: is for apply alone"
        shards = "picture" if self.picture else "shard_mb" if self.shard_mb else ""
        if self.format is None:
            return f"{shards}: needs a format that has shards" if shards else None
        facts = FORMATS[self.format]
        if self.apply and not facts.takes_apply:
            possible = " or ".join(name for name, other in FORMATS.items() if other.takes_apply)
            return f"format: results of apply are written as {possible}, not {self.format}"
        if not self.apply and not facts.takes_frames:
            return f"format: {self.format} is for results of apply"
        if shards and not facts.takes_shards:
            return f"{shards}: does not apply to {self.format}"
        if self.reduce and not facts.takes_reduction:
            possible = " or ".join(name for name, other in FORMATS.items() if other.takes_reduction)
            return f"format: a reduction is written as {possible}, not {self.format}"
        if facts.takes_shards and (problem := self._shard_disagreement()):
            return problem
        for field, applies in (("quality", facts.takes_quality), ("fps", facts.takes_fps)):
            if getattr(self, field) is not None and not applies:
                return f"{field}: does not apply to {self.format}"
        if self.tone == "sdr" and facts.states_tone:
            return STATED_TONE
        return None


SHARED: Final = {"frames", *Writing.model_fields}  # by all results of one decode

if TYPE_CHECKING:

    class OneOutput(Form):
        output: OutputUri

else:
    OneOutput = create_model(
        "OneOutput",
        __base__=Model,
        __doc__="One of several results of a decode: the fields that are its own; the others are the decode's.",
        output=(OutputUri, ...),
        **{name: (field.annotation, field) for name, field in Form.model_fields.items() if name not in SHARED},
    )


class Results(Form):
    """A form with one result, or several in `outputs`. Its other fields hold for those that do not state them."""

    outputs: Annotated[list[OneOutput], Field(min_length=1, max_length=MAX_OUTPUTS)] | None = None

    @property
    def alone(self) -> list[Self]:
        """The same for each of the results alone, without `outputs`."""
        if self.outputs is None:
            return [self]
        stated = [{name: getattr(one, name) for name in one.model_fields_set} for one in self.outputs]
        return [self.model_copy(update={**fields, "outputs": None}) for fields in stated]

    def path_of(self, at: int) -> str:
        """The field that holds a result: empty if it is the only one."""
        return "" if self.outputs is None else f"outputs[{at}]"
