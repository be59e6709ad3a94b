"""An alias: the version that gets the traffic, and during a canary another that gets a share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from deploy.aws import code_of

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


@dataclass(frozen=True)
class AliasState:
    """`weights`: the shares, 0 to 1, of versions other than `version`. Two are equal if traffic goes the same ways."""

    version: str
    weights: Mapping[str, float] = field(default_factory=dict)
    revision: str = field(default="", compare=False)

    def __str__(self) -> str:
        shares = "".join(f", {weight:.0%} to version {version}" for version, weight in self.weights.items())
        return f"version {self.version}{shares}"


def state(answer: Mapping[str, Any]) -> AliasState:
    """From the answer to GetAlias, CreateAlias or UpdateAlias, or an item of ListAliases."""
    weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    return AliasState(answer["FunctionVersion"], dict(weights), answer.get("RevisionId", ""))


def read(functions: LambdaClient, function: str, name: str) -> AliasState | None:
    """None if there is no such alias."""
    try:
        return state(functions.get_alias(FunctionName=function, Name=name))
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return None


def write(functions: LambdaClient, function: str, name: str, wanted: AliasState, revision: str | None) -> AliasState:
    """Sends the traffic as wanted: `revision` is the alias's last known one, or None to create the alias."""
    routing: Any = {"AdditionalVersionWeights": dict(wanted.weights)}
    if revision is None:
        return state(functions.create_alias(FunctionName=function, Name=name, FunctionVersion=wanted.version))
    return state(
        functions.update_alias(
            FunctionName=function,
            Name=name,
            FunctionVersion=wanted.version,
            RoutingConfig=routing,
            RevisionId=revision,
        )
    )
