"""State and settings of a function: read whole, waited for, compared, and laid over each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, WaiterError
from pydantic import BaseModel, ConfigDict, Field

from deploy import errors
from deploy.aws import translated
from deploy.errors import ConflictError, FunctionNotFoundError, FunctionNotReadyError, UpdateFailedError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

LATEST: Final = "$LATEST"

# What publishing makes permanent, beside the code: by the names of UpdateFunctionConfiguration, with the value that
# unsets it. Every setting is compared, put back and shown alike; settings of a kind that is not here are left alone.
SETTINGS: Final[dict[str, Any]] = {
    "MemorySize": 128,
    "Timeout": 3,
    "EphemeralStorage": {"Size": 512},
    "Environment": {"Variables": {}},
    "SnapStart": {"ApplyOn": "None"},
    "ImageConfig": {},
    "KMSKeyArn": "",
    "Role": "",
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": False},
    "DeadLetterConfig": {"TargetArn": ""},
    "TracingConfig": {"Mode": "PassThrough"},
    "FileSystemConfigs": [],
    "LoggingConfig": {},
    "CapacityProviderConfig": {},
    "DurableConfig": {},
    "AcceleratorConfig": {},
}
_OF_NEW_FUNCTIONS: Final = {"MemorySize": 3008, "Timeout": 300}  # decoding wants more than Lambda's 128 MB and 3 s
_ONLY_IN_ANSWERS: Final = {"Error", "OptimizationStatus", "VpcId"}

_PULL: Final = (
    "the repository's policy must allow lambda.amazonaws.com ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; "
    "`ecr_push.py push --create` makes such a repository"
)
_MEMORY: Final = "give it more memory (--memory), which brings more CPU as well; import less at the start"
_START: Final = "run the image here as Lambda would (`make demo`), and read `ecr_push.py logs`"
_CHECK: Final = "`ecr_push.py check` says what is wrong with it"
# Remedies that Lambda's own messages do not name, by its reason codes.
REMEDIES: Final = {
    "Idle": "invoke it once, wait a minute",
    "InsufficientRolePermissions": "a function in a VPC needs AWSLambdaVPCAccessExecutionRole on its role",
    "ImageDeleted": "push it again, and let `ecr_push.py prune` decide which images go, not a lifecycle rule",
    "ImageAccessDenied": _PULL,
    "InvalidImage": _CHECK,
    "FunctionError": _START,
    "FunctionError.InitTimeout": _MEMORY,
    "FunctionError.InitResourceExhausted": _MEMORY,
    "FunctionError.RuntimeInitError": _START,
    "FunctionError.ExtensionInitError": _START,
    "FunctionError.InvalidEntryPoint": _CHECK,
    "FunctionError.PermissionDenied": _CHECK,
    "InternalError": "try again; open a support case if it stays",
}


@dataclass(frozen=True)
class Settings:
    """Wanted settings, by the names of SETTINGS. A setting, a variable or a member of ImageConfig not named stays."""

    values: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    unset: frozenset[str] = frozenset()

    def over(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """Lay these over current settings and return all."""
        wanted = {**current, **self.values}
        if "ImageConfig" in self.values:
            image = {**current["ImageConfig"], **self.values["ImageConfig"]}
            wanted["ImageConfig"] = {name: value for name, value in image.items() if value}
        if self.environment or self.unset:
            kept = {k: v for k, v in current["Environment"]["Variables"].items() if k not in self.unset}
            wanted["Environment"] = {"Variables": {**kept, **self.environment}}
        return wanted

    def of_new_function(self) -> dict[str, Any]:
        """Return the settings that a new function gets, without those that are Lambda's own."""
        return changed(SETTINGS, self.over(SETTINGS | _OF_NEW_FUNCTIONS))

    @property
    def need_whole(self) -> set[str]:
        """Settings that can only be changed by writing all of their present members again."""
        return {"ImageConfig"} & self.values.keys() | ({"Environment"} if self.environment or self.unset else set())


def changed(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that differ, with their wanted values."""
    return {name: value for name, value in wanted.items() if value != current.get(name)}


def shown(settings: Mapping[str, Any]) -> str:
    """Return settings in words: sizes, time and names of variables, and the names of others that are set."""
    variables = ", ".join((settings["Environment"] or {}).get("Variables", {})) or "none"
    told = {"MemorySize", "Timeout", "EphemeralStorage", "Environment", "Role", "LoggingConfig"}
    others = [name for name in changed(SETTINGS, settings) if name not in told]
    size = settings["EphemeralStorage"]["Size"]
    text = f"{settings['MemorySize']} MB, {settings['Timeout']} s, /tmp {size} MB, variables: {variables}"
    return f"{text}; {', '.join(others)}" if others else text


def digest_of(image_uri: str) -> str:
    """Return the digest of REGISTRY/NAME@sha256:…; empty for a URI with a tag."""
    return image_uri.partition("@")[2]


class FunctionState(BaseModel):
    """A version of a function, or $LATEST, in GetFunction's answer.

    `image_uri` is by digest; empty, and `tags` None, if Lambda does not return them.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    image_uri: str
    configuration: Mapping[str, Any] = Field(repr=False)
    tags: Mapping[str, str] | None
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
        """All of SETTINGS in the form of UpdateFunctionConfiguration's parameters; None if Lambda cannot return it."""
        return {name: self._setting(name, unset) for name, unset in SETTINGS.items()}

    @property
    def published(self) -> dict[str, Any]:
        """Everything but the image that publishing makes permanent."""
        return {**self.settings, "Architectures": list(self.architectures)}

    def _setting(self, name: str, unset: Any) -> Any:
        value = self._answered(name)
        if name == "ImageConfig" and "Error" not in value:
            value = value.get("ImageConfig") or {}
        if not isinstance(unset, dict):
            return value or unset
        return None if "Error" in value else unset | {k: v for k, v in value.items() if k not in _ONLY_IN_ANSWERS}

    def _answered(self, name: str) -> Any:
        return self.configuration.get("ImageConfigResponse" if name == "ImageConfig" else name) or {}

    def require_whole(self, names: set[str]) -> None:
        """Raises PermissionDeniedError or AwsRefusedError if Lambda could not return one of these settings."""
        for name in sorted(names):
            if self.settings[name] is not None:
                continue
            error = self._answered(name)["Error"]
            key = self.configuration.get("KMSKeyArn") or "the function's key"
            kind = errors.PermissionDeniedError if "Denied" in str(error) else errors.AwsRefusedError
            raise kind(
                f"Lambda cannot return the {name} of {self.name}, so the rest of it would be lost: "
                f"{error.get('Message') or error.get('ErrorCode')}",
                then=f"these credentials need kms:Decrypt on {key}; a deploy that changes nothing of it does not",
                code=error.get("ErrorCode"),
                action="kms:Decrypt",
            )


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
    tags = None if "TagsError" in answer else answer.get("Tags") or {}
    more = {"name": name, "image_uri": image_uri, "configuration": configuration, "tags": tags}
    return FunctionState.model_validate({**known, **more})


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
                then=f"{REMEDIES.get(code, 'wait')}; --wait SECONDS waits longer",
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
            why = f"{code or 'no code'}: {reason.rstrip('.')}" if reason else code
            then = REMEDIES.get(code, "read Lambda's message, and look at the function's configuration")
            raise UpdateFailedError(f"{doing} failed ({why})", then=then, reason=code)


def conflict(what: str) -> ConflictError:
    """Return the error for a function or alias that was changed meanwhile."""
    what = f"{what}: another caller changed it meanwhile, and that change is kept"
    return ConflictError(what, then="look at `ecr_push.py status`, then deploy again")
