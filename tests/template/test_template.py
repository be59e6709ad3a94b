"""deploy/template.yaml is what the SAM translator and cfn-lint take, and what page and deploy tool say it is."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs

from function.source import index_cache
from function.triggers import uploads
from tests.support.pages import function_policy
from tests.template.stack import DEFINITION, DEPLOY, NEEDED, Resolved, source, translated

KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC: Final = "arn:aws:sns:us-east-1:123456789012:alarms"
REGIONS: Final = ["us-east-1", "eu-central-1", "ap-southeast-2"]
EITHER: Final[dict[str, tuple[str, ...]]] = {
    "VideosPrefix": ("", "in/"),
    "IndexCache": ("results", "beside", "off"),
    "KmsKeyArn": ("", KEY),
    "AliasOwner": ("none", "stack", "ecr-push"),
    "OnUpload": ("", '{"frames": {"count": 16}}'),
    "Tracing": ("off", "on"),
}
Made = list[tuple[dict[str, str], Resolved]]
# X-Ray, the deliveries of CloudWatch Logs
WITHOUT_RESOURCES: Final = re.compile(r"xray:.*|logs:\w*(LogDeliver|ResourcePolic|DescribeLogGroups)\w*")


@pytest.fixture(scope="module")
def made() -> Made:
    """What the template makes, for all combinations of what is in EITHER."""
    combinations = [dict(zip(EITHER, chosen, strict=True)) for chosen in itertools.product(*EITHER.values())]
    return [(chosen, Resolved(chosen)) for chosen in combinations]


def findings(template: str | dict[str, Any]) -> list[str]:
    """What cfn-lint says, its mere remarks too."""
    text = template if isinstance(template, str) else json.dumps(template)
    return [str(match) for match in lint(text, config=ManualArgs(include_checks=["I"], regions=REGIONS))]


def test_cfn_lint_finds_nothing_in_the_template() -> None:
    assert findings((DEPLOY / "template.yaml").read_text()) == []


def test_cfn_lint_finds_nothing_in_what_the_translator_makes_of_it() -> None:
    # only there does it look at the actions of IAM
    for chosen in ({}, {"AliasOwner": "stack", "OnUpload": "{}", "SnapStart": "on", "Tracing": "on"}):
        assert findings(translated(chosen)) == []


def test_whatever_the_parameters_nothing_refers_to_what_is_not_made(made: Made) -> None:
    for chosen, stack in made:  # Resolved has raised for what refers to nothing
        assert ("FunctionAlias" in stack.resources) == (chosen["AliasOwner"] == "stack")
        assert ("Uploads" in stack.resources) == bool(chosen["OnUpload"])


def test_the_plain_stack_grants_the_function_what_the_page_has() -> None:
    granted = Resolved({"IndexCache": "results"}).statements("FunctionRole")
    assert list(map(alike, granted)) == function_policy()["Statement"]


def test_each_right_beyond_that_comes_with_the_parameter_that_needs_it(made: Made) -> None:
    plain = {"Read", "Write", "ListVideos", "ListResults", "Log"}
    jobs = {"Invoke", "ItemsAndResults", "StartChildren", "FollowChildren", "Log"}
    for chosen, stack in made:
        both = {"UseKey"} if chosen["KmsKeyArn"] else set()
        both |= {"Trace"} if chosen["Tracing"] == "on" else set()
        more = {"KeepIndexes"} if chosen["IndexCache"] == "beside" else set()
        more |= {"TakeMessages"} if chosen["OnUpload"] else set()
        assert by_name(stack, "FunctionRole").keys() == plain | both | more
        assert by_name(stack, "JobsRole").keys() == jobs | both


def test_rights_are_on_the_places_that_are_named(made: Made) -> None:
    for chosen, stack in made:
        prefix, function, jobs = chosen["VideosPrefix"], by_name(stack, "FunctionRole"), by_name(stack, "JobsRole")
        assert function["Read"]["Resource"] == [f"arn:aws:s3:::films/{prefix}*", "arn:aws:s3:::results/*"]
        assert function["Write"]["Resource"] == "arn:aws:s3:::results/*"
        limit = {"Condition": {"StringLike": {"s3:prefix": f"{prefix}*"}}} if prefix else {}
        assert {name: function["ListVideos"][name] for name in limit} == limit
        assert ("Condition" in function["ListVideos"]) == bool(prefix)
        if "KeepIndexes" in function:
            assert function["KeepIndexes"]["Resource"] == f"arn:aws:s3:::films/{prefix}*.hwang"
        if "UseKey" in function:
            assert function["UseKey"]["Resource"] == jobs["UseKey"]["Resource"] == KEY
        alias = "" if chosen["AliasOwner"] == "none" else ":live"
        assert jobs["Invoke"]["Resource"] == f"arn:aws:lambda:us-east-1:123456789012:function:frames{alias}"
        assert jobs["ItemsAndResults"]["Resource"] == "arn:aws:s3:::results/*_job/*"


def by_name(stack: Resolved, role: str) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: alike(statement) for statement in stack.statements(role)}


def alike(statement: dict[str, Any]) -> dict[str, Any]:
    actions = statement["Action"]
    return {**statement, "Action": actions if isinstance(actions, list) else [actions]}


def statements() -> Iterator[dict[str, Any]]:
    everything = Resolved({name: choices[-1] for name, choices in EITHER.items()})
    for role in ("FunctionRole", "JobsRole"):
        yield from map(alike, everything.statements(role))


def test_only_what_has_no_resources_is_granted_for_all() -> None:
    for statement in statements():
        assert not any("*" in action for action in statement["Action"])
        if statement["Resource"] == "*":
            assert all(WITHOUT_RESOURCES.fullmatch(action) for action in statement["Action"])


def test_the_function_gets_its_settings_by_the_names_it_knows() -> None:
    chosen = {"OnUpload": '{"frames": "all"}', "ResultsPrefix": "out/", "HttpsHosts": "cdn.example.com"}
    function = Resolved(chosen).resources["Function"]["Properties"]
    assert function["Environment"]["Variables"] == {
        index_cache.VARIABLE: "s3://results/out/_index/",
        uploads.VARIABLE: '{"frames": "all"}',
        "HWANG_HTTPS_HOSTS": "cdn.example.com",
    }
    beside = Resolved({"IndexCache": "beside"}).resources["Function"]["Properties"]
    assert beside["Environment"]["Variables"] == {index_cache.VARIABLE: index_cache.BESIDE}


def test_a_new_image_is_a_new_version() -> None:
    other = NEEDED["ImageUri"].replace("1" * 64, "2" * 64)
    versions = [
        Resolved({"AliasOwner": "stack", **more}).resources["FunctionVersion"]["Properties"]["Description"]
        for more in ({}, {"ImageUri": other}, {"Release": "2"})
    ]
    assert len(set(versions)) == 3


def test_the_queue_and_the_alarm_know_the_timeout() -> None:
    template = source()
    offered = template["Parameters"]["Timeout"]["AllowedValues"]
    assert {
        int(seconds): (facts["VisibilitySeconds"], facts["LateMilliseconds"])
        for seconds, facts in template["Mappings"]["Timeouts"].items()
    } == {seconds: (6 * seconds, 900 * seconds) for seconds in offered}


@pytest.mark.parametrize(
    ("chosen", "taken"),
    [
        ({}, True),
        ({"SnapStart": "on"}, False),
        ({"SnapStart": "on", "AliasOwner": "stack"}, True),
        ({"SnapStart": "on", "AliasOwner": "stack", "EphemeralStorage": "1024"}, False),
        ({"AliasOwner": "stack", "EphemeralStorage": "1024"}, True),
    ],
)
def test_snapstart_is_refused_where_lambda_would_refuse_it(chosen: dict[str, str], taken: bool) -> None:
    assert Resolved(chosen).rules_hold() is taken


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        (
            "ImageUri",
            [NEEDED["ImageUri"], "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/a/b:v1"],
            ["frames:latest"],
        ),
        ("VideosBucket", ["films", "films.example.com"], ["Films", "s3://films", "films/", ""]),
        ("VideosPrefix", ["", "in/", "in/2026-"], ["*", "in/?"]),
        ("KmsKeyArn", ["", KEY], ["alias/films"]),
        ("AlarmTopicArn", ["", TOPIC], ["alarms"]),
        ("AliasName", ["live", "v1"], ["1", ""]),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(name: str, taken: list[str], refused: list[str]) -> None:
    pattern = source()["Parameters"][name]["AllowedPattern"]
    assert all(re.fullmatch(pattern, value) for value in taken)
    assert not any(re.fullmatch(pattern, value) for value in refused)


def test_every_parameter_is_described_grouped_and_in_the_page_with_its_default() -> None:
    template = source()
    page = (DEPLOY.parent / "docs/step-functions.md").read_text()
    table = dict(re.findall(r"^\| `([A-Z]\w+)` \| (?:`(.*?)`)? ?\|", page, re.MULTILINE))
    assert table == {name: str(facts.get("Default", "")) for name, facts in template["Parameters"].items()}
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert [name for group in groups for name in group["Parameters"]] == list(template["Parameters"])
    assert all(facts["Description"] for facts in template["Parameters"].values())


def test_the_definition_stands_the_schema_of_cfn_lint_and_a_misspelt_one_does_not() -> None:
    assert findings(of_definition(DEFINITION)) == []
    misspelt = json.loads(json.dumps(DEFINITION).replace('"ItemReader"', '"ItemsReader"'))
    assert findings(of_definition(misspelt))


def of_definition(definition: dict[str, Any]) -> dict[str, Any]:
    """A stack of the state machine alone, its definition in the template. cfn-lint wants ARNs with their partition."""
    properties = {
        "RoleArn": "arn:aws:iam::123456789012:role/frames",
        "Definition": json.loads(json.dumps(definition).replace("${Partition}", "aws")),
        "DefinitionSubstitutions": {"FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:frames"},
    }
    return {"Resources": {"Jobs": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
