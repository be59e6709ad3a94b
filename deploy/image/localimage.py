"""An image on this machine, wherever it is kept: its configuration, its files, and its layers as bytes.

`deploy.image.open_image` makes one. It is a context manager that closes files and removes temporary ones at the end.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, Self, TypeAlias

from deploy.image import oci
from deploy.image.filesystem import Filesystem
from deploy.image.layers import Layer, filesystem_of

Origin: TypeAlias = Literal["engine", "docker archive", "OCI layout"]

# Labels of images on the stand-in for Lambda's base image; None: any value.
STANDIN_LABELS: Final = {"hwang-lambda.base": "stand-in", "hwang-lambda.stand-in": None}


@dataclass(frozen=True)
class Child:
    """A manifest that an index lists, and why it was passed over: empty for the one that was taken."""

    descriptor: oci.Descriptor
    passed_over: str


@dataclass(frozen=True)
class EngineHandle:
    """An image in the Docker Engine: `api` is a docker.APIClient, which has no types, `id` the engine's full id."""

    api: Any
    id: str


@dataclass(frozen=True)
class Image:
    """An image whose layers are not read before `filesystem` is first asked for.

    `reference` is what the user called it. `manifest` and `config_bytes` are those that it is kept with: a layout has
    both, an old `docker save` archive no manifest, an engine neither. `index` is the index that led to the manifest, if
    one did, and `children` are its entries, the taken one first. `engine` is set if the engine's own push sends exactly
    this image and no index; everything else is pushed as `deploy.image.pushable` packs it.
    """

    reference: str
    origin: Origin
    config: oci.ImageConfig
    stored: tuple[Layer, ...] = ()
    config_bytes: bytes | None = None
    config_media_type: str = ""
    manifest: oci.StoredManifest | None = None
    index: oci.StoredManifest | None = None
    children: tuple[Child, ...] = ()
    engine: EngineHandle | None = None
    files: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def architecture(self) -> str:
        """Lambda's name, x86_64 or arm64; the image's own name for any other."""
        return oci.LAMBDA_NAMES.get(self.config.architecture, self.config.architecture)

    @property
    def start(self) -> oci.ContainerConfig:
        """The part of the configuration that says how a container starts."""
        return self.config.config

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the configuration."""
        return self.config.config.labels

    @cached_property
    def content_digest(self) -> str:
        """See `oci.content_digest`."""
        return oci.content_digest(self.config)

    @property
    def default_tag(self) -> str:
        """`image-` and 16 digits of the content digest: the same image has the same tag, whenever it was built."""
        return f"image-{self.content_digest.removeprefix('sha256:')[:16]}"

    @property
    def config_digest(self) -> str:
        """Digest of the configuration's bytes, which Docker shows as the image's id; empty if it is unknown."""
        if self.config_bytes is not None:
            return oci.digest_of(self.config_bytes)
        return self.engine.id if self.engine else ""

    @property
    def is_standin(self) -> bool:
        """True if it stands on the stand-in for Lambda's base image, which is for this machine alone."""
        return any(name in self.labels and value in (None, self.labels[name]) for name, value in STANDIN_LABELS.items())

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers as they are stored, the lowest first. Raises ImageRefusedError if an engine saves other ones."""
        return self.stored

    @cached_property
    def filesystem(self) -> Filesystem:
        """Files of all layers together. Stored layers are verified on the way: ImageRefusedError for damage."""
        return filesystem_of(self.layers)

    @cached_property
    def layer_bytes(self) -> tuple[int, ...]:
        """Bytes of the files of each layer, as Docker counts them."""
        return tuple(self.filesystem.sizes)

    @property
    def uncompressed_bytes(self) -> int:
        """Size of the image, as Docker counts it."""
        return sum(self.layer_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()
