"""Two deploys of different images at once, call by call in an order that dice decide."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.errors import ConflictError
from tests.deploy.each import each
from tests.deploy.scenario import Scenario, State, scenario
from tests.deploy.tool import Ended, Tool
from tests.support.aws.exchange import Exchange
from tests.support.aws.messages import Reply
from tests.support.aws.rules import Action

_LOOK_SECONDS = 0.005
_SLEEPING_SECONDS = 0.15  # who makes no call for so long pauses on purpose


@dataclass(eq=False)
class Turnstile(Action):
    """Every call waits here until it is let go."""

    waiting: list[Exchange] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def act(self, exchange: Exchange) -> Reply:
        with self._changed:
            self.waiting.append(exchange)
            self._changed.wait_for(lambda: exchange not in self.waiting)
        return exchange.proceed()

    def let_go(self, exchange: Exchange) -> None:
        with self._changed:
            self.waiting.remove(exchange)
            self._changed.notify_all()


def play(turnstile: Turnstile, processes: list[subprocess.Popen[str]], dice: random.Random, *, level: bool) -> None:
    """Lets one call go at a time until both processes have ended; if `level`, first both come to their first change."""
    share = dice.choice((0.1, 0.3, 0.5, 0.5, 0.7, 0.9))
    idle = time.monotonic()
    while alive := sum(process.poll() is None for process in processes):
        waiting = [*turnstile.waiting]
        if level and alive == 2:
            reads = [exchange for exchange in waiting if exchange.call.reads]
            level = len(waiting) - len(reads) < 2
            for exchange in reads:
                turnstile.let_go(exchange)
        elif waiting and (len(waiting) >= alive or time.monotonic() - idle > _SLEEPING_SECONDS):
            turnstile.let_go(waiting[0 if dice.random() < share else -1])
            idle = time.monotonic()
        time.sleep(_LOOK_SECONDS)


@contextmanager
def rivals(home: Path) -> Iterator[tuple[Scenario, Scenario]]:
    """Two who deploy to one function, each an image and an amount of memory of its own."""
    with scenario(home / "one", "--memory", "2048") as one:
        (home / "two").mkdir()
        image = one.aws.put_image()
        yield one, Scenario(one.aws, Tool(one.tool.environment, home / "two"), image, ("--memory", "3072"), one.before)


def race(one: Scenario, two: Scenario, seed: int, *, level: bool) -> list[tuple[Scenario, Ended]]:
    turnstile = Turnstile()
    with one.aws.rule(turnstile, "(?!Describe|Batch).*"):
        processes = [one.start(), two.start()]
        try:
            play(turnstile, processes, random.Random(seed), level=level)  # noqa: S311 - dice
        finally:
            for process in processes:
                process.kill()
        return [(rival, rival.wait(process)) for rival, process in zip((one, two), processes, strict=True)]


def require_wholly(winner: Scenario, ended: Ended) -> None:
    winner.require_deployed(ended)
    assert winner.now.settings["MemorySize"] == int(winner.arguments[1])
    assert winner.version(winner.now.alias or "")["Configuration"]["MemorySize"] == int(winner.arguments[1])


@pytest.mark.parametrize("seeds", [range(10), pytest.param(range(10, 50), marks=pytest.mark.long)])
def test_of_two_deploys_that_read_the_same_state_one_wins_and_the_other_says_conflict(
    tmp_path: Path, seeds: range
) -> None:
    def test(name: str, seed: int) -> None:
        with rivals(tmp_path / name) as (one, two):
            ends = race(one, two, seed, level=True)
            assert sorted(ended.code for _, ended in ends) == [0, ConflictError.exit_code], [str(e) for _, e in ends]
            for rival, ended in ends:
                if ended.code == 0:
                    require_wholly(rival, ended)
                else:
                    rival.require_failed(ended, ConflictError, kept=False)

    each({f"race {seed}": seed for seed in seeds}, test)


def test_of_two_deploys_that_begin_whenever_the_alias_is_never_at_a_mixture(tmp_path: Path) -> None:
    """One may read what the other has half done. Who says that it is done, has its own, and the next deploy works."""

    def test(name: str, seed: int) -> None:
        with rivals(tmp_path / name) as (one, two):
            ends = race(one, two, seed, level=False)
            done = [(rival, ended) for rival, ended in ends if ended.code == 0]
            for rival, ended in ends:
                if ended.code:
                    rival.require_failed(ended, ConflictError, kept=False)
            now = State.of(one.aws)
            assert not now.weights
            if not done:
                assert now.alias == one.before.alias
            else:
                live = one.version(now.alias or "")
                pairs = {(rival.aws.image_uri(rival.image), int(rival.arguments[1])) for rival, _ in done}
                assert (live["Code"]["ResolvedImageUri"], live["Configuration"]["MemorySize"]) in pairs
            two.require_convergence()

    each({f"race {seed}": seed for seed in range(100, 112)}, test)
