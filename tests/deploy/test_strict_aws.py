"""The account that the other tests rely on is as strict as AWS. It is talked to by boto3 and HTTP, as tools do."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from local.stack import DIRECT
from tests.aws import (
    Answer,
    Change,
    Delay,
    Drop,
    Fail,
    Hang,
    LoseAnswer,
    Meanwhile,
    StrictAws,
    samples,
)
from tests.aws.strict import ROLE


@contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code
    assert words in caught.value.response["Error"]["Message"]


def uri(aws: StrictAws, image: samples.SampleImage) -> str:
    return f"{aws.depot.host}/{image.repository}@{image.digest}"


def revision(functions: Any, name: str = "frames") -> str:
    return str(functions.get_function_configuration(FunctionName=name)["RevisionId"])


# Lambda: code, revisions, states.


def test_an_update_resolves_the_tag_to_the_digest_that_it_has_now(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    first = aws.put_image(tag="latest")
    functions.update_function_code(FunctionName="frames", ImageUri=f"{aws.depot.host}/app:latest")
    aws.put_image(tag="latest")
    code = functions.get_function(FunctionName="frames")["Code"]
    assert code["ImageUri"] == f"{aws.depot.host}/app:latest"
    assert code["ResolvedImageUri"] == uri(aws, first)
    configuration = functions.get_function_configuration(FunctionName="frames")
    assert configuration["CodeSha256"] == first.digest.removeprefix("sha256:")


def test_every_change_gives_another_revision_and_so_does_its_completion(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    before = revision(functions)
    image = uri(aws, aws.put_image())
    answer = functions.update_function_code(FunctionName="frames", ImageUri=image, RevisionId=before)
    assert answer["LastUpdateStatus"] == "InProgress"
    functions.get_waiter("function_updated_v2").wait(FunctionName="frames", WaiterConfig={"Delay": 0})
    after = revision(functions)
    assert len({before, answer["RevisionId"], after}) == 3
    with refused("PreconditionFailedException", "does not match the latest Revision Id"):
        functions.update_function_configuration(FunctionName="frames", MemorySize=256, RevisionId=answer["RevisionId"])
    version = functions.publish_version(FunctionName="frames", RevisionId=after)
    assert revision(functions) not in (after, version["RevisionId"])
    functions.get_waiter("published_version_active").wait(FunctionName="frames", Qualifier=version["Version"])
    published = functions.get_function_configuration(FunctionName="frames", Qualifier=version["Version"])
    assert (published["State"], published["RevisionId"]) == ("Active", version["RevisionId"])


def test_no_change_is_taken_while_another_is_under_way(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.takes("UpdateFunctionConfiguration", looks=3)
    functions = aws.client("lambda")
    functions.update_function_configuration(FunctionName="frames", MemorySize=256)
    changes: tuple[Callable[[], object], ...] = (
        lambda: functions.update_function_configuration(FunctionName="frames", MemorySize=512),
        lambda: functions.update_function_code(FunctionName="frames", ImageUri=uri(aws, aws.put_image())),
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
    functions.update_function_code(FunctionName="frames", ImageUri=uri(aws, aws.put_image()))
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
        aws.client("lambda").update_function_code(FunctionName="frames", ImageUri=f"{aws.depot.host}/{image}")
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
        functions.update_function_code(FunctionName="old", ImageUri=uri(aws, aws.put_image()))


def test_lambda_needs_the_right_to_pull_and_takes_it_only_if_the_caller_may_give_it(aws: StrictAws) -> None:
    aws.make_function("frames")
    image = aws.put_image(repository="other")
    allowed = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
    somebody = aws.identity("somebody", {"Statement": [allowed]})
    with refused("AccessDeniedException", "Check the ECR permissions"):
        aws.client("lambda", somebody).update_function_code(FunctionName="frames", ImageUri=uri(aws, image))
    aws.client("lambda").update_function_code(FunctionName="frames", ImageUri=uri(aws, image))
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


# ECR.


def test_a_stored_image_is_described_by_what_it_is(aws: StrictAws) -> None:
    image = aws.put_image(tag="v1")
    images = aws.client("ecr")
    detail = images.describe_images(repositoryName="app", imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
    layer = json.loads(image.manifest)["layers"][0]
    assert (detail["imageDigest"], detail["imageTags"]) == (image.digest, ["v1"])
    assert detail["imageSizeInBytes"] == layer["size"]
    got = images.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}, {"imageTag": "v2"}])
    assert got["images"][0]["imageManifest"].encode() == image.manifest
    assert got["failures"][0]["failureCode"] == "ImageNotFound"
    url = images.get_download_url_for_layer(repositoryName="app", layerDigest=layer["digest"])["downloadUrl"]
    with DIRECT.open(url, timeout=10) as download:
        assert download.read() == image.blobs[layer["digest"]]
    images.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": image.digest}])
    with refused("ImageNotFoundException", image.digest):
        images.describe_images(repositoryName="app", imageIds=[{"imageDigest": image.digest}])


def test_an_immutable_tag_stays_where_it_is(aws: StrictAws) -> None:
    images = aws.client("ecr")
    images.create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    first, second = aws.put_image(repository="fixed", tag="v1"), aws.put_image(repository="fixed")
    with refused("ImageTagAlreadyExistsException"):
        images.put_image(repositoryName="fixed", imageManifest=second.manifest.decode(), imageTag="v1")
    with refused("ImageAlreadyExistsException"):
        images.put_image(repositoryName="fixed", imageManifest=first.manifest.decode(), imageTag="v1")
    status, _, body = registry(aws, "PUT", "/v2/fixed/manifests/v1", second.manifest, second.media_type)
    assert (status, json.loads(body)["errors"][0]["code"]) == (400, "TAG_INVALID")
    assert "cannot be overwritten because the repository is immutable" in body.decode()


def registry(
    aws: StrictAws, method: str, path: str, body: bytes | None = None, media_type: str = "", password: str | None = None
) -> tuple[int, Any, bytes]:
    """Status, headers and body. Without a password, one is fetched."""
    if password is None:
        password = aws.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    headers = {"Authorization": f"Basic {password}", "Content-Type": media_type or "application/octet-stream"}
    address = path if path.startswith("http") else f"{aws.url}{path}"
    request = urllib.request.Request(address, body, headers if password else {}, method=method)  # noqa: S310
    try:
        with DIRECT.open(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_an_image_is_pushed_and_pulled_by_the_registry_protocol(aws: StrictAws) -> None:
    aws.client("ecr").create_repository(repositoryName="team/app")
    image = samples.make()
    status, _, body = registry(aws, "PUT", "/v2/team/app/manifests/v1", image.manifest, image.media_type)
    assert (status, json.loads(body)["errors"][0]["code"]) == (400, "MANIFEST_BLOB_UNKNOWN")
    for digest, data in image.blobs.items():
        assert registry(aws, "HEAD", f"/v2/team/app/blobs/{digest}")[0] == 404
        place = registry(aws, "POST", "/v2/team/app/blobs/uploads/", b"")[1]["Location"]
        assert registry(aws, "PATCH", place, data)[1]["Range"] == f"0-{len(data) - 1}"
        assert registry(aws, "PUT", f"{place}?digest=sha256:{'0' * 64}", b"")[0] == 400
        assert registry(aws, "PUT", f"{place}?digest={digest}", b"")[1]["Docker-Content-Digest"] == digest
        assert registry(aws, "GET", f"/v2/team/app/blobs/{digest}")[2] == data
    pushed = registry(aws, "PUT", "/v2/team/app/manifests/v1", image.manifest, image.media_type)
    assert (pushed[0], pushed[1]["Docker-Content-Digest"]) == (201, image.digest)
    head = registry(aws, "HEAD", "/v2/team/app/manifests/v1")
    assert (head[1]["Docker-Content-Digest"], head[1]["Content-Type"]) == (image.digest, image.media_type)
    assert registry(aws, "GET", f"/v2/team/app/manifests/{image.digest}")[2] == image.manifest


def test_the_registry_takes_only_passwords_that_ecr_issued_and_that_have_not_expired(aws: StrictAws) -> None:
    status, headers, _ = registry(aws, "GET", "/v2/", password="")
    assert status == 401
    assert headers["Www-Authenticate"].startswith('Basic realm="https://123456789012.dkr.ecr.')
    assert registry(aws, "GET", "/v2/", password=base64.b64encode(b"AWS:guess").decode())[0] == 401
    data = aws.client("ecr").get_authorization_token()["authorizationData"][0]
    assert data["proxyEndpoint"] == aws.url
    assert timedelta(hours=11) < data["expiresAt"] - datetime.now(UTC) < timedelta(hours=13)
    assert registry(aws, "GET", "/v2/", password=data["authorizationToken"])[0] == 200
    aws.expire_passwords()
    status, _, body = registry(aws, "GET", "/v2/", password=data["authorizationToken"])
    assert (status, json.loads(body)["errors"][0]["code"]) == (403, "DENIED")


# Identities and rights.


def test_what_the_policy_does_not_allow_is_denied_by_name(aws: StrictAws) -> None:
    arn = aws.make_function("frames")
    reads = {"Effect": "Allow", "Action": ["lambda:Get*", "ecr:GetAuthorizationToken"], "Resource": "*"}
    reader = aws.identity("reader", {"Version": "2012-10-17", "Statement": [reads]})
    functions = aws.client("lambda", reader)
    functions.get_function(FunctionName="frames")
    denied = f"is not authorized to perform: lambda:UpdateFunctionConfiguration on resource: {arn}"
    with refused("AccessDeniedException", f"User: arn:aws:iam::123456789012:user/reader {denied}"):
        functions.update_function_configuration(FunctionName="frames", MemorySize=256)
    token = aws.client("ecr", reader).get_authorization_token()["authorizationData"][0]["authorizationToken"]
    aws.put_image()
    status, _, body = registry(aws, "POST", "/v2/app/blobs/uploads/", b"", password=token)
    assert status == 403
    assert "ecr:InitiateLayerUpload on resource: arn:aws:ecr:us-east-1:123456789012:repository/app" in body.decode()


def test_credentials_must_be_known_signed_current_and_not_expired(aws: StrictAws) -> None:
    session = aws.identity("sso", session=True)
    whoami = aws.client("sts", session).get_caller_identity()
    assert whoami["Arn"] == "arn:aws:sts::123456789012:assumed-role/sso/session"
    stranger = StrictAws()
    with stranger, refused("UnrecognizedClientException"):
        aws.client("lambda", stranger.deployer).list_functions()
    aws.expire(session)
    with refused("ExpiredTokenException", "The security token included in the request is expired"):
        aws.client("lambda", session).list_functions()
    aws.skew(3600)
    with refused("InvalidSignatureException", "Signature expired"):
        aws.client("ecr").describe_repositories()


def test_a_wrong_secret_is_a_wrong_signature(aws: StrictAws) -> None:
    with refused("InvalidSignatureException", "does not match the signature"):
        aws.client("lambda", replace(aws.deployer, secret_key="guess")).list_functions()  # noqa: S106


# What is broken on command, and what is seen of it.


def test_requests_that_no_client_makes_are_refused_and_told() -> None:
    with StrictAws() as aws:
        functions = aws.client("lambda")
        functions.meta.events.register("before-parameter-build.lambda.ListFunctions", _no_validation)
        functions.meta.events.register("before-sign.lambda.ListFunctions", _with_typo)
        with refused("ValidationException", "Typo"):
            functions.list_functions()
        assert len(aws.violations) == 1
        assert "Typo" in aws.violations[0]


def _no_validation(**_: object) -> None:
    """botocore would not send it."""


def _with_typo(request: Any, **_: object) -> None:
    request.url += "?Typo=1"


def test_answers_that_aws_never_gives_are_told() -> None:
    with StrictAws() as aws:
        aws.make_function("frames")
        functions = aws.client("lambda")
        with aws.rule(Change(lambda answer: answer.update(Surprise=1))), refused("InternalFailure"):
            functions.get_function(FunctionName="frames")
        with aws.rule(Fail("ImageNotFoundException")), refused("ImageNotFoundException"):
            functions.get_function(FunctionName="frames")
        assert len(aws.violations) == 2


def test_rules_act_on_the_calls_that_they_are_for(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    with aws.rule(Fail("TooManyRequestsException"), "GetAlias", {"Name": "live"}, skip=1, times=1) as rule:
        functions.get_alias(FunctionName="frames", Name="live")
        with refused("TooManyRequestsException"):
            functions.get_alias(FunctionName="frames", Name="live")
        functions.get_alias(FunctionName="frames", Name="live")
    assert [(call.status, call.code) for call in rule.hits] == [(429, "TooManyRequestsException")]
    assert [call.status for call in aws.calls("GetAlias")] == [200, 429, 200]
    assert aws.changes() == []


def test_a_lost_answer_has_had_its_effect_and_a_dropped_call_has_not(aws: StrictAws) -> None:
    aws.make_function("frames")
    functions = aws.client("lambda")
    for action, memory in ((Drop(), 128), (LoseAnswer(), 256)):
        with aws.rule(action), pytest.raises(ConnectionClosedError):
            functions.update_function_configuration(FunctionName="frames", MemorySize=256)
        assert aws.do("GetFunctionConfiguration", FunctionName="frames")["MemorySize"] == memory
    assert [call.outcome for call in aws.changes()] == ["broken off"] * 2


def test_a_hanging_call_ends_with_the_account() -> None:
    with StrictAws() as aws:
        functions = aws.client("lambda")
        functions.meta.config.read_timeout = 1
        ended: list[Exception] = []

        def ask() -> None:
            try:
                functions.list_functions()
            except (ConnectionClosedError, ReadTimeoutError) as error:
                ended.append(error)

        with aws.rule(Hang()) as rule:
            thread = threading.Thread(target=ask)
            thread.start()
            _until(lambda: bool(rule.hits))
    thread.join(10)
    assert isinstance(ended[0], ConnectionClosedError)


def _until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_somebody_else_can_be_quicker(aws: StrictAws) -> None:
    aws.make_function("frames")
    aws.release("frames", aws.put_image())
    functions = aws.client("lambda")
    known = functions.get_alias(FunctionName="frames", Name="live")["RevisionId"]
    theirs = Meanwhile(lambda: aws.do("UpdateAlias", FunctionName="frames", Name="live", Description="theirs"))
    with aws.rule(theirs, "UpdateAlias"), refused("PreconditionFailedException"):
        functions.update_alias(FunctionName="frames", Name="live", FunctionVersion="2", RevisionId=known)
    assert aws.do("GetAlias", FunctionName="frames", Name="live")["Description"] == "theirs"


def test_answers_can_be_changed_and_delayed(aws: StrictAws) -> None:
    aws.put_image(tag="v1")
    other = "sha256:" + "1" * 64
    with aws.rule(Change(lambda headers: headers.update({"Docker-Content-Digest": other})), "HeadManifest"):
        assert registry(aws, "HEAD", "/v2/app/manifests/v1")[1]["Docker-Content-Digest"] == other
    start = time.monotonic()
    with aws.rule(Delay(0.2), "DescribeRepositories"):
        aws.client("ecr").describe_repositories()
    assert time.monotonic() - start >= 0.2


_UPDATE = """
import boto3, sys
functions = boto3.client("lambda")
functions.get_function(FunctionName="frames")
functions.update_function_configuration(FunctionName="frames", MemorySize=256)
"""


@pytest.mark.parametrize(("after", "memory"), [(False, 128), (True, 256)])
def test_a_process_can_be_killed_at_the_border_of_a_call(aws: StrictAws, after: bool, memory: int) -> None:
    aws.make_function("frames")
    with aws.hold(skip=1, after=after) as held:
        process = subprocess.Popen([sys.executable, "-c", _UPDATE], env=aws.environment())
        call = held.arrived(process=process)
        assert call is not None
        assert call.operation == "UpdateFunctionConfiguration"
        process.kill()
        process.wait()
    assert aws.do("GetFunctionConfiguration", FunctionName="frames")["MemorySize"] == memory


def test_a_call_that_never_comes_is_not_waited_for(aws: StrictAws) -> None:
    aws.make_function("frames")
    with aws.hold(skip=2) as held:
        process = subprocess.Popen([sys.executable, "-c", _UPDATE], env=aws.environment())
        assert held.arrived(process=process) is None
        assert process.returncode == 0
