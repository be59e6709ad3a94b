"""A job from its list to its manifest: how long each step takes, what waits for what, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Final, Literal

import numpy as np

from bench.scale.assumptions import Limits
from bench.scale.binding import Binding
from bench.scale.costs import Costs, Parts
from bench.scale.maprun import MapLimits, MapResult, MapRun
from deploy.prices import JobCost, Usage, usage_cost

Children = Literal["standard", "express"]
SEED: Final = 20261124
_MB: Final = 1024
_WELL: Final = 0.75  # of the time being ideal, a job is limited by nothing but what it asked for
_STATES: Final = 6  # that the parent goes through


@dataclass(frozen=True)
class Scenario:
    """`concurrency` is the account's and the job's alike; `images`: every frame is an object of its own.

    `prepared`: videos and results are spread over more of S3's partitions than new prefixes are.
    """

    parts: int
    concurrency: float
    part_seconds: float
    children: Children = "standard"
    images: bool = False
    prepared: bool = False


@dataclass(frozen=True)
class Outcome:
    """Seconds of the clock; `waits` add up to `seconds`. `work_seconds`: of all parts, one after another, each once."""

    scenario: Scenario
    jobs: int
    videos: int
    seconds: float
    work_seconds: float
    frames: float
    waits: dict[Binding, float]
    steps: dict[str, float]
    """Of the steps that one invocation does: list, survey (the longest), cut, gather."""
    map: MapResult
    cost: JobCost
    limits: Limits

    @property
    def ideal_seconds(self) -> float:
        """If all that is asked for worked from the first moment to the last."""
        return self.work_seconds / self.scenario.concurrency

    @property
    def broken(self) -> tuple[str, ...]:
        """Why it would not end well: hard limits that nothing waits for."""
        rates = self.limits
        long = [
            f"{name} takes {seconds:.0f} s" for name, seconds in self.steps.items() if seconds > rates.timeout_seconds
        ]
        if self.scenario.children == "express" and self.map.longest_child_seconds > rates.express_child_seconds:
            long.append(f"a child takes {self.map.longest_child_seconds:.0f} s")
        if self.map.given_up:
            long.append(f"{self.map.given_up} children give up")
        return tuple(long)

    @property
    def binding(self) -> Binding:
        """What it waits for longest beside the concurrency; that itself if most of the time is the ideal one."""
        if self.ideal_seconds >= _WELL * self.seconds:
            return Binding.CONCURRENCY
        others = {name: seconds for name, seconds in self.waits.items() if name is not Binding.CONCURRENCY}
        return max(others, key=lambda name: others[name])


def run(scenario: Scenario, costs: Costs, limits: Limits) -> Outcome:
    """The same scenario has the same outcome. Scenarios that differ in neither parts nor length have the same parts."""
    if scenario.prepared:
        limits = replace(limits, partitions=limits.prepared_partitions)
    rng = np.random.default_rng([SEED, scenario.parts, int(scenario.part_seconds * 1000)])
    parts = costs.draw(scenario.parts, scenario.part_seconds, limits, rng)
    if scenario.images:
        parts = _images(parts, limits)
    jobs = ceil(scenario.parts / limits.parts_of_a_job)
    videos = max(1, round(scenario.parts * scenario.part_seconds / costs.seconds_of_a_video))
    failures = (rng.geometric(1 - limits.failure_rate, len(parts)) - 1).tolist()

    steps = _steps(videos / jobs, scenario.parts / jobs, limits)
    surveys = _surveys(videos, limits)
    survey = MapRun(surveys, [0] * len(surveys), map_limits(scenario, jobs, limits), rng).run()
    decode = MapRun(parts, failures, map_limits(scenario, jobs, limits), rng).run()

    waits = dict(decode.waits)
    waits[Binding.PLAN] += steps["list"] + survey.seconds + steps["cut"]
    waits[Binding.MAP_RUN] += 2 * limits.map_run_seconds
    waits[Binding.GATHER] += steps["gather"]
    steps["survey"] = survey.longest_child_seconds
    return Outcome(
        scenario=scenario,
        jobs=jobs,
        videos=videos,
        seconds=sum(waits.values()),
        work_seconds=float(parts.seconds.sum()),
        frames=float(parts.frames.sum()),
        waits=waits,
        steps=steps,
        map=decode,
        cost=_cost(scenario, jobs, steps, (survey, decode), limits),
        limits=limits,
    )


def map_limits(scenario: Scenario, jobs: int, limits: Limits) -> MapLimits:
    """Of the Map Runs of all jobs together. What one may start at once is what it may start in a second."""
    at_once = min(scenario.concurrency, limits.children_at_once * jobs)
    if scenario.children == "express":
        rate = min(limits.express_start_rate * jobs, limits.express_account_rate)
    else:
        transitions = limits.item_transitions + limits.child_transitions
        account = min(limits.standard_account_rate, limits.transition_rate / transitions)
        rate = min(limits.standard_start_rate * jobs, account)
    return MapLimits(at_once, rate, rate, scenario.concurrency, limits)


def _images(parts: Parts, limits: Limits) -> Parts:
    """Each frame in an object: written by all connections, which takes longer than one object of all."""
    more = np.maximum(parts.frames - parts.puts, 0)
    seconds = parts.seconds + more * limits.request_seconds / limits.connections
    return Parts(seconds, parts.gets, parts.puts + more, parts.frames)


def _steps(videos: float, parts: float, limits: Limits) -> dict[str, float]:
    """Of one job, each in one invocation."""
    request, chunks = limits.request_seconds, ceil(videos / limits.videos_of_a_chunk)
    return {
        "list": request * (ceil(videos / limits.keys_per_listing) + chunks + 4),
        "cut": request * (2 * chunks + 5) + videos * limits.planning_seconds,
        "gather": parts * (request / limits.gather_connections + limits.gathering_seconds) + request * (chunks + 8),
    }


def _surveys(videos: int, limits: Limits) -> Parts:
    """A part for each chunk of videos."""
    chunks = ceil(videos / limits.videos_of_a_chunk)
    each = np.full(chunks, videos / chunks)
    gets = each * limits.gets_for_an_index
    seconds = gets * limits.request_seconds / limits.connections + each * limits.planning_seconds
    return Parts(seconds + 4 * limits.request_seconds, gets + 3, np.ones(chunks), np.zeros(chunks))


def _cost(
    scenario: Scenario, jobs: int, steps: dict[str, float], maps: tuple[MapResult, MapResult], limits: Limits
) -> JobCost:
    alone = jobs * sum(steps[name] for name in ("list", "cut", "gather"))
    unbilled = (1 - limits.cold_start_billed) * sum(result.cold_seconds for result in maps)
    busy = alone + sum(result.busy_seconds for result in maps) - unbilled
    children = sum(result.done + result.given_up for result in maps)
    again = sum(result.attempts + result.throttled for result in maps) - children
    standard = scenario.children == "standard"
    express_seconds = 0.0 if standard else sum(result.child_seconds for result in maps)
    in_child = limits.child_transitions * children + again if standard else 0
    used = Usage(
        invocations=3 * jobs + sum(result.attempts for result in maps),
        gb_seconds=busy * limits.memory_mb / _MB,
        gets=round(sum(result.gets for result in maps)) + scenario.parts,  # gathering reads each part's result
        puts=round(sum(result.puts for result in maps)),
        transitions=round(limits.item_transitions * children + in_child + _STATES * jobs),
        express_requests=0 if standard else children,
        express_gb_seconds=express_seconds * limits.express_memory_mb / _MB,
    )
    return usage_cost(used)
