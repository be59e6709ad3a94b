"""AWS of a dry run: changing calls are answered here, and later reads as if the changes had been made."""

from __future__ import annotations

import io
from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from botocore.response import StreamingBody

NEW_VERSION: Final = "NEW"  # the number is Lambda's to give
_READS: Final = ("Get", "List", "Describe", "BatchGet", "BatchCheck", "Filter")
# Answers to reads of a repository that would be made.
_OF_NEW_REPOSITORY: Final[dict[str, dict[str, Any]]] = {
    "BatchGetImage": {"images": [], "failures": []},
    "GetRepositoryPolicy": {"Error": {"Code": "RepositoryPolicyNotFoundException", "Message": "dry run"}},
    "GetLifecyclePolicy": {"Error": {"Code": "LifecyclePolicyNotFoundException", "Message": "dry run"}},
}


class DryRun:
    """Memory of reads and of changes that would be made. `identity`: partition, region, account, suffix of hosts."""

    def __init__(self, identity: Callable[[], tuple[str, str, str, str]]) -> None:
        self._identity = identity
        self._functions: dict[tuple[str, str], Any] = {}
        self._aliases: dict[tuple[str, str], dict[str, Any] | None] = {}
        self._repositories: set[str] = set()
        self._has_changed = False

    @staticmethod
    def reads(operation: str) -> bool:
        """Return whether an operation changes nothing."""
        return operation.startswith(_READS)

    def saw(self, operation: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """Remember AWS's answer to a read."""
        if operation == "GetFunction":
            self._functions.setdefault((asked["FunctionName"], asked.get("Qualifier", "$LATEST")), deepcopy(answer))
        elif operation == "GetAlias":
            self._aliases.setdefault((asked["FunctionName"], asked["Name"]), deepcopy(answer))

    def answer(self, operation: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer, with `Error` for a refusal; None if AWS itself must answer, as no change touches it."""
        if self.reads(operation):
            return self._read(operation, asked)
        self._has_changed = True
        method = getattr(self, f"_{operation}", None)
        return deepcopy(method(asked)) if method else {}

    def _read(self, operation: str, asked: dict[str, Any]) -> dict[str, Any] | None:
        if not self._has_changed:
            return None
        match operation:
            case "GetFunction":
                return deepcopy(self._functions.get((asked["FunctionName"], asked.get("Qualifier", "$LATEST"))))
            case "GetAlias":
                return deepcopy(self._aliases.get((asked["FunctionName"], asked["Name"])))
            case _ if asked.get("repositoryName") in self._repositories:
                return _OF_NEW_REPOSITORY.get(operation)
        return None

    def _changed(self, name: str) -> Any:
        function = self._functions[name, "$LATEST"]
        function["Configuration"] |= {"LastUpdateStatus": "Successful"}
        return function

    def _CreateFunction(self, asked: dict[str, Any]) -> Any:  # noqa: N802 - named like the operation
        configuration = _answered({name: value for name, value in asked.items() if name not in {"Code", "Publish"}})
        configuration |= {"FunctionArn": f"function:{asked['FunctionName']}", "Version": "$LATEST", "State": "Active"}
        code = {"ImageUri": asked["Code"]["ImageUri"], "ResolvedImageUri": asked["Code"]["ImageUri"]}
        self._functions[asked["FunctionName"], "$LATEST"] = {"Configuration": configuration, "Code": code}
        return configuration

    def _UpdateFunctionCode(self, asked: dict[str, Any]) -> Any:  # noqa: N802
        function = self._changed(asked["FunctionName"])
        function["Code"] |= {"ImageUri": asked["ImageUri"], "ResolvedImageUri": asked["ImageUri"]}
        function["Configuration"] |= {name: asked[name] for name in ("Architectures",) if name in asked}
        return function["Configuration"]

    def _UpdateFunctionConfiguration(self, asked: dict[str, Any]) -> Any:  # noqa: N802
        configuration = self._changed(asked["FunctionName"])["Configuration"]
        configuration |= _answered({name: value for name, value in asked.items() if name != "RevisionId"})
        return configuration

    def _PublishVersion(self, asked: dict[str, Any]) -> Any:  # noqa: N802
        version = deepcopy(self._functions[asked["FunctionName"], "$LATEST"])
        more = {"Version": NEW_VERSION, "State": "Active", "Description": asked["Description"]}
        version["Configuration"] |= more
        self._functions[asked["FunctionName"], NEW_VERSION] = version
        return version["Configuration"]

    def _Invoke(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        data = b'"(not asked in a dry run)"'
        body = StreamingBody(io.BytesIO(data), len(data))
        return {"StatusCode": 200, "ExecutedVersion": asked.get("Qualifier", "$LATEST"), "Payload": body}

    def _UpdateAlias(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        place = asked["FunctionName"], asked["Name"]
        alias = self._aliases.get(place) or {}
        alias |= {name: value for name, value in asked.items() if name != "FunctionName"}
        self._aliases[place] = alias
        return alias

    _CreateAlias = _UpdateAlias

    def _CreateRepository(self, asked: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name, (partition, region, account, suffix) = asked["repositoryName"], self._identity()
        self._repositories.add(name)
        uri = f"{account}.dkr.ecr.{region}.{suffix}/{name}"
        arn = f"arn:{partition}:ecr:{region}:{account}:repository/{name}"
        return {"repository": asked | {"repositoryUri": uri, "repositoryArn": arn}}


def _answered(asked: dict[str, Any]) -> dict[str, Any]:
    """Return parameters of a function's configuration as answers have them."""
    image = asked.pop("ImageConfig", None)
    return asked if image is None else {**asked, "ImageConfigResponse": {"ImageConfig": image}}
