"""The parts of a release that need no account: states, settings, the undo stack, tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.text import Text

from deploy.console import Reporter
from deploy.errors import FunctionNotFoundError, ImageRefusedError, NotRestoredError, UpdateFailedError
from deploy.image.oci import ContainerConfig
from deploy.release import alias, canary, function, smoke, versions
from deploy.release.alias import AliasState
from deploy.release.function import REMEDIES, SETTINGS, FunctionState, Settings, changed
from deploy.release.undo_stack import UndoStack


class Recorded:
    """A client whose methods return prepared answers and record their parameters."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(**asked: Any) -> Any:
            self.asked.append((name, asked))
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def get_paginator(self, name: str) -> Any:
        """Return an object whose `paginate` gives the answer as the only page."""
        return type("Paginator", (), {"paginate": staticmethod(lambda **asked: [getattr(self, name)(**asked)])})


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetFunction")


def state_of(**configuration: Any) -> FunctionState:
    client: Any = Recorded(get_function={"Configuration": configuration, "Code": {"ImageUri": "h/a@sha256:1"}})
    return function.read(client, "frames")


# An alias.


def test_an_alias_is_shown_with_its_shares() -> None:
    assert str(AliasState("1")) == "version 1"
    assert str(AliasState("1", {"2": 0.1, "3": 0.25})) == "version 1, 10% to version 2, 25% to version 3"


def test_aliases_are_equal_if_traffic_goes_the_same_ways() -> None:
    assert AliasState("1", {}, "a") == AliasState("1", {}, "b")
    assert AliasState("1") != AliasState("1", {"2": 0.1})
    assert AliasState("1") != AliasState("2")


@pytest.mark.parametrize(
    "routing", [{}, {"RoutingConfig": None}, {"RoutingConfig": {"AdditionalVersionWeights": None}}]
)
def test_an_alias_without_shares_is_read(routing: dict[str, Any]) -> None:
    found = alias.state({"FunctionVersion": "3", "RevisionId": "r", **routing})
    assert (found.version, found.weights, found.revision) == ("3", {}, "r")


def test_an_alias_with_shares_is_read() -> None:
    found = alias.state({"FunctionVersion": "3", "RoutingConfig": {"AdditionalVersionWeights": {"4": 0.5}}})
    assert (found.version, found.weights, found.revision) == ("3", {"4": 0.5}, "")


def test_a_missing_alias_is_none_and_another_refusal_is_raised() -> None:
    missing: Any = Recorded(get_alias=refused("ResourceNotFoundException"))
    assert alias.read(missing, "frames", "live") is None
    assert missing.asked == [("get_alias", {"FunctionName": "frames", "Name": "live"})]
    forbidden: Any = Recorded(get_alias=refused("AccessDenied"))
    with pytest.raises(ClientError):
        alias.read(forbidden, "frames", "live")


# A function.


def test_a_function_with_nothing_but_a_name_has_lambdas_defaults() -> None:
    found = state_of(State=None, LastUpdateStatus=None, Architectures=None, Description=None)
    assert (found.name, found.version, found.package_type, found.architecture) == ("frames", "$LATEST", "Zip", "x86_64")
    assert (found.state, found.update, found.state_code, found.update_code) == ("Active", "Successful", "", "")
    assert (found.revision, found.description, found.modified, found.arn) == ("", "", "", "")
    assert (found.digest, found.timeout_seconds) == ("sha256:1", 900)
    assert found.settings == SETTINGS


def test_a_function_is_read_whole() -> None:
    found = state_of(
        Version="3",
        FunctionArn="arn:aws:lambda:eu-west-1:1:function:frames",
        PackageType="Image",
        Architectures=["arm64"],
        RevisionId="r",
        State="Failed",
        StateReasonCode="C",
        StateReason="why",
        LastUpdateStatus="InProgress",
        LastUpdateStatusReasonCode="D",
        LastUpdateStatusReason="because",
        Description="d",
        LastModified="m",
        Timeout=7,
        MemorySize=512,
        EphemeralStorage={"Size": 1024},
        Environment={"Variables": {"A": "1"}},
        SnapStart={"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"},
        Role="role",
        VpcConfig={},
    )
    assert (found.version, found.arn, found.package_type) == (
        "3",
        "arn:aws:lambda:eu-west-1:1:function:frames",
        "Image",
    )
    assert (found.architecture, found.revision, found.description, found.modified) == ("arm64", "r", "d", "m")
    assert (found.state, found.state_code, found.state_reason) == ("Failed", "C", "why")
    assert (found.update, found.update_code, found.update_reason) == ("InProgress", "D", "because")
    assert found.timeout_seconds == 7
    assert changed(SETTINGS, found.settings) == {
        "MemorySize": 512,
        "Timeout": 7,
        "EphemeralStorage": {"Size": 1024},
        "Environment": {"Variables": {"A": "1"}},
        "SnapStart": {"ApplyOn": "PublishedVersions"},
        "Role": "role",
    }
    assert found.published == {**found.settings, "Architectures": ["arm64"]}


