"""Rights that the commands need: IAM actions, and the least policies of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from deploy.errors import UsageError


def partition_of(region: str) -> str:
    """Return the partition of a region, such as aws-cn; aws for `*`. Raises UsageError if there is no such region."""
    from botocore.exceptions import UnknownRegionError
    from botocore.session import Session

    if region == "*":
        return "aws"
    try:
        return Session().get_partition_for_region(region)
    except UnknownRegionError as error:
        raise UsageError(f"{region} is no region of AWS", then="give --region a name such as eu-west-1") from error


_PULL: Final = "BatchGetImage GetDownloadUrlForLayer"
# The calls of this tool to other services than Lambda; the last two lines are the SDK's, to get credentials.
_SERVICES: Final = {
    name: service
    for service, names in {
        "ecr": "BatchDeleteImage BatchGetImage CreateRepository DescribeImages DescribeImageScanFindings "
        "DescribeRepositories ListImageReferrers GetAuthorizationToken GetLifecyclePolicy GetRepositoryPolicy "
        "PutLifecyclePolicy SetRepositoryPolicy",
        "logs": "FilterLogEvents",
        "cloudwatch": "DescribeAlarms GetMetricData",
        "sts": "GetCallerIdentity AssumeRole AssumeRoleWithWebIdentity",
        "sso": "GetRoleCredentials",
    }.items()
    for name in names.split()
}


def action_of(operation: str) -> str:
    """Return the IAM action of an operation that this tool calls."""
    return f"{_SERVICES.get(operation, 'lambda')}:{'InvokeFunction' if operation == 'Invoke' else operation}"


def _allow(name: str, service: str, names: str, resource: str | list[str]) -> dict[str, Any]:
    """Return a statement that allows actions of a service; `names` has blanks between them."""
    actions = [f"{service}:{action}" for action in names.split()]
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resource}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


_LOG_IN: Final = _allow("LogIn", "ecr", "GetAuthorizationToken", "*")


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Scope of a policy; `*` is any. `create`: with the rights that --create needs, `role` is for the function.

    `kms_key`: the ARN of the key that encrypts the function's variables.
    """

    repository: str = "*"
    function: str = "*"
    region: str = "*"
    account: str = "*"
    role: str | None = None
    create: bool = False
    kms_key: str | None = None

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{partition_of(self.region)}:{service}:{self.region}:{self.account}:{resource}"

    @property
    def _repository_arn(self) -> str:
        return self._arn("ecr", f"repository/{self.repository}")

    @property
    def _function_arns(self) -> list[str]:
        """The function, and its versions and aliases."""
        function = self._arn("lambda", f"function:{self.function}")
        return [function, f"{function}:*"]

    def push(self) -> dict[str, Any]:
        """Return the policy for `push`; `deploy IMAGE` needs it, too. Most rights are the registry protocol's."""
        names = f"BatchCheckLayerAvailability CompleteLayerUpload DescribeRepositories InitiateLayerUpload {_PULL} "
        names += "PutImage UploadLayerPart"
        if self.create:
            names += " CreateRepository DescribeImages GetLifecyclePolicy GetRepositoryPolicy PutLifecyclePolicy "
            names += "SetRepositoryPolicy"
        return document(_LOG_IN, _allow("Push", "ecr", names, self._repository_arn))

    def deploy(self) -> dict[str, Any]:
        """Return the policy for `deploy` (beside `push` if an image is pushed) and `rollback`."""
        names = "CreateAlias DeleteAlias GetAlias GetFunction GetProvisionedConcurrencyConfig InvokeFunction "
        names += "ListTags ListVersionsByFunction PublishVersion TagResource UntagResource UpdateAlias "
        names += "UpdateFunctionCode UpdateFunctionConfiguration"
        images = f"DescribeImageScanFindings DescribeImages DescribeRepositories ListImageReferrers {_PULL}"
        statements = [
            _LOG_IN,
            _allow("Image", "ecr", images, self._repository_arn),
            _allow("Function", "lambda", f"{names} CreateFunction" if self.create else names, self._function_arns),
            _allow("Canary", "cloudwatch", "DescribeAlarms GetMetricData", "*"),
        ]
        if self.create:
            passing = {"Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}}
            statements.append(_allow("Role", "iam", "PassRole", self.role or "*") | passing)
        if self.kms_key:
            statements.append(_allow("Key", "kms", "CreateGrant Decrypt Encrypt", self.kms_key))
        return document(*statements)

    def prune(self) -> dict[str, Any]:
        """Return the policy for `prune`, which reads every function of the account and region."""
        images = "BatchDeleteImage BatchGetImage DescribeImages DescribeRepositories GetRepositoryPolicy"
        functions = "DeleteFunction GetFunction GetPolicy ListAliases ListEventSourceMappings ListFunctions "
        functions += "ListProvisionedConcurrencyConfigs"
        return document(
            _allow("Images", "ecr", images, self._repository_arn), _allow("Functions", "lambda", functions, "*")
        )

    def observe(self) -> dict[str, Any]:
        """Return the policy for `status`, `logs` and `invoke`."""
        names = "GetFunction InvokeFunction ListAliases ListVersionsByFunction"
        return document(
            _allow("Function", "lambda", names, self._function_arns),
            _allow("Image", "ecr", "DescribeImages", self._repository_arn),
            _allow("Logs", "logs", "FilterLogEvents", self._arn("logs", f"log-group:/aws/lambda/{self.function}:*")),
        )


POLICIES: Final = {"push": Scope.push, "deploy": Scope.deploy, "prune": Scope.prune, "observe": Scope.observe}
