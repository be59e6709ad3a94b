"""An image that is in a repository already, as a function can run it."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.ecr import Repository
from deploy.errors import ImageNotFoundError, ImageRefusedError
from deploy.registry import Registry

_LAMBDA_NAMES = {"amd64": "x86_64", "arm64": "arm64"}


@dataclass(frozen=True)
class Stored:
    """`uri` is by the digest of a manifest, never of an index."""

    uri: str
    architecture: str


def resolve(repository: Repository, digest: str, architecture: str | None) -> Stored:
    """Raises ImageNotFoundError, and ImageRefusedError for an index without one image for this architecture."""
    raise NotImplementedError
