"""ECR: repositories as this tool wants them, and the images in them.

Refusals that are not ECR's own (permissions, credentials, throttling) are raised as botocore's ClientError;
deploy.aws.explained turns it into one of this tool's errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from deploy import policy
from deploy.aws import tolerated, translated
from deploy.errors import AwsRefusedError, DigestMismatchError, RepositoryNotFoundError
from deploy.image.oci import INDEXES, MANIFESTS, StoredManifest
from deploy.registry.address import Address

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecr.type_defs import ImageDetailTypeDef, ImageIdentifierTypeDef, RepositoryTypeDef

UNTAGGED_DAYS: Final = 14
_MAX_IMAGES_AT_ONCE: Final = 100  # ECR's limit
_ABSENT: Final = ("ImageNotFound", "ImageInaccessible")  # deleted or never there; archived
# The account is empty for other registries than ECR.
_IMAGE_URI: Final = re.compile(r"(?:(\d{12})\.dkr[.-]ecr[^/]+|[^/]+)/([^:@]+)(?::[^@]+)?@(.+)")
PULL_ACTIONS: Final = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


@dataclass(frozen=True)
class StoredImage:
    """An image in DescribeImages. `size_bytes` is compressed; `status` is ACTIVE, ARCHIVED or ACTIVATING."""

    digest: str
    tags: tuple[str, ...]
    size_bytes: int
    pushed: datetime
    status: str


@dataclass(frozen=True)
class Repository:
    """A repository of one account and region. `uri` is HOST/NAME as ECR writes it, `address` that of its registry.

    An emulator on this machine serves the registry beside the API, whatever host its `uri` names.
    """

    name: str
    arn: str
    uri: str
    mutability: str
    scans: bool
    address: Address
    client: ECRClient = field(repr=False, compare=False)

    def login(self) -> str:
        """Fetch a new token for HTTP's basic authentication, which is good for twelve hours."""
        return self.client.get_authorization_token()["authorizationData"][0]["authorizationToken"]

    def manifest(self, reference: str) -> StoredManifest | None:
        """Return the manifest or index of a tag or digest; None if there is none. Raises DigestMismatchError."""
        by_digest = reference.startswith("sha256:")
        return next(self._manifests([{"imageDigest": reference} if by_digest else {"imageTag": reference}]), None)

    def manifests(self, digests: Sequence[str]) -> Iterator[StoredManifest]:
        """Yield the manifests of images that exist and are not archived, in any order. Raises DigestMismatchError."""
        for some in batched(digests):
            yield from self._manifests([{"imageDigest": digest} for digest in some])

    def _manifests(self, wanted: Sequence[ImageIdentifierTypeDef]) -> Iterator[StoredManifest]:
        answer = self.client.batch_get_image(
            repositoryName=self.name, imageIds=list(wanted), acceptedMediaTypes=sorted(MANIFESTS | INDEXES)
        )
        for failure in answer.get("failures", []):
            if failure["failureCode"] not in _ABSENT:
                what = f"ECR does not give {failure['imageId']} of {self.name}: {failure['failureReason']}"
                raise AwsRefusedError(what, then="see the repository in ECR's console", code=failure["failureCode"])
        for image in answer.get("images", []):
            found = StoredManifest(image["imageManifest"].encode(), image["imageManifestMediaType"])
            said = image["imageId"].get("imageDigest", found.digest)
            if said != found.digest:
                what = f"ECR says that an image of {self.name} is {said}, but its manifest's digest is {found.digest}"
                raise DigestMismatchError(what, then="push the image under another tag", said=said, found=found.digest)
            yield found

    def images(self) -> Iterator[StoredImage]:
        """Yield all images, archived ones too, in ECR's order."""
        pages = self.client.get_paginator("describe_images").paginate(
            repositoryName=self.name, filter={"imageStatus": "ANY"}
        )
        for page in pages:
            yield from map(_stored, page["imageDetails"])


