"""CloudWatch's metrics of Lambda. There is no lag: what is counted is seen at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.shared_state import SharedState

_Key: TypeAlias = tuple[str, frozenset[tuple[str, str]]]
_STATISTICS: Final[dict[str, Callable[[list[float]], float]]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
}


class Metrics:
    def __init__(self, shared_state: SharedState) -> None:
        self._world = shared_state
        self._alarms: dict[str, dict[str, str]] = {}
        self._points: defaultdict[_Key, list[tuple[float, float]]] = defaultdict(list)

    def count(self, metric: str, value: float, dimensions: Mapping[str, str]) -> None:
        """A data point of now, for a query with exactly these dimensions."""
        self._points[metric, frozenset(dimensions.items())].append((self._world.now(), value))

    def get_metric_data(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        results = []
        for query in asked["MetricDataQueries"]:
            if "MetricStat" not in query:
                raise AwsError("ValidationError", "Expressions are not known in this account.", 400)
            stat = query["MetricStat"]
            values = self._values(asked, stat["Metric"], stat["Period"], stat["Stat"])
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label", stat["Metric"]["MetricName"]),
                    "Timestamps": [datetime.fromtimestamp(start, UTC) for start in values],
                    "Values": list(values.values()),
                    "StatusCode": "Complete",
                }
            )
        return {"MetricDataResults": results, "Messages": []}

    def put_metric_alarm(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        self._alarms[asked["AlarmName"]] = {"StateValue": "INSUFFICIENT_DATA", "StateReason": "new"}
        return {}

    def set_alarm_state(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        state = {name: asked[name] for name in ("StateValue", "StateReason")}
        self._alarms[asked["AlarmName"]] = state
        return {}

    def describe_alarms(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """Names that are not there are left out."""
        names = asked.get("AlarmNames", [*self._alarms])
        found = [{"AlarmName": name, **self._alarms[name]} for name in names if name in self._alarms]
        return {"MetricAlarms": found, "CompositeAlarms": []}

    def get_metric_statistics(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        by_statistic = {name: self._values(asked, asked, asked["Period"], name) for name in asked["Statistics"]}
        starts = sorted({start for values in by_statistic.values() for start in values})
        points = [
            {"Timestamp": datetime.fromtimestamp(start, UTC), "Unit": "Count"}
            | {name: values[start] for name, values in by_statistic.items()}
            for start in starts
        ]
        return {"Label": asked["MetricName"], "Datapoints": points}

    def _values(
        self, asked: Mapping[str, Any], metric: Mapping[str, Any], period: int, statistic: str
    ) -> dict[float, float]:
        """By the start of the period, newest first."""
        start, end = asked["StartTime"].timestamp(), asked["EndTime"].timestamp()
        if start >= end:
            raise AwsError("ValidationError", "The parameter StartTime must be less than the parameter EndTime.", 400)
        if metric["Namespace"] != "AWS/Lambda" or statistic not in _STATISTICS:
            return {}
        dimensions = frozenset((item["Name"], item["Value"]) for item in metric.get("Dimensions", []))
        periods: defaultdict[float, list[float]] = defaultdict(list)
        for moment, value in self._points[metric["MetricName"], dimensions]:
            begin = moment - moment % period
            if start - start % period <= begin < end:
                periods[begin].append(value)
        return {begin: float(_STATISTICS[statistic](periods[begin])) for begin in sorted(periods, reverse=True)}
