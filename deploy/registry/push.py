"""Putting an image into a repository, under a tag that names its content, and finding one that is there."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Final

from deploy import errors
from deploy.image import oci
from deploy.image.localimage import Image
from deploy.image.oci import StoredManifest
from deploy.image.pushable import pack
from deploy.registry import Progress, silent
from deploy.registry.address import Address
from deploy.registry.client import Registry
from deploy.registry.ecr import Repository
from deploy.registry.transport import RetryPolicy

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Pushed:
    """An image in a registry. `digest` is the manifest's, never an index's; `bytes_uploaded` counts layers alone.

    `uri` is HOST/NAME@DIGEST, as functions take it; with the tag if the digest is not known yet.
    """

    uri: str
    digest: str
    tag: str
    already_there: bool = False
    bytes_uploaded: int = 0


def refuse_standin(image: Image, address: Address) -> None:
    """Raises StandInRefusedError for an image on the stand-in base and a registry that is not on this machine."""
    if image.is_standin and not address.is_loopback:
        what = f"{image.reference} stands on the stand-in base, for this machine, and {address.host} is not here"
        then = "build it on Lambda's own base: make image BASE=real"
        raise errors.StandInRefusedError(what, then=then, registry=address.host)


def foreseen(image: Image, repository: Repository, tag: str | None = None) -> Pushed:
    """Return the result of a push, as far as it is known before. Raises StandInRefusedError, UsageError."""
    tag = _checked(image, repository, tag)
    digest = image.manifest.digest if image.manifest else ""
    return Pushed(f"{repository.uri}@{digest}" if digest else f"{repository.uri}:{tag}", digest, tag)


def find_pushed(image: Image, repository: Repository, tag: str | None = None) -> Pushed | None:
    """Return the image if the tag is already its; None if the tag is free. One call if digests settle it.

    Raises StandInRefusedError and UsageError before any call, TagTakenError if the tag is another image's.
    """
    tag = _checked(image, repository, tag)
    top = repository.manifest(tag)
    if top is None:
        return None
    manifest = _for_architecture(repository, top, image.config.architecture)
    if manifest is None or not _is_same(image, repository, top, manifest):
        what = f"{repository.uri}:{tag} is another image ({top.digest})"
        raise errors.TagTakenError(what, then="choose another --tag; a tag is never moved", tag=tag, digest=top.digest)
    return Pushed(f"{repository.uri}@{manifest.digest}", manifest.digest, tag, already_there=True)


def push(
    image: Image,
    repository: Repository,
    tag: str | None = None,
    *,
    progress: Progress = silent,
    retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - it is frozen
) -> Pushed:
    """Put the image there, unless it is, and read it back.

    Raises the errors of `find_pushed`; PushFailedError, CredentialsError or PermissionDeniedError if the registry does
    not take it; DigestMismatchError if it holds something else afterwards; EngineUnavailableError.
    """
    tag_asked, tag = tag, _checked(image, repository, tag)
    if there := find_pushed(image, repository, tag):
        return there
    if image.saved.content_digest != image.content_digest:  # an engine need not describe everything
        return push(image.saved, repository, tag_asked, progress=progress, retry_policy=retry_policy)
    pushable = pack(image)
    try:
        with Registry(repository.address, repository.name, repository.login, retry_policy) as registry:
            sent = sum(registry.upload(layer, progress) for layer in pushable.layers)
            registry.upload(pushable.config, silent)
            registry.put_manifest(pushable.manifest, tag)
    except errors.TagTakenError:
        if there := find_pushed(image, repository, tag):  # the same image came from somewhere else meanwhile
            return there
        raise
    _read_back(repository, tag, pushable.manifest.digest, retry_policy)
    digest = pushable.manifest.digest
    return Pushed(f"{repository.uri}@{digest}", digest, tag, bytes_uploaded=sent)


def _checked(image: Image, repository: Repository, tag: str | None) -> str:
    refuse_standin(image, repository.address)
    tag = image.default_tag if tag is None else tag
    if not _TAG.fullmatch(tag):
        raise errors.UsageError(f"{tag!r} is no tag", then="letters, digits, _ . and -, not beginning with . or -")
    return tag


def _read_back(repository: Repository, tag: str, digest: str, retry_policy: RetryPolicy) -> None:
    """Require that the repository has the manifest under the tag; a moment may pass until it shows that."""
    for attempt in range(retry_policy.attempts):
        if top := repository.manifest(tag):
            break
        time.sleep(min(retry_policy.max_pause, retry_policy.first_pause * 2**attempt))
    else:
        what = f"{repository.uri}:{tag} was pushed and is not there"
        raise errors.PushFailedError(what, then="look for a rule that deletes images there")
    if top.digest != digest:
        what = f"{repository.uri}:{tag} is {top.digest}, and {digest} was pushed"
        then = "another push went to the tag, or something on the way changes bytes; push under another --tag"
        raise errors.DigestMismatchError(what, then=then, expected=digest, found=top.digest)


def _for_architecture(repository: Repository, top: StoredManifest, architecture: str) -> StoredManifest | None:
    """Return the manifest, or the one that an index lists for this architecture; None if it lists none."""
    if not top.is_index:
        return top
    index = oci.parse(oci.Index, top.data, f"the index {top.digest} in the registry")
    for child in index.manifests:
        if child.platform and child.platform.is_for(architecture):
            return repository.manifest(child.digest)
    return None


def _parsed(manifest: StoredManifest) -> oci.Manifest:
    return oci.parse(oci.Manifest, manifest.data, f"the manifest {manifest.digest} in the registry")


def _config(repository: Repository, digest: str) -> oci.ImageConfig:
    with Registry(repository.address, repository.name, repository.login) as registry:
        return oci.parse(oci.ImageConfig, registry.blob(digest), "the configuration in the registry")


def _is_same(image: Image, repository: Repository, top: StoredManifest, manifest: StoredManifest) -> bool:
    """Return whether it is the image: by a digest, or else by the content that its configuration names."""
    config_digest = _parsed(manifest).config.digest
    ours = {image.config_digest, *(stored.digest for stored in (image.manifest, image.index) if stored)}
    if ours & {top.digest, manifest.digest, config_digest}:
        return True
    return oci.content_digest(_config(repository, config_digest)) == image.content_digest


@dataclass(frozen=True)
class Stored:
    """An image in a repository, as a function can run it: `uri` is by the digest of a manifest, never of an index."""

    uri: str
    architecture: str
    start: oci.ContainerConfig


def resolve(repository: Repository, digest: str, architecture: str | None) -> Stored:
    """Find an image. Raises ImageNotFoundError, and ImageRefusedError for an index without this architecture."""
    top = repository.manifest(digest)
    if top is None:
        raise errors.ImageNotFoundError(f"{repository.name} has no image {digest}", then="push it, or choose another")
    wanted = architecture or "x86_64"
    manifest = _for_architecture(repository, top, oci.OCI_NAMES[wanted])
    if manifest is None:
        what = f"{digest} is an index without an image for {wanted}"
        raise errors.ImageRefusedError(what, then="give another --architecture")
    config = _config(repository, _parsed(manifest).config.digest)
    found = oci.LAMBDA_NAMES.get(config.architecture, config.architecture)
    return Stored(f"{repository.uri}@{manifest.digest}", found, config.config)
