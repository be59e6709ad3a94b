"""Putting an image into a registry: once, under a tag that names its content, and read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from deploy.address import Address
from deploy.login import Login
from deploy.manifest import Manifest
from deploy.patience import Patience
from deploy.progress import Progress, Silent


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

    def manifest(self, reference: str) -> Manifest | None:
        """What a tag or digest names; None if nothing."""
        ...


@dataclass(frozen=True)
class Pushed:
    """An image in a registry. `digest` is the manifest's, never an index's; `bytes_uploaded` counts layers alone."""

    uri: str  # HOST/NAME@sha256:…
    digest: str
    tag: str
    already_there: bool
    bytes_uploaded: int


def default_tag(image: Image) -> str:
    """`image-` and 16 hex digits of the content: the same image has the same tag, whenever it was built."""
    return f"image-{image.content_digest.removeprefix('sha256:')[:16]}"


def refuse_standin(image: Image, address: Address) -> None:
    """Raises StandInRefusedError for an image on the stand-in base and a registry that is not on this machine."""
    if image.is_standin and not address.is_loopback:
        raise StandInRefusedError(
            f"{image.reference} stands on the stand-in base, which is for this machine, and {address.host} is not",
            then="build it on Lambda's own base: make image BASE=real",
            registry=address.host,
        )


def find_pushed(image: Image, repository: Target, tag: str | None = None) -> Pushed | None:
    """The image, if the tag is already its; None if the tag is free. One call where digests settle it.

    Raises StandInRefusedError and UsageError before any call, TagTakenError if the tag is another image's.
    """
    tag = _checked(image, repository, tag)
    found = repository.manifest(tag)
    if found is None:
        return None
    manifest = _child(image, repository, found)
    if manifest is None or not _is_same(image, repository, manifest):
        raise TagTakenError(
            f"{repository.uri}:{tag} is another image ({found.digest})",
            then="choose another --tag; a tag is never moved",
            tag=tag,
            digest=found.digest,
        )
    return foreseen(image, repository, tag, manifest.digest)


def push(
    image: Image,
    repository: Target,
    tag: str | None = None,
    *,
    progress: Progress = Silent(),  # noqa: B008 - it has no state
    patience: Patience = Patience(),  # noqa: B008 - it is frozen
) -> Pushed:
    """Puts the image there, unless it is, and proves it by reading back.

    Raises what `find_pushed` raises; PushFailedError, CredentialsError or PermissionDeniedError if the registry does not
    take it; DigestMismatchError if it holds something else afterwards.
    """
    tag = _checked(image, repository, tag)
    if there := find_pushed(image, repository, tag):
        return there
    sent = image.push(...)
    manifest = _read_back(image, repository, tag, sent, patience)
