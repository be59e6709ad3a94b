"""The ECR and the rights that the other tests rely on are as strict as AWS's."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from local.stack import DIRECT
from tests.deploy.aws_requests import refused, registry
from tests.support.aws import StrictAws, samples


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
