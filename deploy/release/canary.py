"""Errors of a version that gets a share of an alias's traffic, and alarms that are watched meanwhile."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from deploy.aws import Account
from deploy.errors import AwsUnavailableError, CanaryFailedError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

_PERIOD_SECONDS: Final = 60  # Lambda's metrics are of minutes


@dataclass(frozen=True)
class Canary:
    """Shares of the traffic, 0 to 1, one after the other, each watched for `seconds` and the lag of the metrics.

    More than `max_errors` errors end it, fewer than `min_invocations` invocations, or an alarm of these names.
    """

    shares: Sequence[float]
    seconds: int
    max_errors: int = 0
    min_invocations: int = 1
    lag_seconds: int = 120
    alarms: Sequence[str] = ()

    def require_quiet(self, account: Account) -> None:
        """Raises CanaryFailedError if an alarm is in state ALARM, UsageError if there is none of a name."""
        if not self.alarms:
            return
        kinds: Any = {"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
        answer = account.metrics.describe_alarms(AlarmNames=list(self.alarms), **kinds)
        found = {
            item["AlarmName"]: item for item in (*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", []))
        }
        if missing := [name for name in self.alarms if name not in found]:
            raise UsageError(
                f"there is no alarm {', '.join(missing)}", then="look at CloudWatch's alarms, and --region"
            )
        for name, alarm in found.items():
            if alarm["StateValue"] == "ALARM":
                raise CanaryFailedError(
                    f"the alarm {name} has gone off: {alarm.get('StateReason', '')}",
                    then="see its metric in CloudWatch; deploy again once it is OK",
                    alarm=name,
                )


@dataclass(frozen=True)
class Traffic:
    """Traffic of a version since the canary began, as far as the metrics know it."""

    invocations: int
    errors: int


def traffic(account: Account, function: str, alias: str, version: str, since: datetime) -> Traffic:
    """Read the metrics of a version behind an alias since a time. Raises AwsUnavailableError if they are not whole."""
    pages = account.metrics.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[_sum(function, alias, version, metric) for metric in ("Invocations", "Errors")],
        StartTime=since - timedelta(seconds=_PERIOD_SECONDS),
        EndTime=datetime.now(UTC) + timedelta(seconds=_PERIOD_SECONDS),
    )
    sums: Counter[str] = Counter()
    states: dict[str, str] = {}  # PartialData on a page means that another follows
    for item in itertools.chain.from_iterable(page["MetricDataResults"] for page in pages):
        sums[item["Id"]] += int(sum(item["Values"]))
        states[item["Id"]] = item.get("StatusCode", "Complete")
    if wrong := {*states.values()} - {"Complete"}:
        raise AwsUnavailableError(
            f"CloudWatch has only a part of the metrics ({', '.join(sorted(wrong))})", then="deploy again in a minute"
        )
    return Traffic(sums["invocations"], sums["errors"])


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
