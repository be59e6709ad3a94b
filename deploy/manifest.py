"""Manifests and indexes as a registry keeps them: bytes, whose digest is their name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

ACCEPTED: Final = (OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_INDEX)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True)
class Manifest:
    """A manifest's bytes and what they are said to be. The properties raise ValueError where they are no such thing."""

    data: bytes
    media_type: str

    @cached_property
    def digest(self) -> str:
        return digest_of(self.data)

    @property
    def is_index(self) -> bool:
        return (self.media_type or self._document.get("mediaType")) in (OCI_INDEX, DOCKER_INDEX)

    @property
    def config_digest(self) -> str:
        """Of a manifest, not of an index."""
        return str(self._member("config")["digest"])

    @property
    def layers(self) -> tuple[tuple[str, int], ...]:
        """Of a manifest: digests and compressed bytes, lowest layer first."""
        return tuple((str(layer["digest"]), int(layer["size"])) for layer in self._member("layers"))

    def child(self, architecture: str) -> str | None:
        """Of an index: the digest of its one Linux image for this architecture (amd64, arm64), None if there is none.

        Attestations and other things that are no image say that they are for an unknown platform.
        """
        wanted = ("linux", architecture)
        for entry in self._member("manifests"):
            platform = entry.get("platform", {})
            if (platform.get("os"), platform.get("architecture")) == wanted:
                return str(entry["digest"])
        return None

    @cached_property
    def _document(self) -> dict[str, Any]:
        document = json.loads(self.data)
        if not isinstance(document, dict):
            raise ValueError("a manifest is a JSON object")
        return document

    def _member(self, name: str) -> Any:
        if name not in self._document:
            raise ValueError(f"the manifest has no {name!r}")
        return self._document[name]
