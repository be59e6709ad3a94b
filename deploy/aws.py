"""The AWS account as the commands see it: clients made when they are first needed, and everybody told of every call.

Errors of the SDK become errors of this tool by `explained`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
import botocore.exceptions as sdk
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.compat import HTTPHeaders
from botocore.config import Config

from deploy import errors
from deploy.dry_run import DryRun, Place
from deploy.policy import action_of

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient

Client = TypeVar("Client", bound=BaseClient)

# A call is tried four times and takes a minute at most, whatever the network does.
_CALLS: Final = Config(connect_timeout=5, read_timeout=12, retries={"mode": "standard", "total_max_attempts": 4})
# An invocation is not repeated. It may be silent for long, which routers take for an end unless it is kept alive.
_INVOCATIONS: Final = Config(connect_timeout=5, tcp_keepalive=True, retries={"total_max_attempts": 1})
_MAX_INVOCATION_SECONDS: Final = 910


@dataclass(frozen=True)
class Call:
    """One call of an API: `made` is False for what a dry run only says."""

    operation: str
    parameters: Mapping[str, Any]
    made: bool

    def __str__(self) -> str:
        arguments = " ".join(f"{name}={value}" for name, value in self._shown.items())
        return f"{action_of(self.operation)} {arguments}".rstrip()

    @property
    def document(self) -> dict[str, object]:
        """The call for programs."""
        return {"made": self.made, "action": action_of(self.operation), "parameters": self._shown}

    @property
    def _shown(self) -> dict[str, object]:
        return {name: _shown(name, value) for name, value in self.parameters.items()}


def _shown(name: str, value: object) -> object:
    """Environment variables may be secrets: their names are enough."""
    if name == "Environment" and isinstance(value, Mapping):
        return {"Variables": dict.fromkeys(value.get("Variables", {}), "…")}
    if isinstance(value, bytes):
        return value.decode(errors="replace")[:200]
    return value


SDK_ERRORS: Final = (sdk.BotoCoreError, sdk.ClientError)


class Account:
    """The clients. `listener` hears of every call before it is made, or of what a dry run would do.

    A dry run reads what is there and changes nothing: the calls that would change something are answered by a
    `DryRun`, so that the commands run as they are.
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
        self._dry_run = DryRun(self._place) if dry_run else None
        self._listener = listener

    @property
    def dry_run(self) -> bool:
        return self._dry_run is not None

    @cached_property
    def functions(self) -> LambdaClient:
        return self._watched(lambda: self._session.client("lambda", endpoint_url=self._url, config=_CALLS))

    @cached_property
    def invocations(self) -> LambdaClient:
        return self.invocations_within(_MAX_INVOCATION_SECONDS)

    def invocations_within(self, seconds: float) -> LambdaClient:
        """A client whose invocations are given up when they have not been answered by then."""
        config = _INVOCATIONS.merge(Config(read_timeout=seconds))
        return self._watched(lambda: self._session.client("lambda", endpoint_url=self._url, config=config))

    @cached_property
    def images(self) -> ECRClient:
        return self._watched(lambda: self._session.client("ecr", endpoint_url=self._url, config=_CALLS))

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self._watched(lambda: self._session.client("logs", endpoint_url=self._url, config=_CALLS))

    @cached_property
    def metrics(self) -> CloudWatchClient:
        return self._watched(lambda: self._session.client("cloudwatch", endpoint_url=self._url, config=_CALLS))

    def _place(self) -> Place:
        identities: Any = self._watched(lambda: self._session.client("sts", endpoint_url=self._url, config=_CALLS))
        _, partition, _, _, account, _ = identities.get_caller_identity()["Arn"].split(":", 5)
        return Place(partition, identities.meta.region_name, account)

    def _watched(self, make: Callable[[], Client]) -> Client:
        try:
            client = make()
        except ValueError as error:  # an address that is none
            raise errors.UsageError(str(error), then="check --endpoint-url, AWS_ENDPOINT_URL and --region") from error
        client.meta.events.register_last("before-parameter-build", self._asked)
        client.meta.events.register_first("before-call", self._before)
        client.meta.events.register_last("after-call", self._after)
        return client

    def _asked(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        context["asked"] = dict(params)
        made = self._dry_run is None or self._dry_run.reads(model.name)
        self._listener(Call(model.name, context["asked"], made))

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
    return str(error.response.get("Error", {}).get("Code", ""))


def was_repeated(error: Exception) -> bool:
    """Whether the call may have had its effect although it ended in this error: an answer was lost on the way."""
    if isinstance(error, sdk.ClientError):
        return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts"))
    return isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError))