def batched(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield as many digests at once as ECR takes in a call."""
    for start in range(0, len(digests), _MAX_IMAGES_AT_ONCE):
        yield digests[start : start + _MAX_IMAGES_AT_ONCE]


def parse_image_uri(uri: str) -> tuple[str, str, str]:
    """Return account, repository and digest of HOST/NAME@DIGEST. The account is empty if the host is not ECR's."""
    found = _IMAGE_URI.fullmatch(uri)
    if not found:
        raise ValueError(f"{uri} is not HOST/NAME@DIGEST")
    return found[1] or "", found[2], found[3]


def image(client: ECRClient, uri: str) -> StoredImage | None:
    """Return the image of HOST/NAME@DIGEST; None if it or its repository is gone."""
    account, repository, digest = parse_image_uri(uri)
    owner: Any = {"registryId": account} if account else {}
    with tolerated("ImageNotFoundException", "RepositoryNotFoundException"):
        answer = client.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}], **owner)
        return _stored(answer["imageDetails"][0])
    return None


def find(client: ECRClient, name: str) -> Repository:
    """Return the repository. Raises RepositoryNotFoundError."""
    region = client.meta.region_name
    missing = RepositoryNotFoundError(
        f"there is no repository {name!r} in {region}",
        then="`ecr_push.py push --create` makes it; or choose another --region",
        repository=name,
        region=region,
    )
    with translated("RepositoryNotFoundException", missing):
        return _repository(client, client.describe_repositories(repositoryNames=[name])["repositories"][0])


def create(client: ECRClient, name: str) -> Repository:
    """Make the repository if it is missing: tags that never move, scans, Lambda may pull, untagged images expire.

    An existing one is left unchanged; but an empty one of ours without policies is a creation that was cut short.
    """
    with suppress(RepositoryNotFoundError):
        found = find(client, name)
        if found.mutability == "IMMUTABLE" and found.scans and not any(found.images()):
            _finish(found)
        return found
    with tolerated("RepositoryAlreadyExistsException"):
        made = client.create_repository(
            repositoryName=name, imageTagMutability="IMMUTABLE", imageScanningConfiguration={"scanOnPush": True}
        )
        repository = _repository(client, made["repository"])
        _finish(repository)
        return repository
    return find(client, name)  # another caller was quicker, or the answer to a first try was lost


def _finish(repository: Repository) -> None:
    """Give the repository the policies that it lacks."""
    client, name = repository.client, repository.name
    try:
        client.get_repository_policy(repositoryName=name)
    except client.exceptions.RepositoryPolicyNotFoundException:
        client.set_repository_policy(repositoryName=name, policyText=json.dumps(pull_policy(repository.arn)))
    try:
        client.get_lifecycle_policy(repositoryName=name)
    except client.exceptions.LifecyclePolicyNotFoundException:
        client.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=json.dumps(lifecycle_policy()))


def pull_policy(arn: str) -> dict[str, Any]:
    """Return the policy by which functions of the repository's account and region may pull from it."""
    _, partition, _, region, account, _ = arn.split(":", 5)
    functions = f"arn:{partition}:lambda:{region}:{account}:function:*"
    return policy.document(
        {
            "Sid": "LambdaECRImageRetrievalPolicy",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": list(PULL_ACTIONS),
            "Condition": {"StringLike": {"aws:sourceArn": functions}},
        }
    )


def lifecycle_policy() -> dict[str, Any]:
    """Return rules by which untagged images expire; no rule selects a tagged one, which a function may run."""
    age = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": UNTAGGED_DAYS}
    rule = {
        "rulePriority": 1,
        "description": f"untagged images expire after {UNTAGGED_DAYS} days",
        "selection": {"tagStatus": "untagged", **age},
        "action": {"type": "expire"},
    }
    return {"rules": [rule]}


def _repository(client: ECRClient, described: RepositoryTypeDef) -> Repository:
    uri = described["repositoryUri"]
    endpoint = Address.of_url(client.meta.endpoint_url)
    registry = Address(uri.partition("/")[0], authorities=getattr(client, "authorities", ""))
    return Repository(
        name=described["repositoryName"],
        arn=described["repositoryArn"],
        uri=uri,
        mutability=described.get("imageTagMutability", "MUTABLE"),
        scans=described.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        address=endpoint if endpoint.is_loopback else registry,
        client=client,
    )


def _stored(detail: ImageDetailTypeDef) -> StoredImage:
    return StoredImage(
        digest=detail["imageDigest"],
        tags=tuple(detail.get("imageTags", ())),
        size_bytes=detail.get("imageSizeInBytes", 0),
        pushed=detail["imagePushedAt"],
        status=detail.get("imageStatus", "ACTIVE"),
    )
