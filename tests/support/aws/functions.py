"""Lambda's functions: made, read, changed, deleted. What takes time on AWS takes time here."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.rights import allows, function_arn, refusal, require
from tests.support.aws.settling import Failure, Pace
from tests.support.aws.shared_state import SharedState
from tests.support.aws.source import Sources
from tests.support.aws.store import LATEST, Function, Store, Version, new_revision, page, stamp

_SETTINGS: Final = (
    "DeadLetterConfig", "Description", "EphemeralStorage", "FileSystemConfigs", "KMSKeyArn", "LoggingConfig",
    "MemorySize", "Role", "Timeout", "TracingConfig",
)  # fmt: skip
_ZIP_ONLY: Final = {"Handler", "Layers", "Runtime"}
_RESERVED: Final = {
    "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "_HANDLER",
}  # fmt: skip
_ENVIRONMENT_BYTES: Final = 4096


class Functions:
    def __init__(self, shared_state: SharedState, store: Store, sources: Sources, pace: Pace) -> None:
        self._world = shared_state
        self._store = store
        self._sources = sources
        self._pace = pace

    def create_function(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        name = asked["FunctionName"].rpartition(":")[2]
        if name in self._store.functions:
            raise AwsError("ResourceConflictException", f"Function already exist: {name}")
        require(caller, "iam:PassRole", asked["Role"])
        configuration: dict[str, Any] = {
            "FunctionName": name,
            "FunctionArn": function_arn(name),
            "Role": asked["Role"],
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "Version": LATEST,
            "PackageType": asked.get("PackageType", "Zip"),
            "Architectures": asked.get("Architectures", ["x86_64"]),
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "TracingConfig": {"Mode": "PassThrough"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
        }
        latest = Version(configuration, {})
        self._set_code(latest, asked["Code"], asked, caller)
        self._set(latest, asked)
        self._changed(latest)
        configuration |= {
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
        }
        latest.settling = self._pace.begin("CreateFunction", lambda failure: self._created(latest, failure))
        self._store.functions[name] = Function(name, latest, tags=dict(asked.get("Tags", {})))
        return dict(configuration)

    def get_function(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        """Tags that the caller may not list are left out, with the error."""
        version, configuration = self._read(asked, caller)
        function = self._store.function(asked)
        answer = {"Configuration": configuration, "Code": dict(version.code)}
        if not allows(caller, "lambda:ListTags", function_arn(function.name)):
            message = refusal(caller, "lambda:ListTags", function_arn(function.name))
            return answer | {"TagsError": {"ErrorCode": "AccessDeniedException", "Message": message}}
        return answer | ({"Tags": dict(function.tags)} if function.tags else {})

    def tag_resource(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        self._store.function({"FunctionName": asked["Resource"]}).tags.update(asked["Tags"])
        return {}

    def untag_resource(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        for key in asked["TagKeys"]:
            self._store.function({"FunctionName": asked["Resource"]}).tags.pop(key, None)
        return {}

    def get_function_configuration(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        return self._read(asked, caller)[1]

    def _read(self, asked: Mapping[str, Any], caller: Identity) -> tuple[Version, dict[str, Any]]:
        function, qualifier = self._store.find(asked)
        version = function.version(qualifier)
        seen = _decrypted(version.configuration, caller)
        if not caller.is_root:
            version.look()
        if qualifier in function.aliases:
            seen["FunctionArn"] = function_arn(function.name, qualifier)
        return version, seen

    def list_functions(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        found = []
        for _, function in sorted(self._store.functions.items()):
            found.append(function.latest)
            if asked.get("FunctionVersion") == "ALL":
                found += function.versions.values()
        return page([version.listed() for version in found], asked, "Functions")

    def update_function_code(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        latest = self._store.function(asked).latest
        latest.require_ready_for_change()
        latest.require_revision(asked)
        if latest.configuration["PackageType"] == "Zip" and "ImageUri" in asked:
            raise _invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
        if latest.configuration["PackageType"] == "Image" and "ImageUri" not in asked:
            raise _invalid("Please provide ImageUri when updating a function with packageType Image.")
        changed = Version(dict(latest.configuration), {})
        if "Architectures" in asked:
            changed.configuration["Architectures"] = asked["Architectures"]
        self._set_code(changed, asked, asked, caller)
        if asked.get("DryRun"):
            return changed.configuration
        latest.configuration, latest.code = changed.configuration, changed.code
        return self._update(latest, "UpdateFunctionCode")

    def update_function_configuration(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        latest = self._store.function(asked).latest
        latest.require_ready_for_change()
        latest.require_revision(asked)
        if "Role" in asked:
            require(caller, "iam:PassRole", asked["Role"])
        self._set(latest, asked)
        return self._update(latest, "UpdateFunctionConfiguration")

    def delete_function(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        function, qualifier = self._store.find(asked)
        if "Qualifier" not in asked and qualifier == LATEST:
            del self._store.functions[function.name]
            return {"StatusCode": 204}
        if qualifier == LATEST:
            raise _invalid("$LATEST version cannot be deleted without deleting the function.")
        if not qualifier.isdecimal():
            raise _invalid("Deletion of aliases is not currently supported.")
        users = [name for name, alias in function.aliases.items() if qualifier in targets(alias)]
        if users:
            raise AwsError(
                "ResourceConflictException",
                f"Unable to delete version because the following aliases reference it: [{', '.join(users)}]",
            )
        function.versions.pop(qualifier, None)  # deleting what is not there succeeds
        return {"StatusCode": 204}

    def _set_code(self, version: Version, code: Mapping[str, Any], asked: Mapping[str, Any], caller: Identity) -> None:
        configuration = version.configuration
        if configuration["PackageType"] == "Zip":
            content = code.get("ZipFile", b"")
            configuration |= {
                "CodeSize": len(content),
                "CodeSha256": base64.b64encode(hashlib.sha256(content).digest()).decode(),
                "Runtime": asked.get("Runtime", configuration.get("Runtime", "python3.13")),
                "Handler": asked.get("Handler", configuration.get("Handler", "index.handler")),
            }
            version.code = {"RepositoryType": "S3", "Location": f"{self._world.url}/code"}
            return
        if "ImageUri" not in code or _ZIP_ONLY & asked.keys():
            raise _invalid("A function of package type Image has an ImageUri, and no Runtime, Handler or Layers.")
        uri = code["ImageUri"]
        resolved, digest = self._sources.resolve(uri, configuration["Architectures"][0], caller)
        configuration |= {"CodeSize": 0, "CodeSha256": digest.partition(":")[2]}
        version.code = {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": resolved}

    def _set(self, version: Version, asked: Mapping[str, Any]) -> None:
        """What a configuration may have, on top of what is there."""
        configuration = version.configuration
        if configuration["PackageType"] == "Image" and _ZIP_ONLY & asked.keys():
            raise _invalid("Runtime, Handler and Layers are not for functions of package type Image.")
        if "Environment" in asked:
            _require_allowed(asked["Environment"].get("Variables", {}))
        configuration |= {name: asked[name] for name in _SETTINGS if name in asked}
        if "Environment" in asked:
            configuration.pop("Environment", None)
            if asked["Environment"].get("Variables"):
                configuration["Environment"] = {"Variables": dict(asked["Environment"]["Variables"])}
        if "SnapStart" in asked:
            configuration["SnapStart"] = {"ApplyOn": asked["SnapStart"]["ApplyOn"], "OptimizationStatus": "Off"}
        if "ImageConfig" in asked:
            configuration.pop("ImageConfigResponse", None)
            if asked["ImageConfig"]:
                configuration["ImageConfigResponse"] = {"ImageConfig": dict(asked["ImageConfig"])}
        if "VpcConfig" in asked:
            wanted = {key: asked["VpcConfig"].get(key, []) for key in ("SubnetIds", "SecurityGroupIds")}
            configuration["VpcConfig"] = wanted | {"VpcId": "vpc-0" if wanted["SubnetIds"] else ""}

    def _update(self, latest: Version, operation: str) -> dict[str, Any]:
        self._changed(latest)
        for name in ("LastUpdateStatusReason", "LastUpdateStatusReasonCode"):
            latest.configuration.pop(name, None)
        latest.configuration |= {
            "LastUpdateStatus": "InProgress",
            "LastUpdateStatusReason": "The function is being created.",
            "LastUpdateStatusReasonCode": "Creating",
        }
        latest.settling = self._pace.begin(operation, lambda failure: self._updated(latest, failure))
        return dict(latest.configuration)

    def _updated(self, latest: Version, failure: Failure | None) -> None:
        latest.configuration["RevisionId"] = new_revision()
        _end(latest, "LastUpdateStatus", "Failed" if failure else "Successful", failure)
        if not failure:
            _end(latest, "State", "Active", None)

    def _created(self, latest: Version, failure: Failure | None) -> None:
        latest.configuration["RevisionId"] = new_revision()
        _end(latest, "State", "Failed" if failure else "Active", failure)
        _end(latest, "LastUpdateStatus", "Failed" if failure else "Successful", failure)

    def _changed(self, latest: Version) -> None:
        latest.configuration |= {"RevisionId": new_revision(), "LastModified": stamp(self._world.now())}


def _decrypted(configuration: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
    """The configuration as the caller sees it: variables whose key it may not use are an error, inside an answer."""
    key = configuration.get("KMSKeyArn")
    if not key or "Environment" not in configuration or allows(caller, "kms:Decrypt", key):
        return dict(configuration)
    message = (
        "Lambda was unable to decrypt the environment variables because KMS access was denied. Please check the "
        f"function's KMS key settings. KMS Exception: AccessDeniedException KMS Message: "
        f"{refusal(caller, 'kms:Decrypt', key)}"
    )
    return {**configuration, "Environment": {"Error": {"ErrorCode": "AccessDeniedException", "Message": message}}}


def targets(alias: Mapping[str, Any]) -> set[str]:
    """The versions that an alias sends traffic to."""
    return {alias["FunctionVersion"], *alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})}


def _end(version: Version, name: str, state: str, failure: Failure | None) -> None:
    version.configuration[name] = state
    for part in ("Reason", "ReasonCode"):
        version.configuration.pop(f"{name}{part}", None)
    if failure:
        version.configuration |= {f"{name}Reason": failure.reason, f"{name}ReasonCode": failure.code}


def _require_allowed(variables: Mapping[str, str]) -> None:
    used = sorted(_RESERVED & variables.keys())
    if used:
        raise _invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(used)}"
        )
    if sum(len(f'"{name}":"{value}",'.encode()) for name, value in variables.items()) > _ENVIRONMENT_BYTES:
        raise _invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided exceeded the 4KB limit."
        )


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)
