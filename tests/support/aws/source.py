"""The image that a function is to run, as Lambda looks at it when it is told of it."""

from __future__ import annotations

import json
from typing import Final

from tests.support.aws.ecr_state import MANIFESTS, EcrState, Manifest, Repository
from tests.support.aws.errors import AwsError
from tests.support.aws.identities import Identity
from tests.support.aws.rights import LAMBDA_PULLS, allows, lets_lambda_pull
from tests.support.aws.shared_state import ACCOUNT, REGION

_ARCHITECTURES: Final = {"amd64": "x86_64", "arm64": "arm64"}
_CONFIGS: Final = {
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
}
_LAYERS: Final = {
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
}


class Sources:
    def __init__(self, ecr_state: EcrState) -> None:
        self._depot = ecr_state

    def resolve(self, uri: str, architecture: str, caller: Identity) -> tuple[str, str]:
        """The address by digest, and the digest. Raises AwsError for what Lambda would not take.

        AWS itself notices a wrong architecture only when the function starts; here it is refused at once.
        """
        repository, manifest, address = self._find(uri)
        self._require_pull(repository, caller)
        document = manifest.document
        config_type = document.get("config", {}).get("mediaType")
        layer_types = {layer["mediaType"] for layer in document.get("layers", [])}
        if manifest.media_type not in MANIFESTS or config_type not in _CONFIGS or not layer_types <= _LAYERS:
            raise _refused(
                f"The image manifest, config or layer media type for the source image {uri} is not supported."
            )
        config = json.loads(repository.blobs[document["config"]["digest"]])
        found = _ARCHITECTURES.get(config.get("architecture", ""), config.get("architecture", ""))
        if found != architecture:
            raise _refused(f"The architecture {found} of the source image {uri} is not the function's, {architecture}.")
        return f"{address}@{manifest.digest}", manifest.digest

    def _find(self, uri: str) -> tuple[Repository, Manifest, str]:
        host, _, rest = uri.partition("/")
        name, at, digest = rest.partition("@")
        name, _, tag = name.partition(":")
        hosts = {self._depot.shared_state.host, self._depot.host, f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"}
        if host not in hosts or not name or (at and not digest):
            raise _refused(f"Source image {uri} is not valid. Provide a valid source image.")
        repository = self._depot.repositories.get(name)
        manifest = repository.find(digest or tag or "latest") if repository else None
        if repository is None or manifest is None or manifest.archived:
            raise _refused(f"Source image {uri} does not exist. Provide a valid source image.")
        return repository, manifest, f"{host}/{name}"

    def _require_pull(self, repository: Repository, caller: Identity) -> None:
        """Lambda gives itself the right to pull, if the caller may."""
        policy = json.loads(repository.policy or '{"Version": "2008-10-17", "Statement": []}')
        if lets_lambda_pull(policy):
            return
        if not all(allows(caller, f"ecr:{verb}RepositoryPolicy", repository.arn) for verb in ("Get", "Set")):
            raise AwsError(
                "AccessDeniedException",
                "Lambda does not have permission to access the ECR image. Check the ECR permissions.",
            )
        policy["Statement"].append(
            {
                "Sid": "LambdaECRImageRetrievalPolicy",
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": list(LAMBDA_PULLS),
            }
        )
        repository.policy = json.dumps(policy)


def _refused(message: str) -> AwsError:
    return AwsError("InvalidParameterValueException", message)
