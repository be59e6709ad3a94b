"""Archives as engines before 25 and Podman save them: `manifest.json` names a configuration and layers."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import PurePosixPath

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.bundle import Bundle, document, stored
from deploy.image.layers import Layer
from deploy.image.localimage import Image, Origin, StoredLayers, require_layers
from deploy.image.streams import compression_of

MANIFEST = "manifest.json"


def read_docker_archive(bundle: Bundle, reference: str, origin: Origin, files: ExitStack) -> Image:
    """Raises ImageRefusedError: damaged, or more than one image."""
    listed = oci.parse_list(oci.ArchiveEntry, document(bundle, MANIFEST), f"{MANIFEST} of {bundle.name}")
    if len(listed) != 1:
        names = [", ".join(item.repo_tags) or item.config for item in listed]
        raise ImageRefusedError(
            f"{bundle.name} holds {len(listed)} images: {'; '.join(names) or 'none'}",
            then="save one image alone",
            there=names,
        )
    entry = listed[0]
    config_bytes = document(bundle, entry.config)
    named = re.fullmatch(r"([0-9a-f]{64})(?:\.json)?", PurePosixPath(entry.config).name)
    if named and oci.digest_of(config_bytes) != f"sha256:{named[1]}":
        raise ImageRefusedError(
            f"{entry.config} of {bundle.name} has other bytes than its name says",
            then="it is damaged: save the image again",
        )
    config = oci.parse(oci.ImageConfig, config_bytes, f"{entry.config} of {bundle.name}")
    return Image(
        reference=reference,
        origin=origin,
        config=config,
        source=StoredLayers(_layers(bundle, entry, config)),
        config_bytes=config_bytes,
        files=files,
    )


def _layers(bundle: Bundle, entry: oci.ArchiveEntry, config: oci.ImageConfig) -> tuple[Layer, ...]:
    require_layers(bundle.name, len(entry.layers), config)
    layers = []
    for number, (path, diff_id) in enumerate(zip(entry.layers, config.rootfs.diff_ids, strict=True), 1):
        file = bundle.find(path)
        if file is None:
            raise ImageRefusedError(f"{bundle.name} has no {path}, which it refers to", then="save the image again")
        compression = compression_of(file.start())
        digest = diff_id if compression == "none" else ""
        layers.append(Layer(f"layer {number}", stored(file, digest), diff_id, "", compression))
    return tuple(layers)
