"""The things that a proof makes in the account, all under one name: an ECR repository, and a stack with the rest."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from deploy.invocation import result_of
from deploy.registry import ecr
from deploy.signals import postponed
from local.stack import ROOT, StackError, output

SDK_ERRORS = (BotoCoreError, ClientError)
MEMORY_MB = 3008
TIMEOUT_SECONDS = 60
STACK_SECONDS = 900  # limit of making and of removing the stack
JOB_SECONDS = 240
JOB_CONCURRENCY = 2
POLL_SECONDS = 2.0
_BUCKET = """\
Resources:
  Bucket: # also expires by itself, should nobody remove it
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Ref VideosBucket
      LifecycleConfiguration:
        Rules: [{Status: Enabled, ExpirationInDays: 1, AbortIncompleteMultipartUpload: {DaysAfterInitiation: 1}}]
"""


def template() -> str:
    """Return deploy/template.yaml with a bucket, and with the state machine's definition inside it."""
    text = (ROOT / "deploy/template.yaml").read_text()
    definition = json.dumps(json.loads((ROOT / "deploy/frames.asl.json").read_text()))
    for old, new in (("Resources:\n", _BUCKET), ("DefinitionUri: frames.asl.json\n", f"Definition: {definition}\n")):
        if text.count(old) != 1:
            raise StackError(f"deploy/template.yaml does not hold {old.strip()!r} once")
        text = text.replace(old, new)
    return text


