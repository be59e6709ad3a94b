"""Rights that the commands, the function and the state machine need: IAM actions, and the least policies of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from deploy.errors import UsageError


def actions_of(service: str, names: str) -> list[str]:
    """Return the IAM actions of a service; `names` has blanks between them."""
    return [f"{service}:{name}" for name in names.split()]


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


def dns_suffix_of(partition: str) -> str:
    """Return what names of services end with in a partition, such as amazonaws.com.cn."""
    from botocore.session import Session

    return str(Session().get_component("endpoint_resolver").get_partition_dns_suffix(partition))


_PULL: Final = "BatchGetImage GetDownloadUrlForLayer"
# The calls of this tool to other services than Lambda; the last two lines are the SDK's, to get credentials.
_SERVICES: Final = {
    name: service
    for service, names in {
        "ecr": "BatchDeleteImage BatchGetImage CreateRepository DescribeImages DescribeImageScanFindings "
        "DescribeRepositories ListImageReferrers ListImages "
        "GetAuthorizationToken GetLifecyclePolicy GetRepositoryPolicy PutLifecyclePolicy SetRepositoryPolicy",
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


def allow(name: str, actions: list[str], resource: str | list[str]) -> dict[str, Any]:
    """Return a statement that allows actions."""
    return {"Sid": name, "Effect": "Allow", "Action": actions, "Resource": resource}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


_LOG_IN: Final = allow("LogIn", ["ecr:GetAuthorizationToken"], "*")


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A function, region and account; `*` is any."""

    function: str = "*"
    region: str = "*"
    account: str = "*"

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{partition_of(self.region)}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, kw_only=True)
class Scope(_Place):
    """Scope of a policy; `*` is any. `create`: with the rights that --create needs, `role` is for the function.

    `kms_key`: the ARN of the key that encrypts the function's variables.
    """

    repository: str = "*"
    role: str | None = None
    create: bool = False
    kms_key: str | None = None

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
        return document(_LOG_IN, allow("Push", actions_of("ecr", names), self._repository_arn))

    def deploy(self) -> dict[str, Any]:
        """Return the policy for `deploy` (beside `push` if an image is pushed) and `rollback`."""
        names = "CreateAlias DeleteAlias GetAlias GetFunction GetProvisionedConcurrencyConfig InvokeFunction "
        names += "ListTags ListVersionsByFunction PublishVersion TagResource UntagResource UpdateAlias "
        names += "UpdateFunctionCode UpdateFunctionConfiguration"
        actions = actions_of("lambda", names)
        images = f"DescribeImageScanFindings DescribeImages DescribeRepositories ListImageReferrers {_PULL}"
        statements = [
            _LOG_IN,
            allow("Image", actions_of("ecr", images), self._repository_arn),
            allow("Function", actions, self._function_arns),
            allow("Canary", actions_of("cloudwatch", "DescribeAlarms GetMetricData"), "*"),
        ]
        if self.create:
            actions.append("lambda:CreateFunction")
            passing = allow("Role", ["iam:PassRole"], self.role or "*")
            passing["Condition"] = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
            statements.append(passing)
        if self.kms_key:
            statements.append(allow("Key", actions_of("kms", "CreateGrant Decrypt Encrypt"), self.kms_key))
        return document(*statements)

    def prune(self) -> dict[str, Any]:
        """Return the policy for `prune`, which reads every function of the account and region."""
        images = "BatchDeleteImage BatchGetImage DescribeImages DescribeRepositories GetRepositoryPolicy"
        functions = "DeleteFunction GetFunction GetPolicy ListAliases ListEventSourceMappings ListFunctions "
        functions += "ListProvisionedConcurrencyConfigs"
        return document(
            allow("Images", actions_of("ecr", images), self._repository_arn),
            allow("Functions", actions_of("lambda", functions), "*"),
        )

    def observe(self) -> dict[str, Any]:
        """Return the policy for `status`, `logs` and `invoke`."""
        names = "GetFunction InvokeFunction ListAliases ListVersionsByFunction"
        group = self._arn("logs", f"log-group:/aws/lambda/{self.function}:*")
        return document(
            allow("Function", actions_of("lambda", names), self._function_arns),
            allow("Image", ["ecr:DescribeImages"], self._repository_arn),
            allow("Logs", ["logs:FilterLogEvents"], group),
        )


