"""Provisioned concurrency: an alias keeps its own when it moves, which takes minutes; a version's stays where it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from deploy.aws import code_of
from deploy.errors import FunctionNotReadyError, UpdateFailedError

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_LOOK_SECONDS: Final = 2


def read(functions: LambdaClient, function: str, qualifier: str) -> dict[str, Any] | None:
    try:
        return dict(functions.get_provisioned_concurrency_config(FunctionName=function, Qualifier=qualifier))
    except ClientError as error:
        if code_of(error) != "ProvisionedConcurrencyConfigNotFoundException":
            raise
        return None


def wait_ready(functions: LambdaClient, function: str, alias: str, seconds: int) -> int:
    """How many are provisioned on the alias, once they are; 0 if it has no provisioned concurrency."""
    deadline = time.monotonic() + seconds
    while True:
        found = read(functions, function, alias)
        if found is None:
            return 0
        match found["Status"]:
            case "READY":
                return int(found["RequestedProvisionedConcurrentExecutions"])
            case "FAILED":
                raise UpdateFailedError(
                    f"the provisioned concurrency of {alias} could not be moved: {found.get('StatusReason', '')}",
                    then="look at the account's concurrency limits and at the function's log",
                )
        if time.monotonic() > deadline:
            raise FunctionNotReadyError(
                f"the provisioned concurrency of {alias} is still not ready after {seconds} s",
                then="--wait SECONDS waits longer",
            )
        time.sleep(_LOOK_SECONDS)