_THROTTLED: Final = {
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "RequestLimitExceeded",
    "SlowDown",
}
_FORBIDDEN: Final = {
    "AccessDenied",
    "AccessDeniedException",
    "ForbiddenException",
    "UnauthorizedException",
    "UnauthorizedOperation",
}
_MISSING_ACTION: Final = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_EXPIRED: Final = {"ExpiredTokenException", "ExpiredToken", "RequestExpired"}
_UNKNOWN: Final = {"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId", "AuthFailure"}
_UNSIGNED: Final = {"InvalidSignatureException", "SignatureDoesNotMatch", "RequestTimeTooSkewed"}
_MISSING: Final = {"ResourceNotFoundException"}


def explained(error: sdk.BotoCoreError | sdk.ClientError) -> errors.DeployError:
    """The error as this tool says it: what AWS refused or could not be asked, and what to do about it."""
    if isinstance(error, sdk.ClientError):
        return _explained_answer(error)
    match error:
        case sdk.NoRegionError():
            return errors.UsageError(
                "no region is set", then="give --region, or set AWS_REGION, or run `aws configure`"
            )
        case sdk.ParamValidationError():
            return errors.UsageError(str(error), then="check the arguments of the command")
        case sdk.ProfileNotFound():
            return errors.CredentialsError(str(error), then="list the profiles there are: aws configure list-profiles")
        case sdk.ConfigParseError() | sdk.ConfigNotFound() | sdk.InvalidConfigError():
            return errors.CredentialsError(
                f"the AWS configuration makes no sense: {error}", then="mend ~/.aws/config; aws configure list shows it"
            )
        case sdk.UnauthorizedSSOTokenError() | sdk.SSOTokenLoadError() | sdk.TokenRetrievalError():
            return errors.CredentialsError(
                "the single sign-on session has expired",
                then="aws sso login, with --profile if you use one; then again",
            )
        case sdk.NoCredentialsError() | sdk.PartialCredentialsError() | sdk.CredentialRetrievalError():
            return errors.CredentialsError(
                f"no usable AWS credentials: {error}", then="aws configure, aws sso login, or --profile NAME"
            )
        case sdk.HTTPClientError() | sdk.ConnectionError():
            return errors.AwsUnavailableError(
                f"AWS cannot be reached: {error}", then="check the network, the proxy settings and --region; then again"
            )
    return errors.AwsRefusedError(str(error), then="check the arguments of the command")


def _forbidden(message: str, facts: dict[str, str]) -> errors.PermissionDeniedError:
    """AWS names the action that is missing, which need not be the one of the call: a role must be passed, too."""
    if "access the ECR image" in message:
        return errors.PermissionDeniedError(
            f"Lambda may not pull the image: {message}",
            then="push --create makes repositories that let it; to another's policy Lambda adds what it needs, for who "
            "may do ecr:GetRepositoryPolicy and ecr:SetRepositoryPolicy",
            **facts,
        )
    found = _MISSING_ACTION.search(message)
    facts["action"] = found[1] if found else facts["action"]
    return errors.PermissionDeniedError(
        f"these credentials may not do {facts['action']}: {message}",
        then="ask for it; `ecr_push.py policy` prints all that push, deploy, prune and observe need",
        **facts,
    )


def _explained_answer(error: sdk.ClientError) -> errors.DeployError:
    code, action = code_of(error), action_of(error.operation_name)
    message = error.response.get("Error", {}).get("Message") or str(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    facts = {"code": code, "action": action}
    if code in _FORBIDDEN:
        return _forbidden(message, facts)
    if code in _EXPIRED:
        return errors.CredentialsError(
            f"the credentials have expired ({code}, {action})",
            then="aws sso login, or renew the session; if they are new, check this machine's clock",
            **facts,
        )
    if code in _UNSIGNED:
        return errors.CredentialsError(
            f"AWS does not accept the signature ({code}): {message}",
            then="check this machine's clock (date -u) and the secret access key",
            **facts,
        )
    if code in _UNKNOWN:
        return errors.CredentialsError(
            f"AWS does not know these credentials ({code})",
            then="aws sts get-caller-identity shows whose they are; aws configure sets others",
            **facts,
        )
    if code in _THROTTLED or status >= 500:
        return errors.AwsUnavailableError(
            f"AWS kept refusing {action} ({code}): {message}", then="wait a minute; the same command goes on", **facts
        )
    if code == "PreconditionFailedException":
        return errors.ConflictError(
            "somebody else changed the function meanwhile; theirs is kept", then="look at `status`, then again", **facts
        )
    if code in _MISSING:
        return errors.FunctionNotFoundError(
            f"{message} ({action})", then="check the name, --region and --profile", **facts
        )
    if code == "RepositoryNotFoundException":
        return errors.RepositoryNotFoundError(message, then="check --repository and --region; push --create makes it")
    return errors.AwsRefusedError(
        f"AWS refused {action} ({code}): {message}", then="mend what it says; --verbose shows the calls", **facts
    )
