"""A deploy moves the alias to the image, and everything of it is as it was asked for."""

from __future__ import annotations

from pathlib import Path

from tests.deploy.each import cases
from tests.deploy.scenario import CANARY, CREATE, NAME, WANTED, scenario

MAX_CALLS = 6


def test_a_deploy_moves_the_alias_to_the_image(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", *WANTED) as made:
        made.require_deployed(made.run())
        assert made.now.alias == "2"
        description = made.version("2")["Configuration"]["Description"]
        assert description == f"ecr_push {made.image.digest}"
        assert [call.operation for call in made.aws.changes()] == [
            "UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion", "Invoke", "UpdateAlias", "Invoke",
        ]  # fmt: skip


def test_a_deploy_makes_the_function_and_the_alias_that_are_missing(tmp_path: Path) -> None:
    with scenario(tmp_path / "function", *CREATE, *WANTED, function=False) as made:
        made.require_deployed(made.run())
        assert made.now.alias == "1"
    with scenario(tmp_path / "alias", *CANARY, alias="") as made:
        made.require_deployed(made.run())
        assert made.now.alias == "2"


def test_an_alias_at_latest_is_moved_to_a_version(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        made.aws.do("UpdateAlias", FunctionName=NAME, Name="live", FunctionVersion="$LATEST")
        made.set()
        made.require_deployed(made.run())
        assert made.now.alias == "2"


@cases("arguments", {"code": (), "settings": WANTED, "canary": CANARY})
def test_the_same_image_again_changes_nothing_and_asks_little(
    tmp_path: Path, name: str, arguments: tuple[str, ...]
) -> None:
    with scenario(tmp_path / name, *arguments) as made:
        made.require_deployed(made.run())
        made.set()
        made.aws.forget_calls()
        made.require_deployed(made.run())
        assert made.now == made.before
        assert not made.aws.changes()
        assert len([call for call in made.aws.calls() if call.service in {"ecr", "lambda"}]) <= MAX_CALLS


def test_settings_that_were_asked_for_are_changed_though_the_image_is_live(tmp_path: Path) -> None:
    with scenario(tmp_path / "it") as made:
        made.require_deployed(made.run())
        made.arguments = WANTED
        made.require_deployed(made.run())
        assert made.now.alias == "3"


def test_variables_are_taken_away_and_the_others_stay(tmp_path: Path) -> None:
    with scenario(tmp_path / "it", "--unset-env", "KEPT", "--env", "A_1=x=y") as made:
        assert made.run().code == 0
        assert made.version("2")["Configuration"]["Environment"] == {"Variables": {"A_1": "x=y"}}
