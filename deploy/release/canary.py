"""Errors of a version that gets a share of an alias's traffic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from deploy.aws import Account

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

_PERIOD_SECONDS: Final = 60  # Lambda's metrics are of minutes


@dataclass(frozen=True)
class Canary:
    """`weight` of the traffic, 0 to 1, for `seconds`; more than `max_errors` errors end it."""

    weight: float
    seconds: int
    max_errors: int = 0

    @property
    def look_seconds(self) -> float:
        """Pause between two looks at the errors."""
        return min(15.0, self.seconds / 4)


@dataclass(frozen=True)
class Traffic:
    """Traffic of a version since the canary began, as far as the metrics know it."""

    invocations: int
    errors: int


def traffic(account: Account, function: str, alias: str, version: str, since: datetime) -> Traffic:
    """Read the metrics of a version behind an alias since a time."""
    queries = [_sum(function, alias, version, metric) for metric in ("Invocations", "Errors")]
    end = datetime.now(UTC) + timedelta(seconds=_PERIOD_SECONDS)
    answer = account.metrics.get_metric_data(
        MetricDataQueries=queries, StartTime=since - timedelta(seconds=_PERIOD_SECONDS), EndTime=end
    )
    sums = {item["Id"]: int(sum(item["Values"])) for item in answer["MetricDataResults"]}
    return Traffic(sums.get("invocations", 0), sums.get("errors", 0))


def _sum(function: str, alias: str, version: str, metric: str) -> MetricDataQueryTypeDef:
    dimensions = {"FunctionName": function, "Resource": f"{function}:{alias}", "ExecutedVersion": version}
    return {
        "Id": metric.lower(),
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Lambda",
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            },
            "Period": _PERIOD_SECONDS,
            "Stat": "Sum",
        },
    }