def test_every_setting_that_lambda_can_change_is_compared() -> None:
    """A member of a newer model has to be looked at: is it of a version, and how is it put back?"""
    model = botocore.session.get_session().get_service_model("lambda")
    update = model.operation_model("UpdateFunctionConfiguration").input_shape
    assert update is not None
    others = {"FunctionName", "RevisionId", "Description", "Handler", "Runtime", "Layers", "RuntimeConfig"}
    assert set(update.members) == {*SETTINGS, *others}


def test_the_resolved_image_counts() -> None:
    code = {"ImageUri": "h/a:tag", "ResolvedImageUri": "h/a@sha256:2"}
    client: Any = Recorded(get_function={"Configuration": {}, "Code": code})
    assert function.read(client, "frames").image_uri == "h/a@sha256:2"
    assert function.digest_of("h/a:tag") == ""


def test_a_qualifier_is_asked_for_unless_it_is_latest() -> None:
    client: Any = Recorded(get_function={"Configuration": {}})
    assert function.read(client, "frames").image_uri == ""
    function.read(client, "frames", "7")
    assert client.asked[0][1] == {"FunctionName": "frames"}
    assert client.asked[1][1] == {"FunctionName": "frames", "Qualifier": "7"}


@pytest.mark.parametrize(("qualifier", "what"), [("$LATEST", "function frames"), ("7", "7 of function frames")])
def test_a_missing_function_is_named(qualifier: str, what: str) -> None:
    client: Any = Recorded(get_function=refused("ResourceNotFoundException"))
    with pytest.raises(FunctionNotFoundError) as caught:
        function.read(client, "frames", qualifier)
    assert caught.value.what == f"{what} is not there"


def test_the_log_group_is_the_functions_own_or_the_usual_one() -> None:
    assert state_of().log_group == "/aws/lambda/frames"
    assert state_of(FunctionName="real").log_group == "/aws/lambda/real"
    assert state_of(LoggingConfig={"LogGroup": "mine"}).log_group == "mine"


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({"State": "Failed", "StateReasonCode": "InvalidSubnet", "StateReason": "No."}, "InvalidSubnet"),
        ({"LastUpdateStatus": "Failed", "LastUpdateStatusReasonCode": "InvalidImage"}, "InvalidImage"),
    ],
)
def test_a_failure_is_raised_with_its_reason(configuration: dict[str, str], code: str) -> None:
    with pytest.raises(UpdateFailedError) as caught:
        function.require_success(state_of(**configuration), "making frames")
    why = f"{code}: No" if "State" in configuration else code
    assert caught.value.what == f"making frames failed ({why})"
    assert caught.value.then == REMEDIES.get(code, "read Lambda's message, and look at the function's configuration")
    assert caught.value.detail == {"reason": code}


def test_a_function_that_works_passes() -> None:
    function.require_success(state_of(), "making frames")


# Settings.


NEW: dict[str, Any] = {"MemorySize": 3008, "Timeout": 300}


def test_no_setting_changes_unless_it_is_named() -> None:
    assert changed(SETTINGS, Settings().over(SETTINGS)) == {}
    assert Settings().of_new_function() == NEW


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings({"MemorySize": 1}), {"MemorySize": 1}),
        (Settings({"SnapStart": {"ApplyOn": "None"}}), {}),
        (Settings({"ImageConfig": {"Command": ["a.b"], "EntryPoint": []}}), {"ImageConfig": {"Command": ["a.b"]}}),
        (Settings(environment={"A": "1"}), {"Environment": {"Variables": {"A": "1"}}}),
        (Settings(environment={"A": "1"}, unset=frozenset("A")), {"Environment": {"Variables": {"A": "1"}}}),
        (Settings(unset=frozenset("A")), {}),
    ],
)
def test_settings_are_laid_over_others(settings: Settings, expected: dict[str, Any]) -> None:
    assert changed(SETTINGS, settings.over(SETTINGS)) == expected
    assert settings.of_new_function() == NEW | expected


def test_members_of_image_config_that_are_not_named_stay() -> None:
    current = {**SETTINGS, "ImageConfig": {"Command": ["a.b"], "WorkingDirectory": "/x"}}
    wanted = Settings({"ImageConfig": {"Command": ["c.d"], "WorkingDirectory": ""}}).over(current)
    assert wanted["ImageConfig"] == {"Command": ["c.d"]}


def test_a_member_that_is_missing_has_changed() -> None:
    assert changed({}, {"A": 1}) == {"A": 1}
    assert changed({"A": 1}, {}) == {}


# A canary.


def test_the_metrics_of_the_version_behind_the_alias_are_added_up() -> None:
    results = [{"Id": "invocations", "Values": [1.0, 2.0]}, {"Id": "errors", "Values": [1.0]}]
    account: Any = type("Account", (), {"metrics": Recorded(get_metric_data={"MetricDataResults": results})})()
    since = datetime.now(UTC)
    found = canary.traffic(account, "frames", "live", "2", since)
    assert (found.invocations, found.errors) == (3, 1)
    ((_, asked),) = account.metrics.asked
    assert asked["StartTime"] == since - timedelta(seconds=60)
    assert timedelta(seconds=59) < asked["EndTime"] - since < timedelta(seconds=70)
    place = {"FunctionName": "frames", "Resource": "frames:live", "ExecutedVersion": "2"}
    for query, name in zip(asked["MetricDataQueries"], ("Invocations", "Errors"), strict=True):
        stat = query["MetricStat"]
        assert (query["Id"], stat["Period"], stat["Stat"]) == (name.lower(), 60, "Sum")
        assert (stat["Metric"]["Namespace"], stat["Metric"]["MetricName"]) == ("AWS/Lambda", name)
        assert {item["Name"]: item["Value"] for item in stat["Metric"]["Dimensions"]} == place


