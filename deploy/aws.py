"""The AWS account: clients that are made when first needed, and a listener for every call.

`explained` turns errors of the SDK into errors of this tool.
"""

from __future__ import annotations

import os
import re
import ssl
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

import boto3
import botocore.exceptions as sdk
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.parsers import ResponseParserError

from deploy import errors
from deploy.dry_run import DryRun
from deploy.policy import action_of

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient

# A call is made at most four times and takes at most a minute, whatever the network does.
_CALLS: Final = Config(connect_timeout=5, read_timeout=12, retries={"mode": "standard", "total_max_attempts": 4})
# An invocation is not repeated. It may be silent for long, and routers drop silent connections unless kept alive.
_INVOCATIONS: Final = Config(connect_timeout=5, tcp_keepalive=True, retries={"total_max_attempts": 1})
_MAX_INVOCATION_SECONDS: Final = 910


@dataclass(frozen=True)
class Call:
    """One call of an API, without values that may be secret: `made` is False if a dry run only shows it."""

    action: str
    parameters: Mapping[str, object]
    made: bool

    def __str__(self) -> str:
        return " ".join([self.action, *(f"{name}={value}" for name, value in self.parameters.items())])


def _shown(name: str, value: Any) -> object:
    if name == "Environment":
        return {"Variables": dict.fromkeys(value.get("Variables", {}), "…")}
    if isinstance(value, bytes):
        return value.decode(errors="replace")[:200]
    return value


class Account:
    """The clients. `listener` gets every call before it is made, and in a dry run also those that would be made.

    A dry run only reads: calls that would change something are answered by `DryRun`, so that the commands run
    unchanged.
    """

    def __init__(
        self,
        *,
        profile: str | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
        dry_run: bool = False,
        listener: Callable[[Call], None] = lambda _: None,
    ) -> None:
        self._session = boto3.Session(profile_name=profile, region_name=region or os.environ.get("AWS_REGION") or None)
        self._url = endpoint_url
        self._dry_run = DryRun(self._identity) if dry_run else None
        self._listener = listener

    @property
    def dry_run(self) -> bool:
        """True if nothing is changed."""
        return self._dry_run is not None

    @cached_property
    def functions(self) -> LambdaClient:
        """Lambda, for everything but invocations."""
        return cast("LambdaClient", self._client("lambda"))

    def invocations(self, seconds: float = _MAX_INVOCATION_SECONDS) -> LambdaClient:
        """Return Lambda for invocations, each given up after this time without an answer."""
        return cast("LambdaClient", self._client("lambda", _INVOCATIONS.merge(Config(read_timeout=seconds))))

    @cached_property
    def images(self) -> ECRClient:
        """ECR."""
        return cast("ECRClient", self._client("ecr"))

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch's logs."""
        return cast("CloudWatchLogsClient", self._client("logs"))

    @cached_property
    def metrics(self) -> CloudWatchClient:
        """CloudWatch's metrics."""
        return cast("CloudWatchClient", self._client("cloudwatch"))

    def _identity(self) -> tuple[str, str, str, str]:
        """Return partition, region, account, and what names of services end with."""
        identities = self._client("sts")
        _, partition, _, _, account, _ = identities.get_caller_identity()["Arn"].split(":", 5)
        suffix = self._session._session.get_component("endpoint_resolver").get_partition_dns_suffix(partition)
        return partition, identities.meta.region_name, account, suffix

    def _client(self, service: Any, config: Config = _CALLS) -> Any:
        try:
            client = self._session.client(service, endpoint_url=self._url, config=config)
        except ValueError as error:
            if self._url or isinstance(error, sdk.BotoCoreError):  # a malformed address or region
                then = "check --endpoint-url, AWS_ENDPOINT_URL and --region"
                raise errors.UsageError(str(error), then=then) from error
            raise
        # the file of certificates that the environment or the profile names, for calls to a registry
        client.authorities = self._session._session.get_config_variable("ca_bundle") or ""
        client.meta.events.register_last("before-parameter-build", self._asked)
        client.meta.events.register_first("before-call", self._before)
        client.meta.events.register_last("after-call", self._after)
        return client

    def _asked(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        context["asked"] = dict(params)
        made = self._dry_run is None or self._dry_run.reads(model.name)
        shown = {name: _shown(name, value) for name, value in params.items()}
        self._listener(Call(action_of(model.name), shown, made))

    def _before(self, model: Any, context: dict[str, Any], **_: Any) -> Any:
        if self._dry_run is None:
            return None
        answer = self._dry_run.answer(model.name, context["asked"])
        if answer is None:
            return None
        return AWSResponse("", 404 if "Error" in answer else 200, HTTPHeaders(), None), answer

    def _after(self, parsed: dict[str, Any], http_response: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        if self._dry_run is not None and http_response.status_code < 300:
            self._dry_run.saw(model.name, context["asked"], parsed)


def code_of(error: sdk.ClientError) -> str:
    """Return AWS's code of a refusal."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def tolerated(*codes: str) -> Iterator[None]:
    """Leave the block without an error if AWS refuses with one of these codes."""
    try:
        yield
    except sdk.ClientError as refusal:
        if code_of(refusal) not in codes:
            raise


@contextmanager
def translated(code: str, error: errors.DeployError) -> Iterator[None]:
    """Raises the error in place of AWS's refusal with this code."""
    try:
        yield
    except sdk.ClientError as refusal:
        if code_of(refusal) != code:
            raise
        raise error from refusal


def was_repeated(error: Exception) -> bool:
    """Return whether the call may have had its effect in spite of this error: an answer was lost on the way."""
    if isinstance(error, sdk.ClientError):
        return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
    return isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError))


