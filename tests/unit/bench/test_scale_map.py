"""The simulated Map Run against arithmetic: no limit, each limit alone, and what must hold whatever the limits are."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from bench.scale.assumptions import Limits
from bench.scale.binding import Binding
from bench.scale.costs import Costs, Parts
from bench.scale.job import Scenario, map_limits
from bench.scale.maprun import MapLimits, MapResult, MapRun

DOCUMENTED = Limits.documented()
NONE = replace(
    DOCUMENTED,
    **dict.fromkeys(("environment_rate", "environment_burst", "invocations_for_each", "get_rate", "put_rate"), inf),
    cold_start_seconds=0.0,
)


def equal(count: int, seconds: float = 10.0, gets: float = 0.0, puts: float = 0.0) -> Parts:
    return Parts(*(np.full(count, value) for value in (seconds, gets, puts, 1.0)))


def simulated(
    parts: Parts,
    limits: Limits = NONE,
    *,
    at_once: float = inf,
    start_rate: float = inf,
    concurrency: float = inf,
    failures: list[int] | None = None,
) -> MapResult:
    of_a_map = MapLimits(at_once, start_rate, 1, concurrency, limits)
    return MapRun(parts, failures or [0] * len(parts), of_a_map, np.random.default_rng(1)).run()


def drawn(count: int) -> Parts:
    return Costs.read().draw(count, 30, DOCUMENTED, np.random.default_rng(2))


def test_without_limits_all_parts_run_at_once() -> None:
    assert simulated(equal(1000)).seconds == pytest.approx(10)


@pytest.mark.parametrize("at_once", [1, 7, 100, 1000])
def test_the_wall_time_is_the_work_divided_by_the_concurrency(at_once: int) -> None:
    found = simulated(equal(1000), at_once=at_once)
    assert found.seconds == pytest.approx(-(-1000 // at_once) * 10)
    assert found.busy_seconds == pytest.approx(10_000)
    assert found.most_busy == at_once


def test_uneven_parts_keep_every_place_busy_to_the_end() -> None:
    parts = drawn(5000)
    found = simulated(parts, at_once=50)
    assert found.busy_seconds == pytest.approx(parts.seconds.sum())
    assert 0 <= found.seconds - parts.seconds.sum() / 50 <= parts.seconds.max()


def test_cold_starts_come_on_top_once_for_each_environment() -> None:
    found = simulated(equal(1000), replace(NONE, cold_start_seconds=2.0), at_once=100)
    assert found.cold_starts == 100
    assert found.busy_seconds == pytest.approx(10_000 + found.cold_seconds)
    assert 100 < found.seconds < 100 + found.cold_seconds


def test_the_rate_of_starts_alone() -> None:
    found = simulated(equal(1000), start_rate=5)
    assert found.seconds == pytest.approx(999 / 5 + 10)
    assert found.waits[Binding.STARTS] == pytest.approx(999 / 5)
    assert found.most_busy == pytest.approx(5 * 10, abs=1)


def impatient(**limits: float) -> Limits:
    """Asking again at once, or nearly so, when Lambda refuses."""
    return replace(NONE, throttled_seconds=0.2, most_wait_seconds=0.2, throttled_attempts=inf, **limits)


def test_the_rate_of_new_environments_alone() -> None:
    found = simulated(equal(200, seconds=1000), impatient(environment_rate=10, environment_burst=100))
    assert found.seconds == pytest.approx(100 / 10 + 1000, abs=0.2)
    assert found.throttled > 0
    assert found.waits[Binding.ENVIRONMENTS] > 0
    assert found.cold_starts == 200


def test_the_accounts_concurrency_alone() -> None:
    found = simulated(equal(30), impatient(), concurrency=10)
    assert found.seconds == pytest.approx(30, abs=0.5)
    assert found.most_busy == 10
    assert found.waits[Binding.CONCURRENCY] > 0


def test_the_rate_of_invocations_alone() -> None:
    found = simulated(equal(400, seconds=0.1), impatient(invocations_for_each=0.5), at_once=20, concurrency=100)
    assert found.seconds == pytest.approx((400 - 50) / 50, rel=0.1)
    assert found.waits[Binding.INVOCATIONS] > found.seconds / 2


@pytest.mark.parametrize(("kind", "binding"), [("get", Binding.GETS), ("put", Binding.PUTS)])
def test_a_rate_of_s3_alone(kind: str, binding: Binding) -> None:
    parts = equal(100, **{f"{kind}s": 50})
    found = simulated(parts, replace(NONE, split_seconds=inf, **{f"{kind}_rate": 100}))
    assert found.seconds == pytest.approx(100 * 50 / 100)
    assert found.waits[binding] == pytest.approx(50 - 10)
    assert found.lowest_speed == pytest.approx(0.2)


def test_s3_splits_what_is_too_hot_for_long_enough() -> None:
    parts = equal(100, gets=50)
    found = simulated(parts, replace(NONE, split_seconds=15, get_rate=100))
    assert found.seconds == pytest.approx(15 + 15 + (5000 - 15 * 100 - 15 * 200) / 400)


def test_more_partitions_are_so_much_faster() -> None:
    parts = equal(100, gets=50)
    found = simulated(parts, replace(NONE, split_seconds=inf, get_rate=100, partitions=2))
    assert found.seconds == pytest.approx(25)


def test_a_failed_attempt_loses_half_a_part() -> None:
    found = simulated(equal(10), replace(NONE, retry_seconds=0), at_once=1, failures=[1] + [0] * 9)
    assert found.attempts == 11
    assert found.seconds == pytest.approx(105)


def test_a_child_that_is_refused_too_often_gives_up() -> None:
    found = simulated(equal(3, seconds=1e6), replace(NONE, environment_rate=1e-9, environment_burst=1))
    assert (found.done, found.given_up) == (1, 2)


@pytest.mark.parametrize("children", ["standard", "express"])
@pytest.mark.parametrize("concurrency", [300, 5000])
def test_nothing_is_lost(children: str, concurrency: int) -> None:
    count = 6000
    parts, rng = drawn(count), np.random.default_rng(3)
    failures = (rng.geometric(0.9, count) - 1).tolist()
    scenario = Scenario(count, concurrency, 30, "standard" if children == "standard" else "express")
    found = MapRun(parts, failures, map_limits(scenario, 1, DOCUMENTED), rng).run()
    again = np.array(failures) * 0.5 + 1
    assert found.done + found.given_up == count
    assert found.given_up == 0
    assert found.attempts == count + sum(failures)
    assert found.gets == pytest.approx((parts.gets * again).sum())
    assert found.puts == pytest.approx((parts.puts * again).sum())
    assert sum(found.waits.values()) == pytest.approx(found.seconds)
    assert found.most_busy <= concurrency
    assert found.child_seconds >= found.busy_seconds - found.cold_seconds


@pytest.mark.parametrize(
    "name", ["environment_rate", "get_rate", "put_rate", "standard_start_rate", "transition_rate", "children_at_once"]
)
def test_a_higher_limit_is_faster(name: str) -> None:
    parts = equal(4000, 30, gets=60, puts=40)
    walls = []
    for value in (50, 100, 200):
        limits = replace(impatient(), **{"standard_start_rate": 1e6, "standard_account_rate": 1e6, name: value})
        limits = replace(limits, split_seconds=inf, transition_rate=value if name == "transition_rate" else 1e9)
        limits = replace(limits, environment_burst=1 if name == "environment_rate" else inf)
        of_a_map = map_limits(Scenario(4000, 3000, 30), 1, limits)
        walls.append(MapRun(parts, [0] * len(parts), of_a_map, np.random.default_rng(4)).run().seconds)
    assert walls[0] > walls[1] > walls[2]


def test_children_started_faster_than_environments_come_wait_longer_than_they_must() -> None:
    """As those that Lambda refuses wait up to a minute: why Express children gain less than their rate promises."""
    limits = replace(NONE, environment_rate=100, environment_burst=1)
    even, rushed = (simulated(equal(3000, 60), limits, start_rate=rate) for rate in (100, 1000))
    assert even.throttled < rushed.throttled
    assert even.seconds < rushed.seconds


def test_more_concurrency_never_takes_longer() -> None:
    walls = [simulated(equal(4000), DOCUMENTED, at_once=n, concurrency=n).seconds for n in (100, 200, 400, 800, 1600)]
    assert walls == sorted(walls, reverse=True)
