"""Places: S3 objects, web addresses, outputs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from function.models.selection import Model
from hwang.errors import SourceError
from hwang.sources.buckets import BUCKET, check_bucket, split_address

MAX_KEY_BYTES: Final = 1024
MANIFEST_SUFFIX: Final = ".manifest.json"
MAX_URL_CHARS: Final = 8192
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class S3Object(Model):
    """An S3 object: `"s3://bucket/key"`, or its parts. The key is never decoded or normalised.

    `bucket` may be an access point's alias or ARN. `request_payer` agrees to pay for the reads of it.
    """

    bucket: Annotated[str, StringConstraints(pattern=f"^{BUCKET}$")]
    key: str
    version_id: Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY_BYTES)] | None = None
    request_payer: Literal["requester"] | None = None

    @property
    def uri(self) -> str:
        """The object as s3://bucket/key."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def options(self) -> dict[str, Any]:
        """The arguments VersionId and RequestPayer of S3 calls, if they are given."""
        return {
            name: value
            for name, value in (("VersionId", self.version_id), ("RequestPayer", self.request_payer))
            if value
        }

    @model_validator(mode="after")
    def _key_fits(self) -> S3Object:
        _check_bucket(self.bucket)
        _check_key(self.key)
        return self


class LocalFile(Model):
    """A file of this machine, which no event can name on Lambda: only `python -m function` allows it."""

    path: str

    @property
    def uri(self) -> str:
        """Its path."""
        return self.path

    @model_validator(mode="after")
    def _is_allowed(self, info: ValidationInfo) -> LocalFile:
        if not _allows_files(info):
            raise PydanticCustomError("uri", "must be like s3://bucket/key or https://host/path")
        return self


class Url(Model):
    """A web address. The policy checks it when it is opened."""

    url: Annotated[str, StringConstraints(max_length=MAX_URL_CHARS)]


AnyVideo = S3Object | Url | LocalFile


def _check_bucket(bucket: str) -> None:
    try:
        check_bucket(bucket)
    except SourceError as error:
        raise PydanticCustomError("bucket", "{problem}", {"problem": str(error)}) from None


def _check_key(key: str, longest: int = MAX_KEY_BYTES) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise PydanticCustomError("key", "has a key that is not valid Unicode") from None
    if not 1 <= size <= longest:
        raise PydanticCustomError("key", "needs a key of 1 to {longest} bytes", {"longest": longest})


def _split_uri(value: str, alternative: str = "") -> dict[str, str]:
    parts = split_address(value)
    if not parts:
        raise PydanticCustomError("uri", "must be like s3://bucket/key{alternative}", {"alternative": alternative})
    _check_bucket(parts[0])
    return {"bucket": parts[0], "key": parts[1]}


def _allows_files(info: ValidationInfo) -> bool:
    return bool(info.context and info.context.get("local_files"))


def _split_video(value: object, info: ValidationInfo) -> object:
    """Split an "s3://bucket/key" string or an address; anything else is left to the model."""
    if not isinstance(value, str):
        return value
    if _allows_files(info) and "://" not in value:
        return {"path": value}
    if _SCHEME.match(value) and not value.startswith("s3:"):
        return {"url": value}
    return _split_uri(value, " or https://host/path")


def _video_kind(value: object) -> str:
    for tag, kind, field in (("<url>", Url, "url"), ("<file>", LocalFile, "path")):
        if isinstance(value, kind) or (isinstance(value, dict) and field in value):
            return tag
    return "<s3>"


S3Address = Annotated[str, Field(pattern="^s3://[^/]+/.+", examples=["s3://bucket/key"])]
WebAddress = Annotated[str, Field(pattern="^https?://.+", examples=["https://host/clip.mp4"])]
Video = Annotated[
    Annotated[S3Object, Tag("<s3>")] | Annotated[Url, Tag("<url>")] | Annotated[LocalFile, Tag("<file>")],
    Discriminator(_video_kind),
    BeforeValidator(_split_video, json_schema_input_type=S3Address | WebAddress | S3Object),
]


def _split_object(value: object) -> object:
    return _split_uri(value) if isinstance(value, str) else value


S3Uri = Annotated[S3Object, BeforeValidator(_split_object, json_schema_input_type=S3Address | S3Object)]


class Output(Model):
    """One object (`s3://bucket/key`), or a place for many (`s3://bucket/prefix/`, with the slash)."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """The output as s3://bucket/key."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_prefix(self) -> bool:
        """True for a place for many objects: the key ends with a slash."""
        return self.key.endswith("/")

    @property
    def manifest_key(self) -> str:
        """Key of the manifest that says what was written here."""
        return f"{self.key}_manifest.json" if self.is_prefix else self.key + MANIFEST_SUFFIX

    @property
    def extension(self) -> str:
        """Extension of the key in lower case, without the dot; empty if there is none."""
        name = self.key.rpartition("/")[2]
        return name.rpartition(".")[2].lower() if "." in name else ""


def _split_output(value: object) -> object:
    if isinstance(value, Output):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("output", "must be a string like s3://bucket/key or s3://bucket/prefix/")
    parts = _split_uri(value)
    _check_key(parts["key"], MAX_KEY_BYTES - len(MANIFEST_SUFFIX))
    if not {".", ".."}.isdisjoint(parts["key"].split("/")):
        raise PydanticCustomError("output", "must not have . or .. between slashes")
    return parts


OutputUri = Annotated[Output, BeforeValidator(_split_output, json_schema_input_type=S3Address)]
