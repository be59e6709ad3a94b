"""IAM: the action and the resource of a call, and whether a policy allows it. Its conditions are not looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.shared_state import ACCOUNT, REGION

_OTHER_NAMES: Final = {"Invoke": "InvokeFunction"}
_OF_ALL: Final = {"GetAuthorizationToken", "ListEventSourceMappings", "ListFunctions", "DescribeRegistry"}
_OF_QUALIFIED: Final = {
    "Invoke",
    "DeleteProvisionedConcurrencyConfig",
    "GetProvisionedConcurrencyConfig",
    "PutProvisionedConcurrencyConfig",
}
LAMBDA_PULLS: Final = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def action_of(service: str, operation: str) -> str:
    return f"{service}:{_OTHER_NAMES.get(operation, operation)}"


def function_arn(name: str, qualifier: str = "") -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


def repository_arn(name: str) -> str:
    return f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"


def resource_of(service: str, operation: str, asked: Mapping[str, Any]) -> str:
    """The ARN that the call is about; `*` where the action has none."""
    if operation in _OF_ALL:
        return "*"
    if service == "lambda" and "FunctionName" in asked:
        name, _, qualifier = plain_name(asked["FunctionName"]).partition(":")
        qualified = asked.get("Qualifier", qualifier) if operation in _OF_QUALIFIED else ""
        return function_arn(name, qualified)
    if service == "lambda" and "Resource" in asked:
        return str(asked["Resource"])
    if service == "ecr" and "repositoryName" in asked:
        return repository_arn(asked["repositoryName"])
    if service == "ecr" and len(asked.get("repositoryNames", [])) == 1:
        return repository_arn(asked["repositoryNames"][0])
    if service == "logs" and "logGroupName" in asked:
        return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{asked['logGroupName']}:log-stream:"
    return "*"


def plain_name(function: str) -> str:
    """NAME or NAME:QUALIFIER of a name or any form of an ARN."""
    return re.sub(r"^((arn:aws:lambda:)?([a-z0-9-]+:)?\d{12}:)?function:|^\d{12}:function:", "", function)


def require(caller: Identity, action: str, resource: str) -> None:
    """Raises AwsError unless the caller may do this."""
    if not allows(caller, action, resource):
        raise AwsError("AccessDeniedException", refusal(caller, action, resource))


def refusal(caller: Identity, action: str, resource: str) -> str:
    return (
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no identity-based policy allows the {action} action"
    )


def allows(caller: Identity, action: str, resource: str) -> bool:
    if caller.policy is None:
        return True
    fitting = [
        statement["Effect"]
        for statement in _listed(caller.policy["Statement"])
        if any(fnmatchcase(action.lower(), pattern.lower()) for pattern in _listed(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in _listed(statement["Resource"]))
    ]
    return "Allow" in fitting and "Deny" not in fitting


def lets_lambda_pull(policy: Mapping[str, Any]) -> bool:
    """Whether a repository's policy gives Lambda what it needs."""
    patterns = [
        pattern
        for statement in _listed(policy.get("Statement", []))
        if statement.get("Effect") == "Allow" and _is_lambda(statement.get("Principal"))
        for pattern in _listed(statement.get("Action", []))
    ]
    return all(any(fnmatchcase(action, pattern) for pattern in patterns) for action in LAMBDA_PULLS)


def _is_lambda(principal: object) -> bool:
    services = _listed(principal.get("Service", [])) if isinstance(principal, Mapping) else [principal]
    return "lambda.amazonaws.com" in services or "*" in services


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, Mapping)) else [value]