@dataclass(frozen=True)
class Account:
    """The session's account. `name` is that of repository, stack, bucket, function and state machine."""

    session: boto3.Session
    number: str
    name: str

    @property
    def bucket(self) -> str:
        """The bucket of the stack: videos below videos/, results beside it."""
        return self.name

    def client(self, service: str) -> Any:
        """Return a client that does not invoke twice."""
        config = Config(retries={"total_max_attempts": 1}, read_timeout=TIMEOUT_SECONDS + 30)
        return self.session.client(service, config=config if service == "lambda" else None)  # type: ignore[call-overload]

    @property
    def is_aws(self) -> bool:
        """False if the SDK was directed elsewhere, by AWS_ENDPOINT_URL for instance."""
        return bool(re.search(r"\.amazonaws\.com(\.cn)?$", self.stacks.meta.endpoint_url))

    @cached_property
    def stacks(self) -> Any:
        """Client of CloudFormation."""
        return self.client("cloudformation")

    @cached_property
    def s3(self) -> Any:
        """Client of S3."""
        return self.client("s3")

    def push(self, image: str) -> str:
        """Put the image into a new repository and return its address with its digest. Raises StackError."""
        with postponed():
            ecr.create(self.client("ecr"), self.name)
        options = ["--repository", self.name, "--json", "--region", str(self.session.region_name)]
        if self.session.profile_name != "default":
            options += ["--profile", self.session.profile_name]
        pushed = json.loads(output(sys.executable, "ecr_push.py", "push", image, *options))
        return str(pushed["uri"])

    def make_stack(self, image_uri: str) -> dict[str, str]:
        """Make the stack and return its outputs. Raises StackError with CloudFormation's reasons."""
        chosen = {
            "ImageUri": image_uri,
            "FunctionName": self.name,
            "VideosBucket": self.bucket,
            "ResultsBucket": self.bucket,
            "Memory": str(MEMORY_MB),
            "Timeout": str(TIMEOUT_SECONDS),
            "LogRetentionDays": "1",
        }
        with postponed():
            self.stacks.create_stack(
                StackName=self.name,
                TemplateBody=template(),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in chosen.items()],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                OnFailure="DO_NOTHING",
            )
        try:
            self._wait_for("stack_create_complete")
        except WaiterError as error:
            events = self.stacks.describe_stack_events(StackName=self.name)["StackEvents"]
            failed = [event for event in reversed(events) if event.get("ResourceStatus", "").endswith("_FAILED")]
            reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed]
            raise StackError("\n".join(["the stack could not be made", *(reasons or [str(error)])])) from error
        stack = self.stacks.describe_stacks(StackName=self.name)["Stacks"][0]
        return {found["OutputKey"]: found["OutputValue"] for found in stack["Outputs"]}

    def invoke(self, event: dict[str, Any]) -> tuple[float, Counter[str]]:
        """Invoke the function and wait for its answer. Raises StackError if that is an error.

        Returns the seconds for the caller, and the figures of Lambda's REPORT line, in milliseconds and MB.
        """
        start = time.perf_counter()
        given = self.client("lambda").invoke(FunctionName=self.name, Payload=json.dumps(event).encode(), LogType="Tail")
        result = result_of(given)
        seconds = time.perf_counter() - start
        if result.function_error or "errorType" in result.payload:
            raise StackError(f"{event} was answered with {result.function_error} {result.payload}")
        figures = re.findall(r"\t([\w ]+): ([\d.]+) (?:ms|MB)", result.log)
        return seconds, Counter({name: float(figure) for name, figure in figures})

    def run_job(self, machine: str, job: dict[str, Any]) -> dict[str, Any]:
        """Run a job and return its manifest. Raises StackError if it fails or takes longer than JOB_SECONDS."""
        states = self.client("stepfunctions")
        execution = states.start_execution(stateMachineArn=machine, input=json.dumps(job))["executionArn"]
        deadline = time.monotonic() + JOB_SECONDS
        while (found := states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            if time.monotonic() > deadline:
                states.stop_execution(executionArn=execution)
                raise StackError(f"the job has not ended within {JOB_SECONDS} s")
            time.sleep(POLL_SECONDS)
        if found["status"] != "SUCCEEDED":
            raise StackError(f"the job is {found['status']}: {found.get('error')}: {found.get('cause')}")
        key = job["output"].removeprefix(f"s3://{self.bucket}/") + "_manifest.json"
        manifest: dict[str, Any] = json.loads(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        return manifest

    def array(self, key: str) -> Any:
        """Return the array that the object holds."""
        return np.load(io.BytesIO(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()), allow_pickle=False)

    def remove(self) -> list[str]:
        """Remove all that a proof makes. Returns a line for each thing that is left: why, and the command for it."""
        place = f"--region {self.session.region_name}"
        empty = f"aws s3 rm s3://{self.bucket} --recursive {place}"
        steps: dict[str, Callable[[], None]] = {
            f"{empty}; aws cloudformation delete-stack --stack-name {self.name} {place}": self._remove_stack,
            f"aws ecr delete-repository --repository-name {self.name} --force {place}": self._remove_repository,
        }
        left = []
        for command, step in steps.items():
            try:
                step()
            except SDK_ERRORS as error:
                if not _is_missing(error):
                    left.append(f"{error}\n    {command}")
        return left

    def _remove_repository(self) -> None:
        self.client("ecr").delete_repository(repositoryName=self.name, force=True)

    def _remove_stack(self) -> None:
        """Empty the bucket and delete the stack; again if the function wrote a last result in between."""
        self.stacks.describe_stacks(StackName=self.name)  # raises if there is none
        for tries_left in (2, 1, 0):
            self._empty_bucket()
            self.stacks.delete_stack(StackName=self.name)
            try:
                self._wait_for("stack_delete_complete")
                return
            except WaiterError:
                if not tries_left:
                    raise

    def _empty_bucket(self) -> None:
        try:
            while keys := self.s3.list_objects_v2(Bucket=self.bucket).get("Contents"):
                objects = [{"Key": found["Key"]} for found in keys]
                self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": objects, "Quiet": True})
        except ClientError as error:
            if not _is_missing(error):
                raise

    def _wait_for(self, event: str) -> None:
        attempts = {"Delay": POLL_SECONDS, "MaxAttempts": int(STACK_SECONDS / POLL_SECONDS)}
        self.stacks.get_waiter(event).wait(StackName=self.name, WaiterConfig=attempts)


def _is_missing(error: Exception) -> bool:
    code = error.response["Error"] if isinstance(error, ClientError) else {}
    missing = {"NoSuchBucket", "RepositoryNotFoundException"}
    return code.get("Code") in missing or "does not exist" in code.get("Message", "")
