"""What the function and the state machine may do: the policies of their roles, as deploy/template.yaml has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from deploy.policy import allow, document


@dataclass(frozen=True)
class S3Prefix:
    """The objects of a bucket whose keys begin with `prefix`."""

    bucket: str
    prefix: str = ""

    @property
    def bucket_arn(self) -> str:
        return f"arn:aws:s3:::{self.bucket}"

    def objects_arn(self, keys: str = "*") -> str:
        return f"{self.bucket_arn}/{self.prefix}{keys}"


@dataclass(frozen=True)
class Roles:
    """Where videos are and where results go. `function` is the state machine's name too, as in the template.

    `alias`: the function's, that jobs invoke. `kms_key`: the ARN of the key that encrypts either place.
    `index_beside`: indexes are kept beside the videos. `uploads`: there is a queue of them. `tracing`: by X-Ray.
    """

    videos: S3Prefix
    results: S3Prefix
    function: str = "*"
    region: str = "*"
    account: str = "*"
    alias: str | None = None
    kms_key: str | None = None
    index_beside: bool = False
    uploads: bool = False
    tracing: bool = False

    def for_function(self) -> dict[str, Any]:
        """The function's role."""
        objects = [self.videos.objects_arn(), self.results.objects_arn()]
        writing = ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:AbortMultipartUpload"]
        list_videos = allow("ListVideos", ["s3:ListBucket"], self.videos.bucket_arn)
        if self.videos.prefix:
            list_videos["Condition"] = {"StringLike": {"s3:prefix": f"{self.videos.prefix}*"}}
        statements = [
            allow("Read", ["s3:GetObject", "s3:GetObjectVersion"], objects),
            allow("Write", writing, self.results.objects_arn()),
            list_videos,
            # without a condition: else what is missing looks forbidden
            allow("ListResults", ["s3:ListBucket", "s3:ListBucketMultipartUploads"], self.results.bucket_arn),
        ]
        if self.index_beside:
            statements.append(allow("KeepIndexes", ["s3:PutObject"], self.videos.objects_arn("*.hwang")))
        statements += self._use_key()
        if self.uploads:
            taking = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
            statements.append(allow("TakeMessages", taking, self._arn("sqs", f"{self.function}-uploads")))
        group = self._arn("logs", f"log-group:/aws/lambda/{self.function}:*")
        statements.append(allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], group))
        if self.tracing:
            statements.append(allow("Trace", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*"))
        return document(*statements)

    def for_states(self) -> dict[str, Any]:
        """The role of the state machine; a Map whose items have executions of their own starts and follows these."""
        function = self._arn("lambda", f"function:{self.function}")
        items = ["s3:GetObject", "s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"]
        following = ["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"]
        execution = self._arn("states", f"execution:{self.function}")
        logging = [
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ]
        tracing = [
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
        ]
        statements = [
            allow("Invoke", ["lambda:InvokeFunction"], f"{function}:{self.alias}" if self.alias else function),
            allow("ItemsAndResults", items, self.results.objects_arn("*_job/*")),
            allow("StartChildren", ["states:StartExecution"], self._arn("states", f"stateMachine:{self.function}")),
            allow("FollowChildren", following, [f"{execution}:*", f"{execution}/*:*"]),
            *self._use_key(),
            allow("Log", logging, "*"),
        ]
        if self.tracing:
            statements.append(allow("Trace", tracing, "*"))
        return document(*statements)

    def _use_key(self) -> list[dict[str, Any]]:
        return [allow("UseKey", ["kms:Decrypt", "kms:GenerateDataKey"], self.kms_key)] if self.kms_key else []

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


ROLES: Final[dict[str, Callable[[Roles], dict[str, Any]]]] = {
    "function": Roles.for_function,
    "states": Roles.for_states,
}
