"""A deploy that is ended from outside, at each of its calls: before the call has its effect, and after."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.errors import StoppedError
from tests.deploy.each import cases, each
from tests.deploy.scenario import CANARY, CREATE, WANTED, Scenario, scenario
from tests.support.aws.calls import Call

KINDS = {"code": (), "settings and canary": (*WANTED, *CANARY), "create": (*CREATE, *WANTED)}
# What one kind has in common with another, up to some call, is tried once.
KILLED_FROM = {"code": "Invoke", "settings and canary": "", "create": "CreateFunction"}
STOPPED_FROM = {"code": "Invoke", "settings and canary": "GetAlias", "create": "CreateFunction"}
each_kind = pytest.mark.parametrize(
    "kind", ["code", pytest.param("settings and canary", marks=pytest.mark.long), "create"]
)


@dataclass(frozen=True)
class Boundary:
    """Before or `after` the effect of the call that so many others come before."""

    skip: int
    after: bool
    operation: str


def boundaries(calls: list[Call], first: str = "") -> dict[str, Boundary]:
    """All from the first call of that operation on. A read has no effect, so before and after it are the same."""
    start = next((number for number, call in enumerate(calls) if first in ("", call.operation)), 0)
    found = {}
    for skip, call in enumerate(calls):
        for after in (False,) if call.reads else (False, True):
            if skip >= start:
                name = f"{skip:02} {'after' if after else 'before'} {call.operation}"
                found[name] = Boundary(skip, after, call.operation)
    return found


@contextmanager
def staged(home: Path, kind: str) -> Iterator[Scenario]:
    with scenario(home, *KINDS[kind], function=kind != "create") as made:
        yield made


def whole(home: Path, kind: str) -> list[Call]:
    """The calls of a deploy that nothing stops."""
    with staged(home, kind) as made:
        made.require_deployed(made.run())
        return made.aws.calls()


def no_half(made: Scenario) -> None:
    """The alias is where it was, in the share that was asked for, or at the new version."""
    now, before = made.now, made.before
    allowed = [(before.alias, before.weights)]
    if now.digest == made.image.digest:
        version = "1" if not before.digest else "2"
        allowed += [(version, {})] + ([("1", {"2": 0.1})] if "--canary" in made.arguments else [])
    assert (now.alias, now.weights) in allowed
    assert now.digest in {before.digest, made.image.digest}


@each_kind
def test_after_a_kill_the_alias_is_old_or_new_and_the_same_command_finishes(tmp_path: Path, kind: str) -> None:
    def test(name: str, boundary: Boundary) -> None:
        with staged(tmp_path / name, kind) as made:
            with made.aws.hold(skip=boundary.skip, after=boundary.after) as held:
                process = made.start()
                call = held.arrived(process=process)
                assert call is not None
                assert call.operation == boundary.operation
                killed = made.wait(process, signal.SIGKILL)
            assert killed.code == -signal.SIGKILL
            made.require_discreet(killed)
            if call.service == "lambda":
                made.require_journal_until(call.operation)
            no_half(made)
            made.require_convergence()

    each(boundaries(whole(tmp_path / "whole", kind), KILLED_FROM[kind]), test)


@pytest.fixture
def hang_up() -> Iterator[None]:
    """SIGHUP is not ignored by what the test starts, even if nohup started the test."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@each_kind
@pytest.mark.usefixtures("hang_up")
def test_after_a_signal_everything_is_as_it_was(tmp_path: Path, kind: str) -> None:
    def test(name: str, boundary: Boundary) -> None:
        stop = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[(boundary.skip + boundary.after) % 3]
        with staged(tmp_path / name, kind) as made:
            with made.aws.hold(skip=boundary.skip, after=boundary.after) as held:
                process = made.start()
                call = held.arrived(process=process)
                assert call is not None
                process.send_signal(stop)
                if not call.reads and call.operation != "Invoke":
                    held.release()  # what changes something is waited for
                stopped = made.wait(process)
            made.require_failed(stopped, StoppedError, stop.name, kept=kind != "create")
            if kind == "create":
                assert made.now.alias is None
            assert not made.now.weights
            if boundary.skip % 6 == 0:
                made.require_convergence()

    each(boundaries(whole(tmp_path / "whole", kind), STOPPED_FROM[kind]), test)


def test_a_terminal_that_closes_does_not_end_what_nohup_has_started(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with scenario(tmp_path / "it") as made:
            with made.aws.hold("PublishVersion") as held:
                process = made.start()
                assert held.arrived(process=process)
                process.send_signal(signal.SIGHUP)
            made.require_deployed(made.wait(process))
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_ctrl_c_does_not_break_off_what_is_put_back(tmp_path: Path) -> None:
    def test(name: str, skip: int) -> None:
        with scenario(tmp_path / name, *WANTED) as made:
            with made.aws.hold("Invoke", {"Qualifier": "live"}) as held:
                process = made.start()
                assert held.arrived(process=process)
                with made.aws.hold(skip=skip) as putting_back:
                    process.send_signal(signal.SIGINT)
                    assert putting_back.arrived(process=process)
                    process.send_signal(signal.SIGINT)
                    process.send_signal(signal.SIGTERM)
                    putting_back.release()
                    stopped = made.wait(process)
            made.require_failed(stopped, StoppedError, "SIGINT")

    # GetAlias, UpdateAlias, GetAlias, then for the settings and the code GetFunction, the update and GetFunction
    each({f"call {skip + 1}": skip for skip in range(9)}, test)


@pytest.mark.parametrize("name", [f"run {number}" for number in range(6)])
def test_a_signal_after_the_last_step_does_not_undo_what_is_said_to_be_done(tmp_path: Path, name: str) -> None:
    """Whatever the moment: either success is printed and the image is live, or all is as it was."""
    with scenario(tmp_path / name) as made:
        with made.aws.hold("GetAlias", skip=1, after=True) as held:
            process = made.start()
            assert held.arrived(process=process)
            held.release()
            process.send_signal(signal.SIGTERM)
            ended = made.wait(process)
        if ended.code == 0:
            made.require_deployed(ended)
        else:
            assert ended.code in {StoppedError.exit_code, -signal.SIGTERM}
            told = re.search(r"is at version \d", ended.out)
            assert (made.now == made.before) != bool(told), ended


@cases("skip", {f"call {skip + 1}": skip for skip in range(9)})
def test_a_kill_while_things_are_put_back_is_mended_by_the_same_command(tmp_path: Path, name: str, skip: int) -> None:
    with scenario(tmp_path / name, *WANTED, *CANARY) as made:
        with made.aws.hold("Invoke", {"Qualifier": "live"}) as held:
            process = made.start()
            assert held.arrived(process=process)
            with made.aws.hold(skip=skip, after=bool(skip % 2)) as putting_back:
                process.send_signal(signal.SIGINT)
                assert putting_back.arrived(process=process)
                made.wait(process, signal.SIGKILL)
        no_half(made)
        made.require_convergence()
