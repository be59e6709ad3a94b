"""Rights of the function and of the state machine: the policies of their roles, as in deploy/template.yaml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from deploy.policy import actions_of, allow, document, partition_of


@dataclass(frozen=True)
class S3Prefix:
    """The objects of a bucket whose keys begin with `prefix`."""

    bucket: str
    prefix: str = ""


@dataclass(frozen=True)
class Roles:
    """Places and services of a stack. `function` is the state machine's name too, as in the template.

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

    def _arn(self, service: str, resource: str) -> str:
        return f"arn:{partition_of(self.region)}:{service}:{self.region}:{self.account}:{resource}"

    def _bucket(self, place: S3Prefix) -> str:
        return f"arn:{partition_of(self.region)}:s3:::{place.bucket}"

    def _objects(self, place: S3Prefix, keys: str = "*") -> str:
        return f"{self._bucket(place)}/{place.prefix}{keys}"


ROLES: Final[dict[str, Callable[[Roles], dict[str, Any]]]] = {
    "function": Roles.for_function,
    "states": Roles.for_states,
}