def test_without_metrics_there_was_no_traffic() -> None:
    account: Any = type("Account", (), {"metrics": Recorded(get_metric_data={"MetricDataResults": []})})()
    found = canary.traffic(account, "frames", "live", "2", datetime.now(UTC))
    assert (found.invocations, found.errors) == (0, 0)


# The smoke test.


def labelled(event: str | None = None, *command: str) -> ContainerConfig:
    labels = {} if event is None else {"hwang-lambda.smoke": event}
    return ContainerConfig.model_validate({"Labels": labels, "Cmd": command})


def test_the_event_is_the_labels_or_one_for_any_function() -> None:
    assert smoke.event_of(labelled()) == {"Service": "Amazon S3", "Event": "s3:TestEvent"}
    assert smoke.event_of(labelled('{"selftest": true}')) == {"selftest": True}
    with pytest.raises(ImageRefusedError) as caught:
        smoke.event_of(labelled("{"))
    assert caught.value.what == "label hwang-lambda.smoke is no JSON"
    assert caught.value.then == "correct it, or give --smoke FILE"


def test_the_event_of_the_image_is_not_sent_to_a_handler_that_inherited_it() -> None:
    inherited = '{"action": "selftest"}'
    assert smoke.event_of(labelled(inherited, "function.handler.handler")) == {"action": "selftest"}
    for command in (("app.handler",), ()):
        with pytest.raises(ImageRefusedError, match=r"is for function\.handler\.handler") as caught:
            smoke.event_of(labelled(inherited, *command))
        assert "--no-smoke" in (caught.value.then or "")
    assert smoke.event_of(labelled('{"mine": 1}', "app.handler")) == {"mine": 1}


# The undo stack.


class Undone:
    """Changes that are put back in the order in which they are recorded."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.stack = UndoStack(Reporter())

    def push(self, name: str, error: Exception | None = None) -> None:
        def put_back() -> None:
            self.names.append(name)
            if error:
                raise error

        self.stack.push(name, put_back)


def test_changes_are_put_back_last_first() -> None:
    undone = Undone()
    assert not undone.stack
    for name in ("a", "b", "c"):
        undone.push(name)
    assert undone.stack
    undone.stack.put_back(ValueError("why"))
    assert undone.names == ["c", "b", "a"]
    assert not undone.stack


def test_kept_and_dropped_changes_are_not_put_back() -> None:
    undone = Undone()
    undone.push("a")
    undone.push("b")
    undone.stack.drop_last()
    undone.stack.put_back(ValueError("why"))
    assert undone.names == ["a"]
    undone.push("c")
    undone.stack.clear()
    undone.stack.put_back(ValueError("why"))
    assert undone.names == ["a"]


def test_a_change_that_cannot_be_put_back_does_not_keep_the_others() -> None:
    undone = Undone()
    undone.push("a")
    undone.push("b", EndpointConnectionError(endpoint_url="https://x"))
    undone.push("c", RuntimeError("no"))
    with pytest.raises(NotRestoredError) as caught:
        undone.stack.put_back(ValueError("why"))
    assert undone.names == ["c", "b", "a"]
    assert caught.value.what.startswith("why; and this could not be put back: c (no); b (AWS cannot be reached: ")
    assert len(caught.value.detail["not_restored"]) == 2  # type: ignore[arg-type]
    assert str(caught.value.__cause__) == "why"


# What is shown of versions.


@pytest.mark.parametrize(
    ("status", "shown", "style"), [(None, "—", ""), ("ACTIVE", "✓", "green"), ("ARCHIVED", "✗ archived", "red")]
)
def test_the_status_of_an_image_is_a_sign(status: str | None, shown: str, style: str) -> None:
    sign = versions._sign(status)
    assert isinstance(sign, Text)
    assert (sign.plain, sign.style) == (shown, style)


def test_a_zip_function_has_no_image() -> None:
    found = versions.Version(state_of(Version="1").model_copy(update={"image_uri": ""}), {"live": 1.0}, None, None)
    document = versions.document("frames", [found])["versions"][0]
    assert (document["digest"], document["image"], document["image_status"]) == (None, None, None)
    assert versions.table("frames", [found]).row_count == 1


def test_an_update_under_way_is_shown() -> None:
    found = versions.Version(state_of(LastUpdateStatus="Failed"), {"live": 0.5, "next": 1.0}, None, "GONE")
    cells = [next(iter(column.cells)) for column in versions.table("frames", [found]).columns]
    assert cells[0] == "live 50%, next"
    assert cells[-1] == "Active, update Failed"
