"""An image on this machine, wherever it is kept: its configuration, and its layers as bytes.

`deploy.image.open_image` makes one. It is a context manager that closes files and removes temporary ones at the end.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Self, TypeAlias

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.layers import Layer, each

Origin: TypeAlias = Literal["engine", "docker archive", "OCI layout"]


@dataclass(frozen=True)
class Image:
    """An image whose layers are not read before they are asked for.

    `reference` is what the user called it. `layers` (the lowest first), `config_bytes` and `manifest` are as they are
    stored; not every form has a manifest. `index` is the index that led to it, if one did, and `beside` names what
    else is in it.
    """

    reference: str
    origin: Origin
    config: oci.ImageConfig
    layers: tuple[Layer, ...] = ()
    config_bytes: bytes = b""
    config_media_type: str = ""
    manifest: oci.StoredManifest | None = None
    index: oci.StoredManifest | None = None
    beside: tuple[str, ...] = ()
    files: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def saved(self) -> Image:
        """The image with its bytes. An engine's has none before this is asked for."""
        return self

    @cached_property
    def unpacked_bytes(self) -> int:
        """Size of all layers, unpacked. Verifies them on the way: ImageRefusedError for damage."""
        return sum(each(Layer.measure, self.layers))

    @property
    def size_bytes(self) -> int | None:
        """The same; None for damaged layers."""
        try:
            return self.unpacked_bytes
        except ImageRefusedError:
            return None

    @property
    def architecture(self) -> str:
        """Lambda's name, x86_64 or arm64; the image's own name for any other."""
        return oci.LAMBDA_NAMES.get(self.config.architecture, self.config.architecture)

    @property
    def start(self) -> oci.ContainerConfig:
        """The part of the configuration that says how a container starts."""
        return self.config.config

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
        """Digest of the configuration, which Docker shows as the image's id."""
        return oci.digest_of(self.config_bytes)

    @property
    def is_standin(self) -> bool:
        """True if it stands on the stand-in for Lambda's base image, which is for this machine alone."""
        return self.start.labels.get("hwang-lambda.base") == "stand-in"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()
