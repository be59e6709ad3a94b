"""Images as others describe them: descriptors, manifests, indexes and configurations, and what Lambda takes of them.

What is read here was written by somebody else: unknown members are ignored, and what is not as it must be raises
ImageRefusedError, which names the place. Digests are `sha256:` and 64 hexadecimal digits, sizes are bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, StringConstraints, ValidationError
from pydantic.alias_generators import to_camel, to_pascal

from deploy.errors import ImageRefusedError

MAX_DOCUMENT_BYTES: Final = 4 * 1024 * 1024  # what registries take for a manifest; a configuration is smaller yet

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP: Final = f"{OCI_LAYER}+gzip"
OCI_LAYER_ZSTD: Final = f"{OCI_LAYER}+zstd"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP: Final = f"{DOCKER_LAYER}.gzip"

INDEXES: Final = frozenset({OCI_INDEX, DOCKER_INDEX})
# What Lambda takes.
MANIFESTS: Final = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
CONFIGS: Final = frozenset({OCI_CONFIG, DOCKER_CONFIG})
LAYERS: Final = {OCI_LAYER: "none", DOCKER_LAYER: "none", OCI_LAYER_GZIP: "gzip", DOCKER_LAYER_GZIP: "gzip"}

# The names of architectures, as images and as Lambda have them.
LAMBDA_NAMES: Final = {"amd64": "x86_64", "arm64": "arm64"}
OCI_NAMES: Final = {name: oci for oci, name in LAMBDA_NAMES.items()}

# A label that says when and not what: it must not make another image of the same content.
_CREATED: Final = "org.opencontainers.image.created"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _none_is_empty(value: Any) -> Any:
    return () if value is None else value


def _none_is_nothing(value: Any) -> Any:
    return {} if value is None else value


Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, lt=2**63)]
Strings = Annotated[tuple[str, ...], Field(strict=False), BeforeValidator(_none_is_empty)]
Labels = Annotated[dict[str, str], BeforeValidator(_none_is_nothing)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_camel)


class Platform(_Document):
    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part) or "no platform"


class Descriptor(_Document):
    """What a manifest or an index refers to."""

    media_type: str
    digest: Digest
    size: Size
    platform: Platform | None = None
    annotations: Labels = {}

    @property
    def is_attestation(self) -> bool:
        """Not an image but something about one: BuildKit's provenance and lists of materials, for "unknown/unknown"."""
        platform = self.platform
        return "vnd.docker.reference.type" in self.annotations or (
            platform is not None and (platform.os, platform.architecture) == ("unknown", "unknown")
        )


class Manifest(_Document):
    """Of one image: its configuration and its layers, the lowest first."""

    schema_version: int
    media_type: str = ""
    config: Descriptor
    layers: tuple[Descriptor, ...]


class Index(_Document):
    """Of several images, by platform. Docker calls it a manifest list."""

    schema_version: int
    media_type: str = ""
    manifests: tuple[Descriptor, ...]


class _DockerDocument(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, alias_generator=to_pascal)


class ContainerConfig(_DockerDocument):
    """How a container of the image starts. `env` holds NAME=VALUE."""

    user: str = ""
    env: Strings = ()
    entrypoint: Strings = ()
    cmd: Strings = ()
    working_dir: str = ""
    volumes: Annotated[dict[str, Any], BeforeValidator(_none_is_nothing)] = {}
    labels: Labels = {}

    @cached_property
    def environment(self) -> dict[str, str]:
        """Of a name that comes twice the later value counts, as it does in a container."""
        return {name: value for name, _, value in (item.partition("=") for item in self.env)}


class RootFs(BaseModel):
    """The digests of the layers' uncompressed tars, the lowest layer first."""

    model_config = ConfigDict(frozen=True, strict=True)

    diff_ids: Annotated[tuple[Digest, ...], Field(strict=False), BeforeValidator(_none_is_empty)] = ()


class ImageConfig(BaseModel):
    """The configuration of an image, without what tells its history."""

    model_config = ConfigDict(frozen=True, strict=True)

    architecture: str = ""
    os: str = ""
    variant: str = ""
    config: Annotated[ContainerConfig, BeforeValidator(_none_is_nothing)] = ContainerConfig()
    rootfs: RootFs

    @property
    def platform(self) -> Platform:
        return Platform(architecture=self.architecture, os=self.os, variant=self.variant)


class ArchiveEntry(_DockerDocument):
    """An image in the `manifest.json` of a docker-save archive: names of files in it."""

    config: str
    repo_tags: Strings = ()
    layers: Strings = ()


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], data: bytes, where: str) -> Model:
    """The document, or ImageRefusedError that says what is wrong in `where`, a name for it."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise too_big(where, len(data))
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        at = f" at {place}" if place else ""
        raise ImageRefusedError(
            f"{where} is not what it should be{at}: {first['msg'][:200]}", then="build or save the image again"
        ) from None


def too_big(where: str, size: int) -> ImageRefusedError:
    return ImageRefusedError(
        f"{where} has {size:,} bytes; registries take {MAX_DOCUMENT_BYTES:,} at most",
        then="build the image with fewer layers, labels and annotations",
    )


def parse_list(model: type[Model], data: bytes, where: str) -> list[Model]:
    """The same for a JSON array of such documents."""
    items: list[Model] = parse(RootModel[list[model]], data, where).root  # type: ignore[valid-type]
    return items


@dataclass(frozen=True)
class StoredManifest:
    """A manifest or an index as the bytes that its digest is of."""

    data: bytes
    media_type: str

    @cached_property
    def digest(self) -> str:
        return digest_of(self.data)

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES


def default_tag(digest: str) -> str:
    """`image-` and 16 digits of a content digest."""
    return f"image-{digest.removeprefix('sha256:')[:16]}"


def content_digest(config: ImageConfig) -> str:
    """Names what runs: platform, layers' contents, environment, command, directory, user and labels.

    The same for the same content, whatever the store, the time, the history or the compression; of the labels the one
    with the time of creation does not count.
    """
    settings = config.config
    content = {
        "architecture": config.architecture,
        "os": config.os,
        "variant": "" if config.architecture == "arm64" else config.variant,  # v8, which some leave out
        "diff_ids": config.rootfs.diff_ids,
        "env": settings.env,
        "entrypoint": settings.entrypoint,
        "cmd": settings.cmd,
        "working_dir": settings.working_dir,
        "user": settings.user,
        "labels": {name: value for name, value in settings.labels.items() if name != _CREATED},
    }
    return digest_of(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
