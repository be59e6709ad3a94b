"""What the simulation takes for granted: a dated table, and the same as numbers with names."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

TABLE: Final = Path(__file__).with_name("assumptions.toml")


@dataclass(frozen=True)
class Assumption:
    """`kind`: documented, reported, measured, ours or assumed."""

    group: str
    name: str
    value: float
    unit: str
    kind: str
    says: str
    source: str


@dataclass(frozen=True)
class Limits:
    """Every assumption by its name, in the unit that the table gives; any may be `inf`."""

    standard_start_rate: float
    express_start_rate: float
    standard_account_rate: float
    express_account_rate: float
    transition_rate: float
    children_at_once: float
    map_run_seconds: float
    express_child_seconds: float
    child_transitions: float
    item_transitions: float
    express_memory_mb: float
    environment_rate: float
    environment_burst: float
    invocations_for_each: float
    cold_start_seconds: float
    cold_start_billed: float
    memory_mb: float
    bytes_per_second: float
    timeout_seconds: float
    get_rate: float
    put_rate: float
    split_seconds: float
    partitions: float
    prepared_partitions: float
    request_seconds: float
    keys_per_listing: float
    parts_of_a_job: float
    videos_of_a_chunk: float
    connections: float
    gather_connections: float
    gets_for_an_index: float
    planning_seconds: float
    gathering_seconds: float
    gets_of_a_part: float
    puts_of_a_part: float
    part_overhead_seconds: float
    failure_rate: float
    retry_seconds: float
    throttled_seconds: float
    throttled_attempts: float
    most_wait_seconds: float

    @classmethod
    def documented(cls) -> Self:
        """As the table has them. Raises ValueError if the table and the fields differ."""
        values = {assumption.name: assumption.value for assumption in assumptions()}
        names = {field.name for field in fields(cls)}
        if different := names.symmetric_difference(values):
            raise ValueError(f"{TABLE.name} and Limits differ in {', '.join(sorted(different))}")
        return cls(**values)


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text())


def assumptions() -> list[Assumption]:
    groups = {group: rows for group, rows in _table().items() if isinstance(rows, dict)}
    return [Assumption(group, name, **row) for group, rows in groups.items() for name, row in rows.items()]


def read_on() -> date:
    """The day that the sources were looked up."""
    day: date = _table()["read"]
    return day