_MISSING_ACTION: Final = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_UNAVAILABLE: Final = (
    errors.AwsUnavailableError,
    "AWS kept refusing {action} ({code}): {message}",
    "wait a minute; the same command goes on",
)
_REFUSED: Final = (
    errors.AwsRefusedError,
    "AWS refused {action} ({code}): {message}",
    "correct what the message names; --verbose shows the calls",
)
# Error, message and remedy for AWS's codes.
_REFUSALS: Final[dict[str, tuple[type[errors.DeployError], str, str]]] = {
    "TooManyRequestsException ThrottlingException Throttling RequestLimitExceeded SlowDown": _UNAVAILABLE,
    "ExpiredTokenException ExpiredToken RequestExpired": (
        errors.CredentialsError,
        "the credentials have expired ({code}, {action})",
        "`aws sso login`, or renew the session; if they are new, check this machine's clock",
    ),
    "InvalidSignatureException SignatureDoesNotMatch RequestTimeTooSkewed": (
        errors.CredentialsError,
        "AWS does not accept the signature ({code}): {message}",
        "check this machine's clock (date -u) and the secret access key",
    ),
    "UnrecognizedClientException InvalidClientTokenId InvalidAccessKeyId AuthFailure": (
        errors.CredentialsError,
        "AWS does not know these credentials ({code})",
        "aws sts get-caller-identity shows whose they are; aws configure sets others",
    ),
    "PreconditionFailedException": (
        errors.ConflictError,
        "another caller changed the function meanwhile; that change is kept",
        "look at `ecr_push.py status`, then again",
    ),
    "ResourceNotFoundException": (
        errors.FunctionNotFoundError,
        "{message} ({action})",
        "check the name, --region and --profile",
    ),
    "RepositoryNotFoundException": (
        errors.RepositoryNotFoundError,
        "{message}",
        "check --repository and --region; `ecr_push.py push --create` makes it",
    ),
}


