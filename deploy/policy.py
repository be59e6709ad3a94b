"""Which rights the commands need: the actions, and the least IAM policies made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_PREFIXES: Final = {
    "BatchDeleteImage": "ecr",
    "BatchGetImage": "ecr",
    "CreateRepository": "ecr",
    "DescribeImages": "ecr",
    "DescribeRepositories": "ecr",
    "GetAuthorizationToken": "ecr",
    "GetLifecyclePolicy": "ecr",
    "GetRepositoryPolicy": "ecr",
    "ListImages": "ecr",
    "PutLifecyclePolicy": "ecr",
    "SetRepositoryPolicy": "ecr",
    "FilterLogEvents": "logs",
    "GetMetricData": "cloudwatch",
    # whose credentials these are, and what the SDK does to get them
    "GetCallerIdentity": "sts",
    "AssumeRole": "sts",
    "AssumeRoleWithWebIdentity": "sts",
    "GetRoleCredentials": "sso",
}
_DIFFERENT: Final = {"Invoke": "InvokeFunction"}


def action_of(operation: str) -> str:
    """The IAM action of an operation that this tool calls."""
    return f"{_PREFIXES.get(operation, 'lambda')}:{_DIFFERENT.get(operation, operation)}"


@dataclass(frozen=True)
class Scope:
    """What a policy is for; `*` is any. `create`: with the rights that --create needs, `role` is for the function."""

    repository: str = "*"
    function: str = "*"
    region: str = "*"
    account: str = "*"
    role: str | None = None
    create: bool = False

    @property
    def _repository_arn(self) -> str:
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{self.repository}"

    @property
    def _function_arns(self) -> list[str]:
        """The function, and its versions and aliases."""
        function = f"arn:aws:lambda:{self.region}:{self.account}:function:{self.function}"
        return [function, f"{function}:*"]

    def push(self) -> dict[str, Any]:
        """`push`, and `deploy IMAGE` beside `deploy`. Most of these rights are for the registry's own protocol."""
        actions = [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:CompleteLayerUpload",
            "ecr:DescribeRepositories",
            "ecr:GetDownloadUrlForLayer",
            "ecr:InitiateLayerUpload",
            "ecr:PutImage",
            "ecr:UploadLayerPart",
        ]
        if self.create:
            actions += [
                "ecr:CreateRepository",
                "ecr:DescribeImages",
                "ecr:GetLifecyclePolicy",
                "ecr:GetRepositoryPolicy",
                "ecr:PutLifecyclePolicy",
                "ecr:SetRepositoryPolicy",
            ]
        return document(
            allow("LogIn", ["ecr:GetAuthorizationToken"], "*"),
            allow("Push", actions, self._repository_arn),
        )

    def deploy(self) -> dict[str, Any]:
        """`deploy`, beside `push` if an image is pushed, and `rollback`."""
        actions = [
            "lambda:CreateAlias",
            "lambda:DeleteAlias",
            "lambda:GetAlias",
            "lambda:GetFunction",
            "lambda:GetProvisionedConcurrencyConfig",
            "lambda:InvokeFunction",
            "lambda:ListVersionsByFunction",
            "lambda:PublishVersion",
            "lambda:UpdateAlias",
            "lambda:UpdateFunctionCode",
            "lambda:UpdateFunctionConfiguration",
        ]
        reading = ["BatchGetImage", "DescribeImages", "DescribeRepositories", "GetDownloadUrlForLayer"]
        statements = [
            allow("LogIn", ["ecr:GetAuthorizationToken"], "*"),
            allow("Image", [f"ecr:{action}" for action in reading], self._repository_arn),
            allow("Function", actions, self._function_arns),
            allow("Canary", ["cloudwatch:GetMetricData"], "*"),
        ]
        if self.create:
            actions.append("lambda:CreateFunction")
            passing = allow("Role", ["iam:PassRole"], self.role or "*")
            passing["Condition"] = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
            statements.append(passing)
        return document(*statements)

    def prune(self) -> dict[str, Any]:
        """`prune` looks at every function of the account and region before it deletes an image."""
        actions = ["ecr:BatchDeleteImage", "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:DescribeRepositories"]
        return document(
            allow("Images", actions, self._repository_arn),
            allow("Functions", ["lambda:GetFunction", "lambda:ListFunctions"], "*"),
        )

    def observe(self) -> dict[str, Any]:
        """`status`, `logs` and `invoke`."""
        actions = ["lambda:GetFunction", "lambda:InvokeFunction", "lambda:ListAliases", "lambda:ListVersionsByFunction"]
        group = f"arn:aws:logs:{self.region}:{self.account}:log-group:/aws/lambda/{self.function}:*"
        return document(
            allow("Function", actions, self._function_arns),
            allow("Image", ["ecr:DescribeImages"], self._repository_arn),
            allow("Logs", ["logs:FilterLogEvents"], group),
        )


POLICIES: Final[dict[str, Callable[[Scope], dict[str, Any]]]] = {
    "push": Scope.push,
    "deploy": Scope.deploy,
    "prune": Scope.prune,
    "observe": Scope.observe,
}


def allow(name: str, actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resource}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}
