"""Several regions in one deploy: all of them, or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ecr_push
from deploy.aws import Account
from tests.support.aws import Answer, Fail, StrictAws
from tests.support.aws.shared_state import REGION
from tests.unit.deploy.release_scenario import NAME, Ended, Scenario

REGIONS = ("--region", "eu-west-1,us-west-2")


@pytest.fixture
def regions(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scenario]]:
    """The same function and image in two accounts of strict AWS, which stand for two regions of one."""
    with StrictAws() as aws:
        aws._identities._known |= scenario.aws._identities._known
        (tmp_path / "west").mkdir()
        west = Scenario(aws, tmp_path / "west", scenario.pauses)
        west.image = aws.put_image(scenario.image)
        aws.forget_calls()
        found = {"eu-west-1": scenario, "us-west-2": west}

        def account(options: Any, report: Any) -> Account:
            url = found[options.region].aws.url
            return Account(region=REGION, endpoint_url=url, dry_run=options.dry_run, listener=report.called)

        monkeypatch.setattr(ecr_push, "_account", account)
        yield found
    assert not aws.violations


def deploy(regions: dict[str, Scenario], *more: str) -> Ended:
    return regions["eu-west-1"].deploy(*REGIONS, *more)


def test_every_region_gets_the_image(regions: dict[str, Scenario]) -> None:
    ended = deploy(regions, "--memory", "2048", "--json")
    assert ended.code == 0, ended
    assert {name: one["version"] for name, one in ended.document["regions"].items()} == dict.fromkeys(regions, "2")
    assert [one.alias() for one in regions.values()] == [("2", {})] * 2
    again = deploy(regions, "--json")
    assert {one["changed"] for one in again.document["regions"].values()} == {False}


@pytest.mark.parametrize("qualifier", ["2", "live"])
def test_a_failure_in_the_last_region_puts_all_of_them_back(regions: dict[str, Scenario], qualifier: str) -> None:
    before = {name: one.state for name, one in regions.items()}
    bad = Answer({"errorMessage": "no"}, error="Unhandled")
    regions["us-west-2"].aws.answer(lambda asked: bad if asked.qualifier == qualifier else Answer({}))
    ended = deploy(regions, "--memory", "2048")
    assert ended.code == (52 if qualifier == "2" else 54), ended
    assert {name: one.state for name, one in regions.items()} == before
    assert ("alias live is back at version 1" in ended.err) == (qualifier == "live")
    regions["us-west-2"].aws.answer(Answer({}))
    assert deploy(regions, "--memory", "2048").code == 0


def test_no_alias_is_moved_before_every_version_has_answered(regions: dict[str, Scenario]) -> None:
    regions["us-west-2"].aws.answer(Answer({}, error="Unhandled"), version="2")
    assert deploy(regions).code == 52
    assert not regions["eu-west-1"].aws.calls("UpdateAlias")


def test_a_region_that_cannot_be_put_back_is_named_and_the_others_are(regions: dict[str, Scenario]) -> None:
    before = regions["eu-west-1"].state
    west = regions["us-west-2"].aws
    west.answer(lambda asked: Answer({}, error="Unhandled" if asked.qualifier == "live" else ""))
    with west.rule(Fail("InvalidParameterValueException"), "UpdateAlias", skip=1):
        ended = deploy(regions)
    assert ended.code == 55, ended
    assert "alias live" in ended.err
    assert regions["eu-west-1"].state == before
    assert regions["us-west-2"].alias() == ("2", {})


def test_a_region_without_the_function_ends_the_deploy_before_any_change(regions: dict[str, Scenario]) -> None:
    regions["us-west-2"].aws.do("DeleteFunction", FunctionName=NAME)
    assert deploy(regions).failure[0] == "FunctionNotFound"
    assert not regions["eu-west-1"].aws.changes()
