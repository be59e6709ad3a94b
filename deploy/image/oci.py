"""Descriptors, manifests, indexes and configurations of images, and the types of them that Lambda takes.

These documents are written by others: unknown members are ignored, and anything else that is wrong raises
ImageRefusedError, which names the place. Digests are `sha256:` and 64 hexadecimal digits, sizes are bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

from deploy.errors import ImageRefusedError

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024  # as registries limit a manifest; a configuration is smaller yet

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = f"{OCI_LAYER}+gzip"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: Final = f"{DOCKER_LAYER}.gzip"

INDEXES: Final = frozenset({OCI_INDEX, DOCKER_INDEX})
# Types that Lambda takes.
MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
LAYERS: Final = {OCI_LAYER: "none", DOCKER_LAYER: "none", OCI_LAYER_GZIP: "gzip", DOCKER_LAYER_GZIP: "gzip"}

# Names of architectures: the image's, and Lambda's for it.
LAMBDA_NAMES: Final = {"amd64": "x86_64", "arm64": "arm64"}
OCI_NAMES: Final = {name: oci for oci, name in LAMBDA_NAMES.items()}

# A label about the build's time: it must not make another image of the same content.
_CREATED: Final = "org.opencontainers.image.created"


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of the bytes, as images write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


# Go writes null for an empty list or map.
_NoneIsEmpty: Final = BeforeValidator(lambda value: () if value is None else value)
_NoneIsNothing: Final = BeforeValidator(lambda value: {} if value is None else value)

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, lt=2**63)]
Strings = Annotated[tuple[str, ...], Field(strict=False), _NoneIsEmpty]
Labels = Annotated[dict[str, str], _NoneIsNothing]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_camel, populate_by_name=True)


class Platform(_Document):
    """Operating system and architecture, in the names of images."""

    architecture: str = ""
    os: str = ""

    def is_for(self, architecture: str) -> bool:
        """Return whether it is Linux on the architecture, by an image's name for it."""
        return (self.os, self.architecture) == ("linux", architecture)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture) if part) or "no platform"


class Descriptor(_Document):
    """Reference of a manifest or an index to other bytes."""

    media_type: str
    digest: Digest
    size: Size
    platform: Platform | None = None
    annotations: Labels = {}

    @property
    def is_attestation(self) -> bool:
        """True if it is about an image: BuildKit's provenance and bills of materials, for "unknown/unknown"."""
        return "vnd.docker.reference.type" in self.annotations or str(self.platform) == "unknown/unknown"


class Manifest(_Document):
    """Manifest of one image: its configuration and its layers, the lowest first."""

    schema_version: int
    media_type: str = ""
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Index(_Document):
    """List of several images, by platform. Docker calls it a manifest list."""

    schema_version: int
    media_type: str = ""
    manifests: tuple[Descriptor, ...]


class _DockerDocument(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_pascal)


class ContainerConfig(_DockerDocument):
    """Start of a container of the image. `env` holds NAME=VALUE."""

    user: str = ""
    env: Strings = ()
    entrypoint: Strings = ()
    cmd: Strings = ()
    working_dir: str = ""
    labels: Labels = {}

    def overridden(self, image_config: Mapping[str, Any]) -> ContainerConfig:
        """Return the start of a function of this ImageConfig: its EntryPoint, Command and WorkingDirectory count."""
        changes = {
            "entrypoint": tuple(image_config.get("EntryPoint") or ()),
            "cmd": tuple(image_config.get("Command") or ()),
            "working_dir": image_config.get("WorkingDirectory") or "",
        }
        return self.model_copy(update={name: value for name, value in changes.items() if value})

    @cached_property
    def environment(self) -> dict[str, str]:
        """Variables by name; the later of two values counts, as it does in a container."""
        return {name: value for name, _, value in (item.partition("=") for item in self.env)}


class RootFs(BaseModel):
    """Digests of the layers' uncompressed tars, the lowest layer first."""

    model_config = ConfigDict(frozen=True, strict=True)

    diff_ids: Annotated[tuple[Digest, ...], Field(strict=False), _NoneIsEmpty] = ()


class ImageConfig(BaseModel):
    """Configuration of an image, without its history."""

    model_config = ConfigDict(frozen=True, strict=True)

    architecture: str = ""
    os: str = ""
    config: Annotated[ContainerConfig, _NoneIsNothing] = ContainerConfig()
    rootfs: RootFs

    @property
    def platform(self) -> Platform:
        """Platform that the image is for."""
        return Platform(architecture=self.architecture, os=self.os)


class ArchiveEntry(_DockerDocument):
    """Image in the `manifest.json` of a docker-save archive: names of files in it."""

    config: str
    repo_tags: Strings = ()
    layers: Strings = ()


class Archive(RootModel[tuple[ArchiveEntry, ...]]):
    """The `manifest.json` of a docker-save archive."""

    model_config = ConfigDict(frozen=True)


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], data: bytes, where: str) -> Model:
    """Parse a document. Raises ImageRefusedError, which says what is wrong in `where`, a name for the document."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise too_big(where, len(data))
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        at = f" at {place}" if place else ""
        raise damaged(f"{where} is wrong{at}: {first['msg'][:200]}") from None


def damaged(what: str) -> ImageRefusedError:
    """Return the error for an image that is not whole."""
    return ImageRefusedError(what, then="it is damaged: build or save the image again")


def too_big(where: str, size: int) -> ImageRefusedError:
    """Return the error for a document of more than MAX_DOCUMENT_BYTES."""
    what = f"{where} has {size:,} bytes; registries take {MAX_DOCUMENT_BYTES:,} at most"
    return ImageRefusedError(what, then="build the image with fewer layers, labels and annotations")


@dataclass(frozen=True)
class StoredManifest:
    """A manifest or an index: the bytes, which its digest is of."""

    data: bytes
    media_type: str

    @cached_property
    def digest(self) -> str:
        """Digest of the bytes."""
        return digest_of(self.data)

    @property
    def is_index(self) -> bool:
        """True if it lists images, by its media type."""
        return self.media_type in INDEXES


def content_digest(config: ImageConfig) -> str:
    """Digest everything that runs: platform, layers' contents, environment, command, directory, user and labels.

    It is the same for the same content, whatever the store, the time, the history or the compression; the label with
    the time of creation does not count.
    """
    settings = config.config
    content = {
        "architecture": config.architecture,
        "os": config.os,
        "variant": "",  # not everybody writes it, and Lambda has one machine of each architecture
        "diff_ids": config.rootfs.diff_ids,
        "env": settings.env,
        "entrypoint": settings.entrypoint,
        "cmd": settings.cmd,
        "working_dir": settings.working_dir,
        "user": settings.user,
        "labels": {name: value for name, value in settings.labels.items() if name != _CREATED},
    }
    return digest_of(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
