"""Somebody else changes the function or the alias at any moment of a deploy: theirs is kept, and never taken along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.errors import ConflictError
from tests.deploy.each import cases, each
from tests.deploy.scenario import CANARY, CREATE, NAME, WANTED, Scenario, State, scenario
from tests.deploy.tool import Ended
from tests.support.aws import AwsError, Change, Meanwhile, StrictAws


@dataclass
class Somebody:
    """Does one thing, once, if Lambda takes it at that moment."""

    aws: StrictAws
    operation: str
    parameters: dict[str, object]
    done: bool = False

    def __call__(self) -> None:
        try:
            self.aws.do(self.operation, FunctionName=NAME, **self.parameters)
            self.done = True
        except AwsError as error:
            if error.code != "ResourceConflictException":  # Lambda is busy with the deploy's own change
                raise


def keeps_code(made: Scenario, ended: Ended) -> None:
    theirs = made.aws.do("ListImages", repositoryName="theirs")["imageIds"][0]["imageDigest"]
    assert made.now.digest == theirs, ended


def keeps_memory(made: Scenario, ended: Ended) -> None:
    assert made.now.settings["MemorySize"] == 512, ended
    assert made.now.digest in {made.before.digest, made.image.digest}


def keeps_alias(made: Scenario, ended: Ended) -> None:
    assert (made.now.alias, made.now.weights) == ("2", {}), ended


def keeps_weights(made: Scenario, ended: Ended) -> None:
    assert made.now.weights == {"2": 0.5}, ended


def keeps_away(made: Scenario, ended: Ended) -> None:
    assert made.now.alias is None, ended


CHANGES: dict[str, tuple[str, dict[str, object], Callable[[Scenario, Ended], None]]] = {
    "code": ("UpdateFunctionCode", {}, keeps_code),
    "memory": ("UpdateFunctionConfiguration", {"MemorySize": 512}, keeps_memory),
    "alias": ("UpdateAlias", {"Name": "live", "FunctionVersion": "2", "RoutingConfig": {}}, keeps_alias),
    "weights": (
        "UpdateAlias",
        {"Name": "live", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.5}}},
        keeps_weights,
    ),
    "no alias": ("DeleteAlias", {"Name": "live"}, keeps_away),
}


def ready(made: Scenario) -> None:
    """There is a second version."""
    made.aws.release(NAME, made.aws.put_image())
    made.set()


@pytest.mark.parametrize("kind", CHANGES)
def test_what_somebody_else_does_at_any_moment_stays(tmp_path: Path, kind: str) -> None:
    operation, parameters, is_kept = CHANGES[kind]
    with scenario(tmp_path / "whole", *WANTED) as made:
        ready(made)
        made.require_deployed(made.run())
        calls = made.aws.calls()
    # what happens to the alias is noticed when it is moved, so that it does not matter how long before that it happened
    last_before = "GetAlias" if kind in {"code", "memory", "alias"} else "Invoke"
    first = next(number for number, call in enumerate(calls) if call.operation == last_before) + 1

    def test(name: str, skip: int) -> None:
        with scenario(tmp_path / name, *WANTED) as made:
            ready(made)
            code = {"ImageUri": made.aws.image_uri(made.aws.put_image(repository="theirs"))} if kind == "code" else {}
            somebody = Somebody(made.aws, operation, {**parameters, **code})
            with made.aws.rule(Meanwhile(somebody), skip=skip, times=1) as rule:
                ended = made.run()
            assert rule.hits
            if not somebody.done:
                made.require_deployed(ended)
                return
            is_kept(made, ended)
            if ended.code:
                made.require_failed(ended, ConflictError, kept=False)
                assert made.now.alias in {"1", "2", None} or kind == "weights"
            else:
                version = made.version("3")
                assert made.now.alias == "3"
                assert version["Code"]["ResolvedImageUri"] == made.aws.image_uri(made.image)
                assert version["Configuration"]["MemorySize"] == 2048
                assert kind in {"code", "memory"}, "who moved the alias is told"

    each({f"{skip:02} {calls[skip].operation}": skip for skip in range(first, len(calls))}, test)


@cases("kind", {kind: kind for kind in ("code", "alias", "weights", "no alias")})
def test_what_somebody_else_does_while_things_are_put_back_stays(tmp_path: Path, name: str, kind: str) -> None:
    """At the first change that puts something back: their alias stays, and so does their code."""
    operation, parameters, is_kept = CHANGES[kind]
    with scenario(tmp_path / name) as made:
        ready(made)
        code = {"ImageUri": made.aws.image_uri(made.aws.put_image(repository="theirs"))} if kind == "code" else {}
        somebody = Somebody(made.aws, operation, {**parameters, **code})
        with (
            made.aws.rule(Change(lambda answer: answer.update(ExecutedVersion="9")), "Invoke", {"Qualifier": "live"}),
            made.aws.rule(Meanwhile(somebody), operation.replace("Delete", "Update"), skip=1, times=1) as rule,
        ):
            ended = made.run()
        assert rule.hits
        assert somebody.done
        is_kept(made, ended)
        assert ended.code == 54, ended  # ReleaseUndone
        assert "as another caller left it" in ended.err or kind == "code"


def test_an_alias_or_a_function_that_somebody_else_makes_meanwhile_is_theirs(tmp_path: Path) -> None:
    def alias(name: str, _: None) -> None:
        with scenario(tmp_path / name, alias="") as made:
            theirs = Meanwhile(lambda: made.aws.do("CreateAlias", FunctionName=NAME, Name="live", FunctionVersion="1"))
            with made.aws.rule(theirs, "CreateAlias", times=1):
                ended = made.run()
            assert made.now == State("1", {}, made.before.digest, made.before.settings)
            made.require_failed(ended, ConflictError, "alias live", kept=False)
            made.require_convergence()

    def function(name: str, _: None) -> None:
        with scenario(tmp_path / name, *CREATE, function=False) as made:
            with made.aws.rule(Meanwhile(lambda: made.aws.make_function(NAME)), "CreateFunction", times=1):
                ended = made.run()
            made.set()
            assert made.now.digest != made.image.digest
            made.require_failed(ended, ConflictError, NAME)
            made.require_convergence()

    each({"alias": None}, alias)
    each({"function": None}, function)


def test_code_that_is_not_what_was_sent_ends_the_deploy(tmp_path: Path) -> None:
    with scenario(tmp_path / "other") as made:
        other = made.aws.image_uri(made.aws.put_image())

        def edit(answer: dict[str, dict[str, str]]) -> None:
            answer["Code"]["ResolvedImageUri"] = other

        with made.aws.rule(Change(edit), "GetFunction", skip=2):
            ended = made.run()
        made.require_failed(ended, ConflictError, other.partition("@")[2], kept=False)
        assert not made.aws.calls("PublishVersion")
        assert made.now.alias == "1"
        made.require_convergence()


@cases("more", {"at once": (), "canary": CANARY})
def test_a_canary_of_somebody_else_is_left_alone(tmp_path: Path, name: str, more: tuple[str, ...]) -> None:
    with scenario(tmp_path / name, *more) as made:
        ready(made)
        weights = CHANGES["weights"][1]
        made.aws.do("UpdateAlias", FunctionName=NAME, **weights)
        made.set()
        ended = made.run()
        made.require_failed(ended, ConflictError, "canary")
        assert not made.aws.changes()
