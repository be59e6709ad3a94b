"""What is broken on command: rules, the calls that they are for, and what they do to them."""

from __future__ import annotations

import itertools
import re
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.aws.calls import Call
from tests.support.aws.errors import AwsError, BrokenError
from tests.support.aws.exchange import Edit, Exchange
from tests.support.aws.messages import Reply

_LOOK_SECONDS: Final = 0.02


class Action(ABC):
    """What happens to a call instead of its plain answer."""

    @abstractmethod
    def act(self, exchange: Exchange) -> Reply: ...


@dataclass(frozen=True)
class Fail(Action):
    """An error answer without any effect. `status` is the one of the service's model, if not given."""

    code: str
    message: str = ""
    status: int | None = None

    def act(self, exchange: Exchange) -> Reply:  # noqa: ARG002
        raise AwsError(self.code, self.message or "as the test asked for", self.status)


@dataclass(frozen=True)
class Drop(Action):
    """The connection is reset, and the call has no effect."""

    def act(self, exchange: Exchange) -> Reply:  # noqa: ARG002
        raise BrokenError


@dataclass(frozen=True)
class LoseAnswer(Action):
    """The call has its effect, but the connection is reset instead of an answer."""

    def act(self, exchange: Exchange) -> Reply:
        exchange.proceed()
        raise BrokenError


@dataclass(frozen=True)
class Delay(Action):
    """The call waits before it has its effect."""

    seconds: float

    def act(self, exchange: Exchange) -> Reply:
        if exchange.over.wait(self.seconds):
            raise BrokenError
        return exchange.proceed()


@dataclass(frozen=True)
class Hang(Action):
    """No effect and no answer ever."""

    def act(self, exchange: Exchange) -> Reply:
        exchange.over.wait()
        raise BrokenError


@dataclass(frozen=True)
class Meanwhile(Action):
    """Somebody does something just before the call has its effect: `aws.do` with these arguments, or anything."""

    what: Callable[[], object]

    def act(self, exchange: Exchange) -> Reply:
        self.what()
        return exchange.proceed()


@dataclass(frozen=True)
class Change(Action):
    """The effect stays, the answer is another: `edit` changes its members (headers, for the registry) in place."""

    edit: Edit

    def act(self, exchange: Exchange) -> Reply:
        return exchange.proceed(self.edit)


@dataclass(eq=False)
class Hold(Action):
    """The call is held: before its effect, or after it with the answer kept back. For one call."""

    after: bool = False
    _call: Call | None = None
    _arrived: threading.Event = field(default_factory=threading.Event)
    _decided: threading.Event = field(default_factory=threading.Event)
    _dropped: bool = False

    def act(self, exchange: Exchange) -> Reply:
        if not self.after:
            self._wait(exchange)
            return exchange.proceed()
        try:
            reply = exchange.proceed()
        finally:
            self._wait(exchange)
        return reply

    def _wait(self, exchange: Exchange) -> None:
        self._call = exchange.call
        self._arrived.set()
        while not self._decided.wait(_LOOK_SECONDS):
            if exchange.over.is_set():
                raise BrokenError
        if self._dropped:
            raise BrokenError

    def arrived(self, seconds: float = 30, process: subprocess.Popen[Any] | None = None) -> Call | None:
        """The call, once it is held; None if `process` ended without making it. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self._arrived.wait(_LOOK_SECONDS):
            if process and process.poll() is not None and not self._arrived.is_set():
                return None
            if time.monotonic() > deadline:
                raise TimeoutError(f"no call to hold within {seconds:.0f} s")
        return self._call

    def release(self) -> None:
        """It goes on as if nothing had been."""
        self._decided.set()

    def drop(self) -> None:
        """Its connection is reset; an effect that it had stays."""
        if not self._decided.is_set():
            self._dropped = True
            self._decided.set()


@dataclass
class Rule:
    """After `skip` calls that fit, the action for the next `times` of them; None is for all.

    `operation` is a regular expression for the whole name, empty for all; `parameters` are what the call must have.
    """

    number: int
    action: Action
    operation: str
    parameters: Mapping[str, Any]
    times: int | None
    skip: int
    seen: int = 0
    hits: list[Call] = field(default_factory=list)
    """The calls that it acted on."""

    def take(self, call: Call) -> bool:
        if (self.times is not None and len(self.hits) >= self.times) or not self._fits(call):
            return False
        self.seen += 1
        if self.seen <= self.skip:
            return False
        self.hits.append(call)
        call.rule = self.number
        return True

    def _fits(self, call: Call) -> bool:
        return re.fullmatch(self.operation or ".*", call.operation) is not None and all(
            call.parameters.get(name) == value for name, value in self.parameters.items()
        )


class Rules:
    """Those in force. The first that wants a call has it."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._rules: list[Rule] = []
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def add(self, action: Action, operation: str, parameters: Mapping[str, Any], times: int | None, skip: int) -> Rule:
        with self._lock:
            rule = Rule(next(self._numbers), action, operation, parameters, times, skip)
            self._rules.append(rule)
            return rule

    def remove(self, rule: Rule) -> None:
        with self._lock:
            self._rules.remove(rule)

    def take(self, call: Call) -> Rule | None:
        with self._lock:
            return next((rule for rule in self._rules if rule.take(call)), None)
