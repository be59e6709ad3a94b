"""An image on this machine, wherever it is kept: what it says of itself, its files, and its layers as bytes.

`deploy.image.open_image` makes one. It is a context manager; what it has opened or unpacked goes away with it.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import BinaryIO, Final, Literal, Protocol, Self, TypeAlias

from deploy import oci
from deploy.filesystem import Filesystem

Origin: TypeAlias = Literal["engine", "docker archive", "OCI layout"]
Compression: TypeAlias = Literal["none", "gzip", "zstd", "unknown"]

STANDIN_LABELS: Final = {"hwang-lambda.base": "stand-in", "hwang-lambda.stand-in": None}  # None: whatever it says


class Blob(Protocol):
    """Bytes with a name. `open` gives a seekable file of its own, which the caller closes, as often as asked."""

    @property
    def digest(self) -> str: ...

    @property
    def size(self) -> int: ...

    def open(self) -> BinaryIO: ...


@dataclass(frozen=True)
class Layer:
    """A layer as it is stored: `blob` may be compressed, `diff_id` is the digest of the tar in it.

    `media_type` is the manifest's word for it, empty where there is no manifest; `compression` is what the bytes are.
    """

    blob: Blob
    diff_id: str
    media_type: str
    compression: Compression


@dataclass(frozen=True)
class Child:
    """A manifest that an index lists, and why it is not the one: empty for the one that was taken."""

    descriptor: oci.Descriptor
    passed_over: str


class Source(Protocol):
    """Where an image is kept. `layers` may take its time and use temporary space; `files` is cleaned up with it."""

    def layers(self, files: ExitStack) -> tuple[Layer, ...]: ...


@dataclass(frozen=True)
class EngineImage:
    """The image in the Docker Engine: `api` is a docker.APIClient, `id` the engine's full id of the image."""

    api: object
    id: str


@dataclass(frozen=True)
class Image:
    """What is known of it without reading its layers; `layers` and `filesystem` are read when first asked for.

    `reference` is what the user called it. `config_bytes` are None in an engine, which keeps them to itself; so is
    `manifest` wherever nobody has made one yet. `children` is what the index listed, empty if there was none.
    """

    reference: str
    origin: Origin
    config: oci.ImageConfig
    source: Source
    config_bytes: bytes | None = None
    manifest: oci.StoredManifest | None = None
    index: oci.StoredManifest | None = None
    children: tuple[Child, ...] = ()
    engine: EngineImage | None = None
    _files: ExitStack = field(default_factory=ExitStack, repr=False)

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
    def is_standin(self) -> bool:
        """Whether it stands on the stand-in for Lambda's base image, which is for this machine alone."""
        return any(name in self.labels and value in (None, self.labels[name]) for name, value in STANDIN_LABELS.items())

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The lowest first. Raises ImageRefusedError for an archive that is damaged or does not fit the manifest."""
        return self.source.layers(self._files)

    @cached_property
    def filesystem(self) -> Filesystem:
        """The files of all layers together. Reads and verifies every layer: ImageRefusedError if one is damaged."""
        raise NotImplementedError

    @property
    def uncompressed_bytes(self) -> int:
        """What the files of all layers hold, as Docker counts an image's size."""
        return self.filesystem.size

    def close(self) -> None:
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
