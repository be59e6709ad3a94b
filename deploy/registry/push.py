"""Putting an image into a registry: once, under a tag that names its content, and read back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Protocol

from deploy.errors import DigestMismatchError, PushFailedError, StandInRefusedError, TagTakenError, UsageError
from deploy.image import oci
from deploy.image.localimage import Image
from deploy.image.oci import StoredManifest
from deploy.image.pushable import pack
from deploy.registry.address import Address
from deploy.registry.client import Registry
from deploy.registry.enginepush import EnginePush, Sent
from deploy.registry.login import Login
from deploy.registry.progress import Progress, Silent
from deploy.registry.retry import Attempts, RetryPolicy, TransientError, retry
from deploy.registry.upload import short

_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Target(Protocol):
    """A repository to push to. ecr.Repository is one."""

    @property
    def name(self) -> str: ...

    @property
    def uri(self) -> str:
        """HOST/NAME, as functions are told it."""
        ...

    @property
    def address(self) -> Address: ...

    def login(self) -> Login:
        """What lets a push in, fresh. Raises what fetching it raises."""
        ...

    def manifest(self, reference: str) -> StoredManifest | None:
        """What a tag or digest names; None if nothing."""
        ...


@dataclass(frozen=True)
class Pushed:
    """An image in a registry. `digest` is the manifest's, never an index's; `bytes_uploaded` counts layers alone.

    `uri` is HOST/NAME@DIGEST, as a function is told it; with the tag where the digest is not known yet.
    """

    uri: str
    digest: str
    tag: str
    already_there: bool = False
    bytes_uploaded: int = 0


@dataclass(frozen=True)
class _Found:
    """What a tag leads to: `top` may be an index, `manifest` is of the one image in it."""

    top: StoredManifest
    manifest: StoredManifest

    @property
    def parsed(self) -> oci.Manifest:
        return oci.parse(oci.Manifest, self.manifest.data, f"the manifest {self.manifest.digest} in the registry")


def default_tag(image: Image) -> str:
    """`image-` and 16 hex digits of the content: the same image has the same tag, whenever it was built."""
    return f"image-{image.content_digest.removeprefix('sha256:')[:16]}"


def refuse_standin(image: Image, address: Address) -> None:
    """Raises StandInRefusedError for an image on the stand-in base and a registry that is not on this machine."""
    if image.is_standin and not address.is_loopback:
        raise StandInRefusedError(
            f"{image.reference} stands on the stand-in base, which is for this machine, and {address.host} is not here",
            then="build it on Lambda's own base: make image BASE=real",
            registry=address.host,
        )


def foreseen(image: Image, repository: Target, tag: str | None = None) -> Pushed:
    """What a push would lead to, as far as that is known before it. Raises StandInRefusedError, UsageError."""
    tag = _checked(image, repository, tag)
    digest = image.manifest.digest if image.manifest else ""
    return Pushed(f"{repository.uri}@{digest}" if digest else f"{repository.uri}:{tag}", digest, tag)


def find_pushed(image: Image, repository: Target, tag: str | None = None) -> Pushed | None:
    """The image, if the tag is already its; None if the tag is free. One call where digests settle it.

    Raises StandInRefusedError and UsageError before any call, TagTakenError if the tag is another image's.
    """
    tag = _checked(image, repository, tag)
    top = repository.manifest(tag)
    if top is None:
        return None
    found = _found(image, repository, top)
    if found is None or not _is_same(image, repository, found):
        raise TagTakenError(
            f"{repository.uri}:{tag} is another image ({top.digest})",
            then="choose another --tag; a tag is never moved",
            tag=tag,
            digest=top.digest,
        )
    return _pushed(repository, tag, found, already_there=True)


def push(
    image: Image,
    repository: Target,
    tag: str | None = None,
    *,
    progress: Progress = Silent(),  # noqa: B008 - it has no state
    retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - it is frozen
) -> Pushed:
    """Puts the image there, unless it is, and proves it by reading back.

    Raises what `find_pushed` raises; PushFailedError, CredentialsError or PermissionDeniedError if the registry does
    not take it; DigestMismatchError if it holds something else afterwards; EngineUnavailableError.
    """
    tag = _checked(image, repository, tag)
    if there := find_pushed(image, repository, tag):
        return there
    try:
        sent = _send(image, repository, tag, progress, retry_policy)
    except TagTakenError:
        if there := find_pushed(image, repository, tag):  # the same image came from somewhere else meanwhile
            return there
        raise
    found = _read_back(image, repository, tag, sent, retry_policy)
    return _pushed(repository, tag, found, bytes_uploaded=_bytes(image, found.parsed, sent))


def _checked(image: Image, repository: Target, tag: str | None) -> str:
    refuse_standin(image, repository.address)
    tag = default_tag(image) if tag is None else tag
    if not _TAG.fullmatch(tag):
        raise UsageError(f"{tag!r} is no tag", then="letters, digits, _ . and -, not beginning with . or -")
    return tag


def _send(image: Image, repository: Target, tag: str, progress: Progress, retry_policy: RetryPolicy) -> Sent:
    if image.engine:
        engine, address = image.engine, repository.address
        return EnginePush(engine.api, engine.id, address, repository.name, tag, repository.login).run(
            progress, retry_policy
        )
    pushable = pack(image)
    with Registry(repository.address, repository.name, repository.login, retry_policy) as registry:
        sent = [layer for layer in pushable.layers if registry.upload(layer, progress)]
        registry.upload(pushable.config, Silent())
        registry.put_manifest(pushable.manifest, tag)
    digest = pushable.manifest.digest
    return Sent(digest, frozenset({digest}), frozenset(short(layer.digest) for layer in sent))


def _read_back(image: Image, repository: Target, tag: str, sent: Sent, retry_policy: RetryPolicy) -> _Found:
    """What the registry has now, which must be what was sent."""

    def look(_: Attempts) -> StoredManifest:
        top = repository.manifest(tag)
        if top is None:
            raise TransientError("it does not show the tag")
        return top

    try:
        top = retry(retry_policy, look)
    except TransientError:
        raise PushFailedError(
            f"{repository.uri}:{tag} was pushed and is not there", then="see whether somebody deletes images there"
        ) from None
    found = _found(image, repository, top)
    expected = {sent.digest} if sent.digest else sent.known
    if found is None or (expected and top.digest not in expected) or not _is_same(image, repository, found):
        raise DigestMismatchError(
            f"{repository.uri}:{tag} is {top.digest}, and {', '.join(sorted(expected)) or 'another image'} was pushed",
            then="somebody else pushed to the tag, or something on the way changes bytes; push under another --tag",
            expected=sorted(expected),
            found=top.digest,
        )
    return found


def _found(image: Image, repository: Target, top: StoredManifest) -> _Found | None:
    """None for an index without an image of this architecture."""
    if not top.is_index:
        return _Found(top, top)
    index = oci.parse(oci.Index, top.data, f"the index {top.digest} in the registry")
    wanted = (image.config.os, image.config.architecture)
    for child in index.manifests:
        if child.platform and (child.platform.os, child.platform.architecture) == wanted:
            manifest = repository.manifest(child.digest)
            return _Found(top, manifest) if manifest else None
    return None


def _is_same(image: Image, repository: Target, found: _Found) -> bool:
    """Whether it is the image: by a digest, or else by what its configuration says it contains."""
    config_digest = found.parsed.config.digest
    ours = {image.config_digest, *(stored.digest for stored in (image.manifest, image.index) if stored)}
    if ours & {found.top.digest, found.manifest.digest, config_digest}:
        return True
    with Registry(repository.address, repository.name, repository.login) as registry:
        config = oci.parse(oci.ImageConfig, registry.blob(config_digest), "the configuration in the registry")
    return oci.content_digest(config) == image.content_digest


def _pushed(
    repository: Target, tag: str, found: _Found, *, already_there: bool = False, bytes_uploaded: int = 0
) -> Pushed:
    digest = found.manifest.digest
    return Pushed(f"{repository.uri}@{digest}", digest, tag, already_there, bytes_uploaded)


def _bytes(image: Image, manifest: oci.Manifest, sent: Sent) -> int:
    """Of the layers that travelled, which go by the digest of the tar or of the blob, as the sender keeps them."""
    tars = image.config.rootfs.diff_ids
    sizes = {
        layer.digest: layer.size
        for layer, tar in zip(manifest.layers, tars, strict=True)
        if {short(layer.digest), short(tar)} & sent.layers
    }
    return sum(sizes.values())
