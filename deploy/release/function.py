"""A function of Lambda as it is: read whole, waited for, and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, WaiterError

from deploy.aws import code_of
from deploy.errors import FunctionNotFoundError, FunctionNotReadyError, UpdateFailedError
from deploy.release import reasons

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

LATEST: Final = "$LATEST"

# What a release may set, by the names of UpdateFunctionConfiguration. All of it is in a version once published.
SETTINGS: Final = ("MemorySize", "Timeout", "EphemeralStorage", "Environment", "SnapStart")
# A function that is made here gets this where nothing is said: decoding wants more than Lambda's 128 MB and 3 s.
DEFAULT_SETTINGS: Final[dict[str, Any]] = {
    "MemorySize": 3008,
    "Timeout": 300,
    "EphemeralStorage": {"Size": 512},
    "Environment": {"Variables": {}},
    "SnapStart": {"ApplyOn": "None"},
}
# What else would end up in a version, so must not have been changed by anybody while a release was under way.
_PUBLISHED: Final = (
    *SETTINGS,
    "Role",
    "Architectures",
    "VpcConfig",
    "DeadLetterConfig",
    "KMSKeyArn",
    "TracingConfig",
    "FileSystemConfigs",
    "ImageConfigResponse",
    "LoggingConfig",
)


def digest_of(image_uri: str) -> str:
    """The digest of REGISTRY/NAME@sha256:…; empty for a URI with a tag."""
    return image_uri.partition("@")[2]


@dataclass(frozen=True)
class FunctionState:
    """A version of a function, or $LATEST, as GetFunction gave it."""

    name: str
    version: str
    arn: str
    package_type: str
    architecture: str
    image_uri: str
    """As Lambda resolved it: by digest."""
    revision: str
    state: str
    state_code: str
    state_words: str
    update: str
    update_code: str
    update_words: str
    description: str
    modified: str
    configuration: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str:
        return digest_of(self.image_uri)

    @property
    def region(self) -> str:
        return self.arn.split(":")[3] if self.arn.count(":") > 3 else ""

    @property
    def account(self) -> str:
        return self.arn.split(":")[4] if self.arn.count(":") > 4 else ""

    @property
    def timeout_seconds(self) -> int:
        return int(self.configuration.get("Timeout", 900))

    @property
    def log_group(self) -> str:
        where = self.configuration.get("LoggingConfig") or {}
        return where.get("LogGroup") or f"/aws/lambda/{self.configuration.get('FunctionName', self.name)}"

    @property
    def settings(self) -> dict[str, Any]:
        """What a release may set, in the form in which UpdateFunctionConfiguration takes it."""
        return {name: self._setting(name) for name in SETTINGS}

    @property
    def published(self) -> dict[str, Any]:
        """Everything but the code that publishing would make permanent."""
        return {
            name: self._setting(name) if name in SETTINGS else self.configuration.get(name) or None
            for name in _PUBLISHED
        }

    def _setting(self, name: str) -> Any:
        value = self.configuration.get(name)
        match name:
            case "Environment":
                return {"Variables": dict((value or {}).get("Variables", {}))}
            case "SnapStart":
                return {"ApplyOn": (value or {}).get("ApplyOn", "None")}
            case "EphemeralStorage":
                return {"Size": (value or {}).get("Size", 512)}
        return value


def read(functions: LambdaClient, name: str, qualifier: str = LATEST) -> FunctionState:
    """Raises FunctionNotFoundError if the function or this version or alias of it is not there."""
    asked = {"FunctionName": name} | ({} if qualifier == LATEST else {"Qualifier": qualifier})
    try:
        answer = functions.get_function(**asked)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        what = f"function {name}" if qualifier == LATEST else f"{qualifier} of function {name}"
        raise FunctionNotFoundError(
            f"{what} is not there", then="check --function and --region; deploy --create --role ARN makes a function"
        ) from error
    return _state(name, answer["Configuration"], answer.get("Code", {}))


def _state(name: str, configuration: Mapping[str, Any], code: Mapping[str, Any]) -> FunctionState:
    return FunctionState(
        name=name,
        version=configuration.get("Version", LATEST),
        arn=configuration.get("FunctionArn", ""),
        package_type=configuration.get("PackageType", "Zip"),
        architecture=(configuration.get("Architectures") or ["x86_64"])[0],
        image_uri=code.get("ResolvedImageUri") or code.get("ImageUri") or "",
        revision=configuration.get("RevisionId", ""),
        state=configuration.get("State") or "Active",
        state_code=configuration.get("StateReasonCode") or "",
        state_words=configuration.get("StateReason") or "",
        update=configuration.get("LastUpdateStatus") or "Successful",
        update_code=configuration.get("LastUpdateStatusReasonCode") or "",
        update_words=configuration.get("LastUpdateStatusReason") or "",
        description=configuration.get("Description") or "",
        modified=configuration.get("LastModified") or "",
        configuration=configuration,
    )


def settled(functions: LambdaClient, name: str, seconds: int, qualifier: str = LATEST) -> FunctionState:
    """The function once Lambda has finished whatever it was doing, well or badly.

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
    """Returns when the state has been reached or is out of reach: the caller reads which."""
    asked = {"FunctionName": seen.name} | ({} if qualifier == LATEST else {"Qualifier": qualifier})
    try:
        functions.get_waiter(waiter).wait(**asked, WaiterConfig={"Delay": 1, "MaxAttempts": max(seconds, 1)})
    except WaiterError as error:
        if "Max attempts exceeded" in str(error):
            code = seen.state_code or seen.update_code
            raise FunctionNotReadyError(
                f"{seen.name} is still not ready after {seconds} s (state {seen.state}, last update {seen.update})",
                then=reasons.explain(code, seen.state_words or seen.update_words)[1] + "; --wait SECONDS waits longer",
            ) from error
        last = error.last_response
        if "Error" in last:
            raise ClientError(last, "GetFunction") from error


def require_success(seen: FunctionState, doing: str) -> None:
    """Raises UpdateFailedError if Lambda failed at what it was asked for, with its reason and the remedy."""
    if seen.state == "Failed":
        what, then = reasons.explain(seen.state_code, seen.state_words)
        raise UpdateFailedError(f"{doing} failed: {what}", then=then, reason=seen.state_code)
    if seen.update == "Failed":
        what, then = reasons.explain(seen.update_code, seen.update_words)
        raise UpdateFailedError(f"{doing} failed: {what}", then=then, reason=seen.update_code)
