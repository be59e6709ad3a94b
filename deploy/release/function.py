"""State and settings of a function: read whole, waited for, compared, and laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, WaiterError
from pydantic import BaseModel, ConfigDict, Field

from deploy.aws import translated
from deploy.errors import ConflictError, FunctionNotFoundError, FunctionNotReadyError, UpdateFailedError
from deploy.release import reasons

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

LATEST: Final = "$LATEST"

# Settings that a release may change, by the names of UpdateFunctionConfiguration; publishing fixes them in a version.
# A new function gets these unless others are given: decoding wants more than Lambda's 128 MB and 3 s.
DEFAULT_SETTINGS: Final[dict[str, Any]] = {
    "MemorySize": 3008,
    "Timeout": 300,
    "EphemeralStorage": {"Size": 512},
    "Environment": {"Variables": {}},
    "SnapStart": {"ApplyOn": "None"},
}
# Everything else that would end up in a version, so nobody may have changed it while a release was under way.
_PUBLISHED: Final = (
    "Role", "Architectures", "VpcConfig", "DeadLetterConfig", "KMSKeyArn", "TracingConfig", "FileSystemConfigs",
    "ImageConfigResponse", "LoggingConfig",
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Wanted settings. None, and variables that are not named, mean no change."""

    memory_mb: int | None = None
    timeout_seconds: int | None = None
    ephemeral_storage_mb: int | None = None
    snapstart: bool | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    unset: frozenset[str] = frozenset()

    def over(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """Lay these over the current settings and return all, by the names of UpdateFunctionConfiguration."""
        kept = {k: v for k, v in current["Environment"]["Variables"].items() if k not in self.unset}
        wanted: dict[str, Any] = {**current, "Environment": {"Variables": {**kept, **self.environment}}}
        if self.memory_mb is not None:
            wanted["MemorySize"] = self.memory_mb
        if self.timeout_seconds is not None:
            wanted["Timeout"] = self.timeout_seconds
        if self.ephemeral_storage_mb is not None:
            wanted["EphemeralStorage"] = {"Size": self.ephemeral_storage_mb}
        if self.snapstart is not None:
            wanted["SnapStart"] = {"ApplyOn": "PublishedVersions" if self.snapstart else "None"}
        return wanted


def changed(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that differ, with their wanted values."""
    return {name: value for name, value in wanted.items() if value != current.get(name)}


def digest_of(image_uri: str) -> str:
    """Return the digest of REGISTRY/NAME@sha256:…; empty for a URI with a tag."""
    return image_uri.partition("@")[2]


class FunctionState(BaseModel):
    """A version of a function, or $LATEST, in GetFunction's answer; `image_uri` is by digest."""

    model_config = ConfigDict(frozen=True)

    name: str
    image_uri: str
    configuration: Mapping[str, Any] = Field(repr=False)
    version: str = Field(LATEST, alias="Version")
    arn: str = Field("", alias="FunctionArn")
    package_type: str = Field("Zip", alias="PackageType")
    architectures: tuple[str, ...] = Field(("x86_64",), alias="Architectures")
    revision: str = Field("", alias="RevisionId")
    state: str = Field("Active", alias="State")
    state_code: str = Field("", alias="StateReasonCode")
    state_reason: str = Field("", alias="StateReason")
    update: str = Field("Successful", alias="LastUpdateStatus")
    update_code: str = Field("", alias="LastUpdateStatusReasonCode")
    update_reason: str = Field("", alias="LastUpdateStatusReason")
    description: str = Field("", alias="Description")
    modified: str = Field("", alias="LastModified")

    @property
    def architecture(self) -> str:
        """Lambda's name of the architecture."""
        return self.architectures[0]

    @property
    def digest(self) -> str:
        """Digest of the image; empty for a Zip function."""
        return digest_of(self.image_uri)

    @property
    def timeout_seconds(self) -> int:
        """Longest time of an invocation."""
        return int(self.configuration.get("Timeout", 900))

    @property
    def log_group(self) -> str:
        """Name of the log group that the function writes to."""
        where = self.configuration.get("LoggingConfig") or {}
        return where.get("LogGroup") or f"/aws/lambda/{self.configuration.get('FunctionName', self.name)}"

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that a release may change, in the form of UpdateFunctionConfiguration's parameters."""
        return {name: self._setting(name, default) for name, default in DEFAULT_SETTINGS.items()}

    @property
    def published(self) -> dict[str, Any]:
        """Everything but the code that publishing would make permanent."""
        return self.settings | {name: self.configuration.get(name) or None for name in _PUBLISHED}

    def _setting(self, name: str, default: Any) -> Any:
        value = self.configuration.get(name)
        if not isinstance(default, dict):
            return value
        return {key: (value or {}).get(key, usual) for key, usual in default.items()}


def read(functions: LambdaClient, name: str, qualifier: str = LATEST) -> FunctionState:
    """Read a function, or a version or alias of it. Raises FunctionNotFoundError if it is missing."""
    what = f"function {name}" if qualifier == LATEST else f"{qualifier} of function {name}"
    missing = FunctionNotFoundError(
        f"{what} is not there", then="check --function and --region; deploy --create makes one"
    )
    with translated("ResourceNotFoundException", missing):
        answer = functions.get_function(**_asked(name, qualifier))
    configuration, code = answer["Configuration"], answer.get("Code", {})
    image_uri = code.get("ResolvedImageUri") or code.get("ImageUri") or ""
    known = {key: value for key, value in configuration.items() if value}
    return FunctionState.model_validate({**known, "name": name, "image_uri": image_uri, "configuration": configuration})


def _asked(name: str, qualifier: str) -> Any:
    return {"FunctionName": name} | ({} if qualifier == LATEST else {"Qualifier": qualifier})


def settled(functions: LambdaClient, name: str, seconds: int, qualifier: str = LATEST) -> FunctionState:
    """Return the function once Lambda has finished whatever it was doing, well or badly.

    Raises FunctionNotReadyError if that takes longer than `seconds`.
    """
    seen = read(functions, name, qualifier)
    if seen.state in {"Pending", "Deactivating"}:
        _wait(functions, "function_active_v2", seen, qualifier, seconds)
        seen = read(functions, name, qualifier)
    if seen.update == "InProgress":
        _wait(functions, "function_updated_v2", seen, qualifier, seconds)
        seen = read(functions, name, qualifier)
    return seen


def _wait(functions: LambdaClient, waiter: Any, seen: FunctionState, qualifier: str, seconds: int) -> None:
    """Return when the state has been reached or is out of reach: the caller reads which."""
    waiting: Any = {"Delay": 1, "MaxAttempts": max(seconds, 1)}
    try:
        functions.get_waiter(waiter).wait(**_asked(seen.name, qualifier), WaiterConfig=waiting)
    except WaiterError as error:
        if "Max attempts exceeded" in str(error):
            code = seen.state_code or seen.update_code
            raise FunctionNotReadyError(
                f"{seen.name} is still not ready after {seconds} s (state {seen.state}, last update {seen.update})",
                then=reasons.explain(code, "")[1] + "; --wait SECONDS waits longer",
            ) from error
        last = error.last_response
        if "Error" in last:
            raise ClientError(last, "GetFunction") from error


def require_success(seen: FunctionState, doing: str) -> None:
    """Raises UpdateFailedError if Lambda could not carry out its task, with its reason and the remedy."""
    for status, code, reason in (
        (seen.state, seen.state_code, seen.state_reason),
        (seen.update, seen.update_code, seen.update_reason),
    ):
        if status == "Failed":
            what, then = reasons.explain(code, reason)
            raise UpdateFailedError(f"{doing} failed: {what}", then=then, reason=code)


def conflict(what: str) -> ConflictError:
    """Return the error for a function or alias that was changed meanwhile."""
    what = f"{what}: another caller changed it meanwhile, and that change is kept"
    return ConflictError(what, then="look at `ecr_push.py status`, then deploy again")