POLICIES: Final[dict[str, Callable[[Scope], dict[str, Any]]]] = {
    "push": Scope.push,
    "deploy": Scope.deploy,
    "prune": Scope.prune,
    "observe": Scope.observe,
}


@dataclass(frozen=True)
class S3Prefix:
    """The objects of a bucket whose keys begin with `prefix`."""

    bucket: str
    prefix: str = ""


@dataclass(frozen=True, kw_only=True)
class Roles(_Place):
    """Places and services of a stack. `function` is the state machine's name too, as in the template.

    `alias`: the function's, that jobs invoke. `kms_key`: the ARN of the key that encrypts either place.
    `index_beside`: indexes are kept beside the videos. `uploads`: there is a queue of them. `tracing`: by X-Ray.
    """

    videos: S3Prefix
    results: S3Prefix
    alias: str | None = None
    kms_key: str | None = None
    index_beside: bool = False
    uploads: bool = False
    tracing: bool = False

    def for_function(self) -> dict[str, Any]:
        """Return the policy of the function's role."""
        objects = [self._objects(self.videos), self._objects(self.results)]
        writing = actions_of("s3", "PutObject DeleteObject DeleteObjectVersion AbortMultipartUpload")
        list_videos = allow("ListVideos", ["s3:ListBucket"], self._bucket(self.videos))
        if self.videos.prefix:
            list_videos["Condition"] = {"StringLike": {"s3:prefix": f"{self.videos.prefix}*"}}
        listing = actions_of("s3", "ListBucket ListBucketMultipartUploads")
        statements = [
            allow("Read", actions_of("s3", "GetObject GetObjectVersion"), objects),
            allow("Write", writing, self._objects(self.results)),
            list_videos,
            # without a condition: else S3 answers "forbidden" for a missing object
            allow("ListResults", listing, self._bucket(self.results)),
        ]
        if self.index_beside:
            statements.append(allow("KeepIndexes", ["s3:PutObject"], self._objects(self.videos, "*.hwang")))
        statements += self._use_key()
        if self.uploads:
            taking = actions_of("sqs", "ReceiveMessage DeleteMessage GetQueueAttributes")
            statements.append(allow("TakeMessages", taking, self._arn("sqs", f"{self.function}-uploads")))
        group = self._arn("logs", f"log-group:/aws/lambda/{self.function}:*")
        statements.append(allow("Log", actions_of("logs", "CreateLogStream PutLogEvents"), group))
        if self.tracing:
            statements.append(allow("Trace", actions_of("xray", "PutTraceSegments PutTelemetryRecords"), "*"))
        return document(*statements)

    def for_states(self) -> dict[str, Any]:
        """Return the policy of the state machine's role; a distributed Map starts and follows executions of its own."""
        function = self._arn("lambda", f"function:{self.function}")
        items = actions_of("s3", "GetObject PutObject ListMultipartUploadParts AbortMultipartUpload")
        following = actions_of("states", "DescribeExecution StopExecution RedriveExecution")
        execution = self._arn("states", f"execution:{self.function}")
        logging = "CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries "
        logging += "PutResourcePolicy DescribeResourcePolicies DescribeLogGroups"
        tracing = "PutTraceSegments PutTelemetryRecords GetSamplingRules GetSamplingTargets"
        statements = [
            allow("Invoke", ["lambda:InvokeFunction"], f"{function}:{self.alias}" if self.alias else function),
            allow("ItemsAndResults", items, self._objects(self.results, "*_job/*")),
            allow("StartChildren", ["states:StartExecution"], self._arn("states", f"stateMachine:{self.function}")),
            allow("FollowChildren", following, [f"{execution}:*", f"{execution}/*:*"]),
            *self._use_key(),
            allow("Log", actions_of("logs", logging), "*"),
        ]
        if self.tracing:
            statements.append(allow("Trace", actions_of("xray", tracing), "*"))
        return document(*statements)

    def _use_key(self) -> list[dict[str, Any]]:
        return [allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], self.kms_key)] if self.kms_key else []

    def _bucket(self, place: S3Prefix) -> str:
        return f"arn:{partition_of(self.region)}:s3:::{place.bucket}"

    def _objects(self, place: S3Prefix, keys: str = "*") -> str:
        return f"{self._bucket(place)}/{place.prefix}{keys}"


ROLES: Final[dict[str, Callable[[Roles], dict[str, Any]]]] = {
    "function": Roles.for_function,
    "states": Roles.for_states,
}
