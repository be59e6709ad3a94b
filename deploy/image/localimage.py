"""An image on this machine, wherever it is kept: what it says of itself, its files, and its layers as bytes.

`deploy.image.open_image` makes one. It is a context manager; what it has opened or unpacked goes away with it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.filesystem import Filesystem
from deploy.image.layers import Layer, filesystem_of

Origin: TypeAlias = Literal["engine", "docker archive", "OCI layout"]

# Labels of what stands on the stand-in for Lambda's base image; None: whatever it says.
STANDIN_LABELS: Final = {"hwang-lambda.base": "stand-in", "hwang-lambda.stand-in": None}


@dataclass(frozen=True)
class Child:
    """A manifest that an index lists, and why it was passed over: empty for the one that was taken."""

    descriptor: oci.Descriptor
    passed_over: str


class Source(Protocol):
    """Where the layers are kept. Getting at them may take its time and temporary space, which goes with `files`."""

    def layers(self, files: ExitStack) -> tuple[Layer, ...]: ...

    def filesystem(self, files: ExitStack) -> Filesystem: ...

    def layer_bytes(self, filesystem: Filesystem) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class StoredLayers:
    """Layers that are at hand."""

    found: tuple[Layer, ...]

    def layers(self, files: ExitStack) -> tuple[Layer, ...]:  # noqa: ARG002 - nothing is unpacked
        return self.found

    def filesystem(self, files: ExitStack) -> Filesystem:  # noqa: ARG002
        return filesystem_of(self.found)

    def layer_bytes(self, filesystem: Filesystem) -> tuple[int, ...]:
        return tuple(filesystem.sizes)


@dataclass(frozen=True)
class EngineImage:
    """The image in the Docker Engine: `api` is a docker.APIClient, which has no types, `id` the engine's full id."""

    api: Any
    id: str


@dataclass(frozen=True)
class Image:
    """What is known of it without reading its layers; `layers` and `filesystem` are read when first asked for.

    `reference` is what the user called it. Its own `manifest` and `config_bytes` are there where it is kept with them:
    a layout has both, an old `docker save` archive no manifest, an engine neither. `index` is the index that led to the
    manifest, if one did, and `children` what it lists, the one that was taken first. `engine` is set where the engine's
    own push sends exactly this image and no index; everything else is pushed as `deploy.image.pushable` packs it.
    """

    reference: str
    origin: Origin
    config: oci.ImageConfig
    source: Source
    config_bytes: bytes | None = None
    config_media_type: str = ""
    manifest: oci.StoredManifest | None = None
    index: oci.StoredManifest | None = None
    children: tuple[Child, ...] = ()
    engine: EngineImage | None = None
    files: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def architecture(self) -> str:
        """In Lambda's words, x86_64 or arm64; another one as the image says it."""
        return oci.LAMBDA_NAMES.get(self.config.architecture, self.config.architecture)

    @property
    def labels(self) -> dict[str, str]:
        return self.config.config.labels

    @cached_property
    def content_digest(self) -> str:
        """See `oci.content_digest`."""
        return oci.content_digest(self.config)

    @property
    def config_digest(self) -> str:
        """Of the configuration's bytes: what Docker shows as the image's id. Empty where it is not known."""
        if self.config_bytes is not None:
            return oci.digest_of(self.config_bytes)
        return self.engine.id if self.engine else ""

    @property
    def is_standin(self) -> bool:
        """Whether it stands on the stand-in for Lambda's base image, which is for this machine alone."""
        return any(name in self.labels and value in (None, self.labels[name]) for name, value in STANDIN_LABELS.items())

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The lowest first. Raises ImageRefusedError for an archive that is damaged or does not fit the manifest."""
        return self.source.layers(self.files)

    @cached_property
    def filesystem(self) -> Filesystem:
        """The files of all layers together. Stored layers are verified on the way: ImageRefusedError for damage."""
        return self.source.filesystem(self.files)

    @cached_property
    def layer_bytes(self) -> tuple[int, ...]:
        """What the files of each layer hold, as Docker counts it."""
        return self.source.layer_bytes(self.filesystem)

    @property
    def uncompressed_bytes(self) -> int:
        """The image's size, as Docker counts it."""
        return sum(self.layer_bytes)

    def close(self) -> None:
        self.files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def require_layers(name: str, count: int, config: oci.ImageConfig) -> None:
    """Raises ImageRefusedError if there are more or fewer layers than the configuration has."""
    if count != len(config.rootfs.diff_ids):
        raise ImageRefusedError(
            f"{name} lists {count} layers, and the image's configuration {len(config.rootfs.diff_ids)}",
            then="build or save the image again",
        )
