"""The scenarios that the page and the picture are about."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.scale.assumptions import Limits
from bench.scale.costs import Costs
from bench.scale.job import Children, Outcome, Scenario, run

Sizes = tuple[int, int, int]
PARTS: Final[Sizes] = (10_000, 100_000, 1_000_000)
BETWEEN: Final = (30_000, 300_000)  # for the curves
USUAL: Final = 1_000
MOST: Final = 10_000
PART_SECONDS: Final = (10, 30, 60)
USUAL_SECONDS: Final = 30


@dataclass(frozen=True)
class Setting:
    """A way to run a job of any size."""

    name: str
    concurrency: int
    children: Children
    prepared: bool = False

    def of(self, parts: int, part_seconds: float = USUAL_SECONDS, *, images: bool = False) -> Scenario:
        return Scenario(parts, self.concurrency, part_seconds, self.children, images, self.prepared)


AT_FIRST: Final = Setting("1,000", USUAL, "standard")
RAISED: Final = Setting("10,000", MOST, "standard")
EXPRESS: Final = Setting("10,000, Express", MOST, "express")
PREPARED: Final = Setting("10,000, Express, S3 ready", MOST, "express", prepared=True)
SETTINGS: Final = (AT_FIRST, RAISED, EXPRESS, PREPARED)

AT_FIRST_PREPARED: Final = Setting("1,000, S3 ready", USUAL, "standard", prepared=True)
AT_FIRST_EXPRESS: Final = Setting("1,000, Express", USUAL, "express")
IMAGES: Final = (AT_FIRST, AT_FIRST_PREPARED, RAISED, PREPARED)

Outcomes = dict[Scenario, Outcome]


def table(setting: Setting, sizes: Iterable[int]) -> list[Scenario]:
    return [setting.of(parts, seconds) for parts in sizes for seconds in PART_SECONDS]


def everything(sizes: Sizes = PARTS, between: Iterable[int] = BETWEEN) -> list[Scenario]:
    """What the page and the picture show."""
    tables = [scenario for setting in SETTINGS for scenario in table(setting, sizes)]
    curves = [setting.of(parts) for setting in SETTINGS for parts in between]
    images = [setting.of(sizes[0], images=True) for setting in IMAGES]
    return [*tables, *curves, *images, *table(AT_FIRST_EXPRESS, sizes[:1])]


def outcomes(scenarios: Iterable[Scenario], costs: Costs, limits: Limits) -> Outcomes:
    """Of all of them, on all processors; the longest first."""
    ordered = sorted(scenarios, key=lambda scenario: -scenario.parts)
    with ProcessPoolExecutor() as pool:
        return dict(zip(ordered, pool.map(partial(run, costs=costs, limits=limits), ordered), strict=True))
