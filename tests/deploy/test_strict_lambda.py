"""The Lambda that the other tests rely on is as strict as AWS's. It is talked to by boto3, as tools do."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.deploy.aws_requests import refused
from tests.support.aws import Answer, StrictAws, samples
from tests.support.aws.strict import ROLE


def revision(functions: Any, name: str = "frames") -> str:
    return str(functions.get_function_configuration(FunctionName=name)["RevisionId"])


def test_an_update_resolves_the_tag_to_the_digest_that_it_has_now(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    first = aws.put_image(tag="latest")
    functions.update_function_code(FunctionName="frames", ImageUri=f"{aws.ecr_state.host}/app:latest")
    aws.put_image(tag="latest")
    code = functions.get_function(FunctionName="frames")["Code"]
    assert code["ImageUri"] == f"{aws.ecr_state.host}/app:latest"
    assert code["ResolvedImageUri"] == aws.image_uri(first)
    configuration = functions.get_function_configuration(FunctionName="frames")
    assert configuration["CodeSha256"] == first.digest.removeprefix("sha256:")


def test_every_change_gives_another_revision_and_so_does_its_completion(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    before = revision(functions)
    image = aws.image_uri(aws.put_image())
    answer = functions.update_function_code(FunctionName="frames", ImageUri=image, RevisionId=before)
    assert answer["LastUpdateStatus"] == "InProgress"
    functions.get_waiter("function_updated_v2").wait(FunctionName="frames", WaiterConfig={"Delay": 0})
    after = revision(functions)
    assert len({before, answer["RevisionId"], after}) == 3
    with refused("PreconditionFailedException", "does not match the latest Revision Id"):
        functions.update_function_configuration(FunctionName="frames", MemorySize=256, RevisionId=answer["RevisionId"])
    version = functions.publish_version(FunctionName="frames", RevisionId=after)
    assert revision(functions) not in (after, version["RevisionId"])
    functions.get_waiter("published_version_active").wait(
        FunctionName="frames", Qualifier=version["Version"], WaiterConfig={"Delay": 0}
    )
    published = functions.get_function_configuration(FunctionName="frames", Qualifier=version["Version"])
    assert (published["State"], published["RevisionId"]) == ("Active", version["RevisionId"])


def test_no_change_is_taken_while_another_is_under_way(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.takes("UpdateFunctionConfiguration", looks=3)
    functions = aws.client("lambda")
    functions.update_function_configuration(FunctionName="frames", MemorySize=256)
    changes: tuple[Callable[[], object], ...] = (
        lambda: functions.update_function_configuration(FunctionName="frames", MemorySize=512),
        lambda: functions.update_function_code(FunctionName="frames", ImageUri=aws.image_uri(aws.put_image())),
        lambda: functions.publish_version(FunctionName="frames"),
    )
    for change in changes:
        with refused("ResourceConflictException", "An update is in progress for resource: arn:aws:lambda:us-east-1:"):
            change()
    seen = [functions.get_function_configuration(FunctionName="frames")["LastUpdateStatus"] for _ in range(4)]
    assert seen == ["InProgress"] * 3 + ["Successful"]
    assert functions.publish_version(FunctionName="frames")["Version"] == "2"


def test_an_update_can_fail_after_it_was_accepted(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.fail_next("UpdateFunctionCode", "ImageAccessDenied", "Lambda may not read it.")
    functions = aws.client("lambda")
    functions.update_function_code(FunctionName="frames", ImageUri=aws.image_uri(aws.put_image()))
    functions.get_function_configuration(FunctionName="frames")
    failed = functions.get_function_configuration(FunctionName="frames")
    assert (failed["LastUpdateStatus"], failed["LastUpdateStatusReasonCode"]) == ("Failed", "ImageAccessDenied")
    assert failed["LastUpdateStatusReason"] == "Lambda may not read it."


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("app@sha256:" + "0" * 64, "does not exist. Provide a valid source image."),
        ("nothing:latest", "does not exist. Provide a valid source image."),
        ("app:index", "is not supported."),
        ("app:arm64", "The architecture arm64 of the source image"),
        ("app:zstd", "is not supported."),
    ],
)
def test_an_image_that_lambda_cannot_run_is_refused(aws: StrictAws, image: str, words: str) -> None:
    aws.make_function("frames")
    children = aws.put_image(), aws.put_image(samples.make("arm64"), tag="arm64")
    aws.put_image(samples.index(*children), tag="index")
    aws.put_image(samples.make(layer_type="application/vnd.oci.image.layer.v1.tar+zstd"), tag="zstd")
    with refused("InvalidParameterValueException", words):
        aws.client("lambda").update_function_code(FunctionName="frames", ImageUri=f"{aws.ecr_state.host}/{image}")
    assert aws.do("GetFunction", FunctionName="frames")["Configuration"]["LastUpdateStatus"] == "Successful"


def test_images_of_another_registry_are_refused(aws: StrictAws) -> None:
    aws.make_function("frames")
    image = aws.put_image()
    with refused("InvalidParameterValueException", "is not valid"):
        aws.client("lambda").update_function_code(
            FunctionName="frames", ImageUri=f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/app@{image.digest}"
        )


def test_a_zip_function_takes_no_image(aws: StrictAws) -> None:
    functions = aws.client("lambda")
    functions.create_function(
        FunctionName="old", Role=ROLE, Code={"ZipFile": b"zip"}, Runtime="python3.13", Handler="a.b"
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="old", WaiterConfig={"Delay": 0})
    with refused("InvalidParameterValueException", "packageType Zip"):
        functions.update_function_code(FunctionName="old", ImageUri=aws.image_uri(aws.put_image()))


def test_lambda_needs_the_right_to_pull_and_takes_it_only_if_the_caller_may_give_it(aws: StrictAws) -> None:
    aws.make_function("frames")
    image = aws.put_image(repository="other")
    allowed = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
    somebody = aws.identity("somebody", {"Statement": [allowed]})
    with refused("AccessDeniedException", "Check the ECR permissions"):
        aws.client("lambda", somebody).update_function_code(FunctionName="frames", ImageUri=aws.image_uri(image))
    aws.client("lambda").update_function_code(FunctionName="frames", ImageUri=aws.image_uri(image))
    policy = aws.client("ecr").get_repository_policy(repositoryName="other")["policyText"]
    assert "lambda.amazonaws.com" in policy


# Versions and aliases.


def test_publishing_without_a_change_gives_the_version_that_is_there(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    assert functions.publish_version(FunctionName="frames")["Version"] == "1"
    with refused("InvalidParameterValueException", "is different from current CodeSHA256 in $LATEST"):
        functions.publish_version(FunctionName="frames", CodeSha256="0" * 64)
    aws.release("frames", aws.put_image())
    assert [item["Version"] for item in functions.list_versions_by_function(FunctionName="frames")["Versions"]] == [
        "$LATEST",
        "1",
        "2",
    ]


def test_an_alias_is_changed_only_by_who_knows_its_revision(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.release("frames", aws.put_image())
    functions = aws.client("lambda")
    alias = functions.get_alias(FunctionName="frames", Name="live")
    weighted = functions.update_alias(
        FunctionName="frames",
        Name="live",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}},
        RevisionId=alias["RevisionId"],
    )
    assert weighted["FunctionVersion"] == "1"
    assert weighted["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.25}}
    with refused("PreconditionFailedException"):
        functions.update_alias(FunctionName="frames", Name="live", FunctionVersion="2", RevisionId=alias["RevisionId"])
    moved = functions.update_alias(
        FunctionName="frames", Name="live", FunctionVersion="2", RoutingConfig={}, RevisionId=weighted["RevisionId"]
    )
    assert "RoutingConfig" not in moved


@pytest.mark.parametrize(
    ("version", "weights", "code"),
    [
        ("1", {"7": 0.1}, "ResourceNotFoundException"),
        ("1", {"2": 1.5}, "ValidationException"),
        ("1", {"1": 0.5}, "InvalidParameterValueException"),
        ("$LATEST", {"1": 0.5}, "InvalidParameterValueException"),
        ("9", {}, "ResourceNotFoundException"),
    ],
)
def test_an_alias_points_only_to_versions_that_can_share(
    aws: StrictAws, version: str, weights: dict[str, float], code: str
) -> None:
    aws.make_function("frames")
    aws.release("frames", aws.put_image())
    with refused(code):
        aws.client("lambda").update_alias(
            FunctionName="frames",
            Name="live",
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights},
        )


def test_a_version_that_an_alias_uses_is_not_deleted(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    with refused("ResourceConflictException", "[live]"):
        functions.delete_function(FunctionName="frames", Qualifier="1")
    functions.delete_alias(FunctionName="frames", Name="live")
    functions.delete_function(FunctionName="frames", Qualifier="1")
    with refused("ResourceNotFoundException", "function:frames:1"):
        functions.get_function(FunctionName="frames", Qualifier="1")


def test_long_lists_come_in_pages(aws: StrictAws) -> None:
    aws.make_function("frames")
    for number in range(60):
        aws.do("CreateAlias", FunctionName="frames", Name=f"a{number}", FunctionVersion="1")
    functions = aws.client("lambda")
    assert "NextMarker" in functions.list_aliases(FunctionName="frames")
    pages = functions.get_paginator("list_aliases").paginate(FunctionName="frames")
    assert len([alias for page in pages for alias in page["Aliases"]]) == 61


def test_provisioned_concurrency_follows_its_alias_in_its_own_time(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    with refused("ProvisionedConcurrencyConfigNotFoundException"):
        functions.get_provisioned_concurrency_config(FunctionName="frames", Qualifier="live")
    functions.put_provisioned_concurrency_config(
        FunctionName="frames", Qualifier="live", ProvisionedConcurrentExecutions=2
    )
    seen = [_provisioned(functions) for _ in range(2)]
    aws.fail_next("UpdateAlias", "FUNCTION_ERROR")
    aws.release("frames", aws.put_image())
    functions.update_alias(FunctionName="frames", Name="live", FunctionVersion="2")
    seen += [_provisioned(functions) for _ in range(2)]
    assert seen == ["IN_PROGRESS", "READY", "IN_PROGRESS", "FAILED"]


def _provisioned(functions: Any) -> str:
    return str(functions.get_provisioned_concurrency_config(FunctionName="frames", Qualifier="live")["Status"])


# Invocations, their metrics and logs.


def test_a_weighted_alias_shares_its_invocations(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.release("frames", aws.put_image())
    aws.do("UpdateAlias", FunctionName="frames", Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 0.3}})
    functions = aws.client("lambda")
    answers = [functions.invoke(FunctionName="frames", Qualifier="live")["ExecutedVersion"] for _ in range(200)]
    assert 40 <= Counter(answers)["2"] <= 80


def test_an_invocation_is_answered_counted_and_logged_as_scripted(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.answer(Answer({"errorType": "Corrupt"}, error="Unhandled", log="it broke"), version="1")
    answer = aws.client("lambda").invoke(FunctionName="frames:live", Payload=b"{}", LogType="Tail")
    assert (answer["FunctionError"], answer["ExecutedVersion"]) == ("Unhandled", "1")
    assert json.loads(answer["Payload"].read()) == {"errorType": "Corrupt"}
    assert "it broke" in base64.b64decode(answer["LogResult"]).decode()
    events = aws.client("logs").filter_log_events(logGroupName="/aws/lambda/frames", filterPattern="broke")["events"]
    assert [event["message"] for event in events] == ["it broke\n"]
    assert _errors(aws, "1") == 1
    aws.metrics.count("Errors", 4, _dimensions("2"))
    assert _errors(aws, "2") == 4


def _dimensions(version: str) -> dict[str, str]:
    return {"FunctionName": "frames", "Resource": "frames:live", "ExecutedVersion": version}


def _errors(aws: StrictAws, version: str) -> float:
    now = datetime.now(UTC)
    metric = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Errors",
        "Dimensions": [{"Name": name, "Value": value} for name, value in _dimensions(version).items()],
    }
    answer = aws.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "errors", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
    )
    return float(sum(answer["MetricDataResults"][0]["Values"]))


def test_an_idle_function_is_woken_by_the_first_invocation(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.set_state("frames", "1", State="Inactive", StateReasonCode="Idle", StateReason="It was idle.")
    functions = aws.client("lambda")
    with refused("ResourceNotReadyException"):
        functions.invoke(FunctionName="frames", Qualifier="1")
    functions.get_waiter("function_active_v2").wait(FunctionName="frames", Qualifier="1", WaiterConfig={"Delay": 0})
    assert functions.invoke(FunctionName="frames", Qualifier="1")["StatusCode"] == 200
