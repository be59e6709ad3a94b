"""The event: what a caller asks for, validated whole before anything is read or written."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import (
    BeforeValidator,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from function.errors import BadRequest
from function.problems import json_type, problem_list, summary
from function.selection import Frames, Model

Format = Literal["npy", "jpeg", "png", "sheet"]
Reduce = Literal["sum", "sum_frames", "mean", "min", "max"]

MAX_KEY_BYTES: Final = 1024
MANIFEST_SUFFIX: Final = ".manifest.json"
_URI = re.compile(r"s3://([^/]+)/(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9._-]{3,255}")
_FORMATS_BY_EXTENSION: Final[dict[str, tuple[Format, ...]]] = {
    "npy": ("npy",),
    "jpg": ("sheet", "jpeg"),
    "jpeg": ("sheet", "jpeg"),
    "png": ("sheet", "png"),
}


class S3Object(Model):
    """An object in S3: `"s3://bucket/key"`, or its parts. The key is taken as it is, never decoded or normalised."""

    bucket: Annotated[str, StringConstraints(pattern=f"^{_BUCKET.pattern}$")]
    key: str
    version_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY_BYTES)] | None = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @model_validator(mode="after")
    def _key_fits(self) -> S3Object:
        _check_key(self.key)
        return self


def _check_key(key: str, longest: int = MAX_KEY_BYTES) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise PydanticCustomError("key", "has a key that is not valid Unicode") from None
    if not 1 <= size <= longest:
        raise PydanticCustomError("key", "needs a key of 1 to {longest} bytes", {"longest": longest})


def _split_uri(value: object) -> object:
    """The parts of an "s3://bucket/key" string; anything else is left to the model."""
    if not isinstance(value, str):
        return value
    match = _URI.fullmatch(value)
    if not match or not _BUCKET.fullmatch(match[1]):
        raise PydanticCustomError("uri", "must be like s3://bucket/key; other addresses are not supported")
    return {"bucket": match[1], "key": match[2]}


class Output(Model):
    """One object (`s3://bucket/key`), or a place for many (`s3://bucket/prefix/`, with the slash)."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_prefix(self) -> bool:
        return self.key.endswith("/")

    @property
    def manifest_key(self) -> str:
        return f"{self.key}_manifest.json" if self.is_prefix else self.key + MANIFEST_SUFFIX

    @property
    def extension(self) -> str:
        name = self.key.rpartition("/")[2]
        return name.rpartition(".")[2].lower() if "." in name else ""


def _split_output(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("output", "must be a string like s3://bucket/key or s3://bucket/prefix/")
    parts = _split_uri(value)
    assert isinstance(parts, dict)
    _check_key(parts["key"], MAX_KEY_BYTES - len(MANIFEST_SUFFIX))
    if not {".", ".."}.isdisjoint(parts["key"].split("/")):
        raise PydanticCustomError("output", "must not have . or .. between slashes")
    return parts


class Event(Model):
    """One request."""

    video: Annotated[S3Object, BeforeValidator(_split_uri)]
    frames: Frames
    output: Annotated[Output, BeforeValidator(_split_output)]
    format: Format | None = None
    reduce: Reduce | None = None
    action: Literal["decode"] = "decode"

    @model_validator(mode="after")
    def _fields_agree(self) -> Event:
        problem = self._disagreement()
        if problem:
            raise PydanticCustomError("output", "{problem}", {"problem": problem})
        return self

    def _disagreement(self) -> str | None:
        output, extension = self.output, self.output.extension
        if (output.bucket, output.key) == (self.video.bucket, self.video.key):
            return "output: is the video itself"
        if self.reduce and self.format not in (None, "npy"):
            return f"format: a reduction is written as npy, not {self.format}"
        wanted: Format | None = "npy" if self.reduce else self.format
        if output.is_prefix:
            return (
                f"output: {wanted} is one object and needs a key, not a prefix" if wanted in ("npy", "sheet") else None
            )
        if wanted == "sheet" and extension not in ("png", "jpg", "jpeg"):
            return "output: a sheet's key must end in .png or .jpg"
        if extension in _FORMATS_BY_EXTENSION:
            fits = wanted is None or wanted in _FORMATS_BY_EXTENSION[extension]
            return None if fits else f"output: a key that ends in .{extension} does not fit the format {wanted}"
        return None if wanted else "format: must be given, as the output's name does not tell it"

    def resolved_format(self, frame_count: int) -> Format:
        """The format to write: as given, or told by the output; one frame under an image's name is an image."""
        if self.reduce:
            return "npy"
        if self.format:
            if self.format in ("jpeg", "png") and frame_count > 1 and not self.output.is_prefix:
                raise BadRequest(
                    f"output: {frame_count} frames as {self.format} need a prefix that ends with a slash",
                    problems=[{"path": "output", "message": "must be a prefix that ends with a slash"}],
                )
            return self.format
        if self.output.is_prefix:
            return "jpeg"
        return _FORMATS_BY_EXTENSION[self.output.extension][0 if frame_count > 1 else -1]


def parse_event(event: object) -> Event:
    """The event as a model. Raises BadRequest with every problem; of a list's items only the first wrong one."""
    if not isinstance(event, dict):
        raise BadRequest(f"the event must be a JSON object, not {json_type(event)}", problems=[])
    try:
        return Event.model_validate(event)
    except ValidationError as error:
        problems = problem_list(error, Event)
        raise BadRequest(summary(problems), problems=problems) from None
