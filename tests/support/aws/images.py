"""ECR's images through its API: described, listed, fetched, put, deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tests.support.aws.downloads import layer_url
from tests.support.aws.ecr_state import INDEXES, MANIFESTS, EcrState, Manifest, Repository
from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.repositories import page
from tests.support.aws.shared_state import ACCOUNT

_AT_ONCE: Final = 100


class Images:
    def __init__(self, ecr_state: EcrState) -> None:
        self._depot = ecr_state

    def describe_images(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        repository = self._depot.repository(asked)
        if "imageIds" not in asked:
            return page([_detail(repository, image) for image in _chosen(repository, asked)], asked, "imageDetails")
        found = []
        for wanted in asked["imageIds"]:
            image = _find(repository, wanted)
            if image is None:
                raise _not_found(repository, wanted)
            found.append(_detail(repository, image))
        return {"imageDetails": found}

    def list_images(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        repository = self._depot.repository(asked)
        found = []
        for image in _chosen(repository, asked):
            tags = repository.tags_of(image.digest)
            found += [{"imageDigest": image.digest, "imageTag": tag} for tag in tags] or [{"imageDigest": image.digest}]
        return page(found, asked, "imageIds")

    def batch_get_image(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        repository = self._depot.repository(asked)
        accepted = asked.get("acceptedMediaTypes", MANIFESTS + INDEXES)
        images, failures = [], []
        for wanted in _limited(asked["imageIds"]):
            image = _find(repository, wanted)
            if image is None or image.media_type not in accepted:
                failures.append(_failure(wanted, "ImageNotFound", "Requested image not found"))
                continue
            images.append(_image(repository, image, wanted.get("imageTag")))
        return {"images": images, "failures": failures}

    def describe_image_scan_findings(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """Answers from `repository.scans`, by digest."""
        repository, digest = self._depot.repository(asked), asked["imageId"]["imageDigest"]
        if digest not in repository.scans:
            raise AwsError("ScanNotFoundException", "Image scan does not exist for the image")
        return {"repositoryName": repository.name, "imageId": asked["imageId"], **repository.scans[digest]}

    def list_image_referrers(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        repository, subject = self._depot.repository(asked), asked["subjectId"]["imageDigest"]
        found = repository.referrers(subject)
        return {
            "referrers": [
                {
                    "digest": image.digest,
                    "mediaType": image.media_type,
                    "artifactType": image.artifact_type,
                    "size": len(image.data),
                    "artifactStatus": _status(image),
                }
                for image in found
            ]
        }

    def put_image(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        repository = self._depot.repository(asked)
        data = asked["imageManifest"].encode()
        media_type = asked.get("imageManifestMediaType") or json.loads(data).get("mediaType", MANIFESTS[0])
        image = Manifest(data, media_type, self._depot.shared_state.now())
        if asked.get("imageDigest", image.digest) != image.digest:
            raise AwsError("ImageDigestDoesNotMatchException", "Given image digest does not match the manifest's")
        repository.put(image, asked.get("imageTag"))
        return {"image": _image(repository, image, asked.get("imageTag"))}

    def batch_delete_image(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """By digest the image with all its tags; by tag the tag, and with its last tag the image."""
        repository = self._depot.repository(asked)
        deleted, failures = [], []
        for wanted in _limited(asked["imageIds"]):
            image = _find(repository, wanted)
            if image is None:
                failures.append(_failure(wanted, "ImageNotFound", "Requested image not found"))
                continue
            tags = repository.tags_of(image.digest)
            users = [other.digest for other in repository.manifests.values() if image.digest in other.children]
            by_tag = wanted.get("imageTag") if "imageDigest" not in wanted else None
            if users and (by_tag is None or tags == [by_tag]):
                reason = f"Requested image referenced by manifest list: {users}"
                failures.append(_failure(wanted, "ImageReferencedByManifestList", reason))
            elif by_tag is not None and len(tags) > 1:
                del repository.tags[by_tag]
                deleted.append({"imageDigest": image.digest, "imageTag": by_tag})
            else:
                repository.delete(image.digest)
                deleted += [{"imageDigest": image.digest, "imageTag": tag} for tag in tags] or [
                    {"imageDigest": image.digest}
                ]
        return {"imageIds": deleted, "failures": failures}

    def get_download_url_for_layer(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        """The address needs no password, as S3's presigned ones."""
        repository, digest = self._depot.repository(asked), asked["layerDigest"]
        if digest not in repository.blobs:
            raise AwsError(
                "LayersNotFoundException",
                f"The layer with digest '{digest}' does not exist in the repository with name '{repository.name}'",
            )
        return {"downloadUrl": layer_url(self._depot, repository, digest), "layerDigest": digest}

    def batch_check_layer_availability(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        repository = self._depot.repository(asked)
        layers, failures = [], []
        for digest in asked["layerDigests"]:
            if digest in repository.blobs:
                size = len(repository.blobs[digest])
                layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": size})
            else:
                reason = "Layer not found"
                failures.append({"layerDigest": digest, "failureCode": "MissingLayerDigest", "failureReason": reason})
        return {"layers": layers, "failures": failures}


def _find(repository: Repository, wanted: Mapping[str, str]) -> Manifest | None:
    """By digest, by tag, or by both, which must agree then."""
    image = repository.find(wanted.get("imageDigest") or wanted.get("imageTag", ""))
    if image and "imageTag" in wanted and repository.tags.get(wanted["imageTag"]) != image.digest:
        return None
    return image


def _chosen(repository: Repository, asked: Mapping[str, Any]) -> Iterator[Manifest]:
    chosen = asked.get("filter", {})
    status, tagged = chosen.get("imageStatus", "ACTIVE"), chosen.get("tagStatus", "ANY")
    for image in repository.manifests.values():
        is_tagged = bool(repository.tags_of(image.digest))
        if status in ("ANY", _status(image)) and tagged in ("ANY", "TAGGED" if is_tagged else "UNTAGGED"):
            yield image


def _status(image: Manifest) -> str:
    return "ARCHIVED" if image.archived else "ACTIVE"


def _detail(repository: Repository, image: Manifest) -> dict[str, Any]:
    tags = repository.tags_of(image.digest)
    return {
        "registryId": ACCOUNT,
        "repositoryName": repository.name,
        "imageDigest": image.digest,
        **({"imageTags": tags} if tags else {}),
        "imageSizeInBytes": repository.bytes_of(image),
        "imagePushedAt": datetime.fromtimestamp(image.pushed, UTC),
        "imageManifestMediaType": image.media_type,
        **({"artifactMediaType": image.artifact_type} if image.artifact_type else {}),
        **({"subjectManifestDigest": image.subject} if image.subject else {}),
        "imageStatus": _status(image),
    }


def _image(repository: Repository, image: Manifest, tag: str | None) -> dict[str, Any]:
    return {
        "registryId": ACCOUNT,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": image.digest} | ({"imageTag": tag} if tag else {}),
        "imageManifest": image.data.decode(),
        "imageManifestMediaType": image.media_type,
    }


def _failure(wanted: Mapping[str, str], code: str, reason: str) -> dict[str, Any]:
    return {"imageId": dict(wanted), "failureCode": code, "failureReason": reason}


def _limited(wanted: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(wanted) > _AT_ONCE:
        raise AwsError(
            "InvalidParameterException",
            "Invalid parameter at 'imageIds' failed to satisfy constraint: "
            f"'Member must have length less than or equal to {_AT_ONCE}'",
        )
    return wanted


def _not_found(repository: Repository, wanted: Mapping[str, str]) -> AwsError:
    said = f"{{imageDigest:'{wanted.get('imageDigest', 'null')}', imageTag:'{wanted.get('imageTag', 'null')}'}}"
    return AwsError(
        "ImageNotFoundException",
        f"The image with imageId {said} does not exist within the repository with name '{repository.name}' in the "
        f"registry with id '{ACCOUNT}'",
    )
