"""Makes the request for a new S3 object from the template in HWANG_ON_UPLOAD."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus

from function.models.incoming import json_object, wrong
from function.models.problems import json_type
from hwang.sources.buckets import split_address

VARIABLE: Final = "HWANG_ON_UPLOAD"

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_EXAMPLE: Final = '{"frames": {"count": 16}, "output": "s3://results/{key}.jpg"}'


@dataclass(frozen=True)
class Upload:
    """An object as S3 announced it."""

    bucket: str
    key: str
    version_id: str | None = None

    @property
    def uri(self) -> str:
        """The object as s3://bucket/key."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def placeholders(self) -> dict[str, str]:
        """Values of the placeholders of an output template."""
        name = self.key.rpartition("/")[2]
        return {"bucket": self.bucket, "key": self.key, "name": name, "stem": name.rpartition(".")[0] or name}


def decoded_key(encoded: str, path: str) -> str:
    """Return the key that is URL-encoded as in a form; `path` names it in errors. Raises BadRequest."""
    try:
        return unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError:
        raise wrong(path, "is not URL-encoded UTF-8") from None


def version_or_none(version_id: str | None) -> str | None:
    """Return the version id, or None: a bucket without versions says null, or nothing."""
    return None if version_id in ("", "null") else version_id


@dataclass(frozen=True)
class OnUpload:
    """The configuration: a request without its video, and the prefix of the trigger. `name`: where it stands."""

    request: Mapping[str, Any]
    prefix: str
    allow_same_prefix: bool
    name: str = VARIABLE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> OnUpload:
        """Read HWANG_ON_UPLOAD. Raises BadRequest: a mistake shows at the first upload only."""
        text = environment.get(VARIABLE)
        if not text:
            raise wrong(VARIABLE, f"is not set; it holds the request for an uploaded object, like {_EXAMPLE}")
        return cls.parsed(text, VARIABLE)

    @classmethod
    def parsed(cls, text: str, name: str) -> OnUpload:
        """Parse the JSON of the configuration. Raises BadRequest."""
        request = json_object(text, name)
        prefix, allow = request.pop("prefix", ""), request.pop("allow_same_prefix", False)
        if not isinstance(prefix, str):
            raise wrong(f"{name}.prefix", f"must be a string, not {json_type(prefix)}")
        if not isinstance(allow, bool):
            raise wrong(f"{name}.allow_same_prefix", f"must be true or false, not {json_type(allow)}")
        if "video" in request:
            raise wrong(f"{name}.video", "must be absent; the video is the uploaded object")
        return cls(request, prefix, allow, name)

    def why_not(self, upload: Upload) -> str | None:
        """Return why the object is ignored, or None."""
        if not upload.key.startswith(self.prefix):
            return f"its key does not begin with the prefix of {self.name}"
        if upload.key.endswith("/"):
            return "it stands for a folder"
        return None

    def request_for(self, upload: Upload) -> dict[str, Any]:
        """Return the request. Raises BadRequest for an output that would trigger this function again."""
        video = {"bucket": upload.bucket, "key": upload.key}
        if upload.version_id:
            video["version_id"] = upload.version_id
        request = {"if_exists": "reuse", **self.request, "video": video}
        if isinstance(outputs := request.get("outputs"), list):
            request["outputs"] = [
                self._placed(one, upload, f"{self.name}.outputs[{number}].output") if isinstance(one, dict) else one
                for number, one in enumerate(outputs)
            ]
        return self._placed(request, upload, f"{self.name}.output")

    def _placed(self, request: dict[str, Any], upload: Upload, path: str) -> dict[str, Any]:
        """Return a request, or one of its outputs, with the placeholders of its output replaced."""
        if not isinstance(request.get("output"), str):
            return request
        output = _filled(request["output"], upload, path)
        self._check_recursion(output, upload, path)
        return {**request, "output": output}

    def _check_recursion(self, output: str, upload: Upload, path: str) -> None:
        parts = split_address(output)
        if not parts or parts[0] != upload.bucket or self.allow_same_prefix:
            return
        # Also if the prefix is the longer one: names are appended to an output.
        if parts[1].startswith(self.prefix) or self.prefix.startswith(parts[1]):
            where = f"below {self.prefix!r} in" if self.prefix else "in"
            raise wrong(
                path,
                f"lies {where} the bucket whose uploads start this function, which would start it again and again; "
                'write to another bucket or prefix, or set "allow_same_prefix": true if the trigger filters by suffix',
            )


def _filled(template: str, upload: Upload, path: str) -> str:
    """Replace the placeholders once; the values are not searched for placeholders again."""
    values = upload.placeholders

    def value(match: re.Match[str]) -> str:
        if match[1] not in values:
            known = ", ".join(f"{{{name}}}" for name in values)
            raise wrong(path, f"has the unknown placeholder {match[0]}; there are {known}")
        return values[match[1]]

    bucket = template.removeprefix("s3://").partition("/")[0]
    if bucket.startswith("arn:"):
        bucket = (split_address(template) or (template, ""))[0]
    if any(name != "bucket" for name in _PLACEHOLDER.findall(bucket)):
        raise wrong(path, "must not let an uploaded object's name choose the bucket")
    return _PLACEHOLDER.sub(value, template)
