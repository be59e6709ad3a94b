"""The Map Run: children started, functions invoked, S3 shared, from one event to the next.

Exact, not stepped: between two events nothing changes but the work left, and S3 slows all that run alike, so their work
is counted in a time of its own (`_worked`) that passes at `_speed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf
from typing import Final

import numpy as np

from bench.scale.assumptions import Limits
from bench.scale.binding import Binding
from bench.scale.bucket import Bucket
from bench.scale.costs import Parts

_SIGMA: Final = 0.5  # of the logarithm of cold starts
_LOST: Final = 0.5  # the share of a part that a failed attempt does for nothing
_DRAWN: Final = 1 << 16


@dataclass(frozen=True)
class MapLimits:
    """Those of one run of a map: `at_once` children, started at `start_rate` a second after `start_burst`."""

    at_once: float
    start_rate: float
    start_burst: float
    concurrency: float
    limits: Limits


@dataclass
class MapResult:
    """Seconds are of the clock unless said otherwise; `waits` add up to `seconds`."""

    seconds: float = 0.0
    waits: dict[Binding, float] = field(default_factory=lambda: dict.fromkeys(Binding, 0.0))
    done: int = 0
    given_up: int = 0
    """Parts whose child has failed, as Lambda said 429 too often."""
    attempts: int = 0
    throttled: int = 0
    """Invocations that Lambda has refused."""
    cold_starts: int = 0
    cold_seconds: float = 0.0
    busy_seconds: float = 0.0
    """Of all functions together, fetching the image included."""
    child_seconds: float = 0.0
    """Of all children together."""
    longest_child_seconds: float = 0.0
    gets: float = 0.0
    puts: float = 0.0
    most_busy: int = 0
    lowest_speed: float = 1.0


class MapRun:
    """One simulation. `failures[i]`: how many attempts of part i fail before one succeeds."""

    def __init__(self, parts: Parts, failures: Sequence[int], limits: MapLimits, rng: np.random.Generator) -> None:
        self._count = len(parts)
        self._seconds = parts.seconds.tolist()
        self._get_rate = (parts.gets / parts.seconds).tolist()
        self._put_rate = (parts.puts / parts.seconds).tolist()
        self._failures = list(failures)
        self._limits = limits
        self._rng = rng
        self._random: list[float] = []
        self._next = self._open = self._busy = self._idle = 0
        self._now = self._worked = 0.0
        self._speed, self._slowed_by = 1.0, Binding.GETS
        self._gets = self._puts = 0.0  # a second, wanted by all that run
        rates = limits.limits
        self._get_limit = rates.get_rate * rates.partitions
        self._put_limit = rates.put_rate * rates.partitions
        self._hot_for = {Binding.GETS: 0.0, Binding.PUTS: 0.0}
        self._starts = Bucket(limits.start_rate, limits.start_burst)
        self._environments = Bucket(rates.environment_rate, rates.environment_burst)
        per_second = rates.invocations_for_each * limits.concurrency
        self._invocations = Bucket(per_second, per_second)
        self._running: list[tuple[float, int]] = []  # by the work done when they end
        self._starting: list[tuple[float, int]] = []  # in new environments, by the time they are there
        self._waiting: list[
            tuple[float, int, bool]
        ] = []  # to be invoked again, by the time, and whether Lambda refused
        self._refused_now = 0
        self._refused = [0] * self._count
        self._began = [0.0] * self._count
        self._why_refused = Binding.ENVIRONMENTS
        self.result = MapResult()

    def run(self) -> MapResult:
        """Until every part is done, or its child has given up."""
        result, running, starting, waiting = self.result, self._running, self._starting, self._waiting
        while self._next < self._count or self._open:
            ends = self._now + (running[0][0] - self._worked) / self._speed if running else inf
            there = starting[0][0] if starting else inf
            again = waiting[0][0] if waiting else inf
            may_start = self._next < self._count and self._open < self._limits.at_once
            starts = max(self._now, self._starts.free_at()) if may_start else inf
            splits = self._splits_at() if self._speed < 1 else inf
            then = min(ends, there, again, starts, splits)
            if then > self._now:
                self._pass(then - self._now)
                self._now = then
            if then == ends:
                self._end()
            elif then == there:
                self._work(heappop(starting)[1])
            elif then == again:
                _, part, refused = heappop(waiting)
                self._refused_now -= refused
                self._invoke(part)
            elif then == starts:
                self._start()
            else:
                self._split()
        result.seconds = self._now
        return result

    def _pass(self, seconds: float) -> None:
        """Accounts for the time until the next event."""
        result, waits, speed = self.result, self.result.waits, self._speed
        self._worked += seconds * speed
        result.busy_seconds += seconds * self._busy
        result.child_seconds += seconds * self._open
        if speed < 1:
            waits[self._slowed_by] += seconds * (1 - speed)
            self._hot_for[self._slowed_by] += seconds
            seconds *= speed
        if self._next < self._count and self._open < self._limits.at_once:
            waits[Binding.STARTS] += seconds
            return
        refused = seconds * self._refused_now / self._open
        waits[self._why_refused] += refused
        waits[Binding.LAST if self._next == self._count else Binding.CONCURRENCY] += seconds - refused

    def _start(self) -> None:
        self._starts.take(self._now)
        part = self._next
        self._next += 1
        self._open += 1
        self._began[part] = self._now
        self._invoke(part)

    def _invoke(self, part: int) -> None:
        """In an environment that is there, or else in a new one, or else not yet."""
        now = self._now
        if self._busy >= self._limits.concurrency:
            self._refuse(part, Binding.CONCURRENCY)
        elif now < self._invocations.free_at():
            self._refuse(part, Binding.INVOCATIONS)
        elif self._idle:
            self._idle -= 1
            self._occupy()
            self._work(part)
        elif now < self._environments.free_at():
            self._refuse(part, Binding.ENVIRONMENTS)
        else:
            self._environments.take(now)
            self._occupy()
            self.result.cold_starts += 1
            seconds = self._limits.limits.cold_start_seconds * float(self._rng.lognormal(0.0, _SIGMA))
            self.result.cold_seconds += seconds
            heappush(self._starting, (now + seconds, part))

    def _occupy(self) -> None:
        self._invocations.take(self._now)
        self._busy += 1
        if self._busy > self.result.most_busy:
            self.result.most_busy = self._busy

    def _refuse(self, part: int, why: Binding) -> None:
        self.result.throttled += 1
        self._why_refused = why
        limits = self._limits.limits
        times = self._refused[part]
        self._refused[part] += 1
        if times >= limits.throttled_attempts:
            self.result.given_up += 1
            self._close(part)
            return
        most = min(limits.throttled_seconds * 2.0 ** min(times, 60), limits.most_wait_seconds)
        self._refused_now += 1
        heappush(self._waiting, (self._now + most * self._uniform(), part, True))

    def _work(self, part: int) -> None:
        self.result.attempts += 1
        share = _LOST if self._failures[part] else 1.0
        heappush(self._running, (self._worked + self._seconds[part] * share, part))
        self._gets += self._get_rate[part]
        self._puts += self._put_rate[part]
        self._share_s3()

    def _end(self) -> None:
        _, part = heappop(self._running)
        self._busy -= 1
        self._idle += 1
        self._gets -= self._get_rate[part]
        self._puts -= self._put_rate[part]
        self._share_s3()
        share = _LOST if self._failures[part] else 1.0
        self.result.gets += self._get_rate[part] * self._seconds[part] * share
        self.result.puts += self._put_rate[part] * self._seconds[part] * share
        if self._failures[part]:
            self._failures[part] -= 1
            wait = self._limits.limits.retry_seconds * self._uniform()
            heappush(self._waiting, (self._now + wait, part, False))
        else:
            self.result.done += 1
            self._close(part)

    def _close(self, part: int) -> None:
        self._open -= 1
        seconds = self._now - self._began[part]
        if seconds > self.result.longest_child_seconds:
            self.result.longest_child_seconds = seconds

    def _share_s3(self) -> None:
        self._speed = 1.0
        if self._gets > self._get_limit:
            self._speed, self._slowed_by = self._get_limit / self._gets, Binding.GETS
        if self._puts > self._put_limit and self._put_limit / self._puts < self._speed:
            self._speed, self._slowed_by = self._put_limit / self._puts, Binding.PUTS
        if self._speed < self.result.lowest_speed:
            self.result.lowest_speed = self._speed

    def _splits_at(self) -> float:
        return self._now + max(self._limits.limits.split_seconds - self._hot_for[self._slowed_by], 0.0)

    def _split(self) -> None:
        self._hot_for[self._slowed_by] = 0.0
        if self._slowed_by is Binding.GETS:
            self._get_limit *= 2
        else:
            self._put_limit *= 2
        self._share_s3()

    def _uniform(self) -> float:
        if not self._random:
            self._random = self._rng.random(_DRAWN).tolist()
        return self._random.pop()