def explained(error: Exception) -> Exception:
    """Return this tool's error for one of the SDK's: the refusal or the obstacle, and what to do about it.

    Another error is returned as it is: a defect. But the SDK lets through those of files, commands and addresses.
    """
    match error:
        case errors.DeployError():
            return error
        case sdk.ClientError():
            return explained_refusal(error)
        case ResponseParserError():
            then = "check --endpoint-url and the proxy settings; then again"
            return errors.AwsUnavailableError(f"the answer is not AWS's: {error}", then=then)
        case sdk.NoRegionError():
            return errors.UsageError("no region is set", then="give --region, set AWS_REGION, or run `aws configure`")
        case sdk.ParamValidationError():
            return errors.UsageError(str(error), then="check the arguments of the command, and role_arn of the profile")
        case sdk.MissingDependencyException():
            then = f"{sys.executable} -m pip install 'botocore[crt]'"
            return errors.LibraryError(f"these credentials need a package: {error}", then=then)
        case sdk.ProfileNotFound():
            return errors.CredentialsError(str(error), then="list the profiles: aws configure list-profiles")
        case sdk.SSOError() | sdk.TokenRetrievalError():
            return errors.CredentialsError("the single sign-on session has expired", then="`aws sso login`, then again")
        case sdk.LoginError():
            return errors.CredentialsError(str(error), then="`aws login`, then again")
        case sdk.NoCredentialsError() | sdk.PartialCredentialsError() | sdk.CredentialRetrievalError():
            then = "`aws configure`, `aws sso login`, or --profile NAME"
            return errors.CredentialsError(f"no usable AWS credentials: {error}", then=then)
        case sdk.HTTPClientError() | sdk.ConnectionError():
            cause = errors.innermost(error)
            if isinstance(cause, ValueError) and "header" in str(cause):  # it would show a session token
                what = "the credentials have characters that cannot be sent, such as a line end"
                return errors.CredentialsError(what, then="copy them again, each on one line")
            if isinstance(cause, (FileNotFoundError, ssl.SSLError)):
                then = "name the file of your authority's certificates in AWS_CA_BUNDLE, or as ca_bundle in the profile"
            else:
                then = "check the network, the proxy settings, --region and --endpoint-url; then again"
            return errors.AwsUnavailableError(f"AWS cannot be reached: {error}", then=then)
        case sdk.WaiterError() | sdk.IncompleteReadError():
            return errors.AwsUnavailableError(str(error), then="wait a minute; the same command goes on")
        case sdk.BotoCoreError():
            then = "correct ~/.aws/config; see aws configure list"
            return errors.CredentialsError(f"the AWS configuration is wrong: {error}", then=then)
    rooms = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(error.__traceback__)]
    callers = [room for room in rooms if room.startswith(("deploy.", "boto"))]
    if not callers or callers[-1].startswith("deploy."):
        return error
    then = "correct ~/.aws/config and ~/.aws/credentials, or what they and the AWS_… variables name"
    return errors.CredentialsError(f"the AWS SDK fails with {type(error).__name__}: {error}", then=then)


def explained_refusal(error: sdk.ClientError) -> errors.DeployError:
    """Return this tool's error for a refusal."""
    code, action = code_of(error), action_of(error.operation_name)
    message = error.response.get("Error", {}).get("Message") or str(error)
    if code.startswith(("AccessDenied", "Forbidden", "Unauthorized")):
        return _forbidden(code, action, message)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    other = _UNAVAILABLE if status >= 500 else _REFUSED
    kind, what, then = next((found for codes, found in _REFUSALS.items() if code in codes.split()), other)
    return kind(what.format(action=action, code=code, message=message), then=then, code=code, action=action)


def _forbidden(code: str, action: str, message: str) -> errors.PermissionDeniedError:
    """AWS names the missing action, which need not be the call's: a role must be passed, too."""
    if "access the ECR image" in message:
        what = f"Lambda may not pull the image: {message}"
        then = (
            "`ecr_push.py push --create` makes repositories that let it; to another's policy Lambda adds the rights "
            "itself if these credentials may do ecr:GetRepositoryPolicy and ecr:SetRepositoryPolicy"
        )
    else:
        found = _MISSING_ACTION.search(message)
        action = found[1] if found else action
        what = f"these credentials may not do {action}: {message}"
        then = "ask for the right; `ecr_push.py policy` prints all that are needed"
    return errors.PermissionDeniedError(what, then=then, code=code, action=action)
