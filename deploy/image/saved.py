"""Saved images, in the two forms that tools write.

An *OCI layout* (BuildKit, `docker save`, skopeo, podman's oci-archive) has `index.json` and blobs named by their
digests. Its index leads to one image: the only one there is, or the one for the wanted architecture. Attestations, and
entries whose blobs are missing, are passed over. A *docker archive* (older engines, `podman save`, skopeo, kaniko)
has a `manifest.json` that lists a configuration and layers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Final

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.blobs import StoredBlob
from deploy.image.bundle import Bundle
from deploy.image.layers import Layer
from deploy.image.localimage import Image

INDEX: Final = "index.json"
MANIFEST: Final = "manifest.json"
_NAMES: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_MAX_DEPTH: Final = 4


@dataclass
class _Layout:
    """Images that an index lists, and everything else in it, in words."""

    bundle: Bundle
    images: dict[str, _Listed] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Listed:
    """A manifest in the layout, with the platform of its descriptor or, without one, of its configuration."""

    descriptor: oci.Descriptor
    index: oci.StoredManifest | None
    platform: oci.Platform
    name: str


def read_saved(bundle: Bundle, architecture: str | None) -> Image:
    """Return the image. Raises ImageRefusedError: damaged, no image, or several that could be meant."""
    if bundle.find(INDEX):
        return _read_layout(bundle, architecture)
    if not bundle.find(MANIFEST):
        raise ImageRefusedError(
            f"{bundle.name} is no image: it has neither {INDEX} nor {MANIFEST}",
            then="docker save IMAGE --output FILE, or docker buildx build --output type=oci,dest=FILE",
        )
    manifest = bundle.document(MANIFEST)
    if b'"schemaVersion"' in manifest:
        raise ImageRefusedError(
            f"{bundle.name} is a directory of skopeo's dir: form", then=f"skopeo copy dir:{bundle.name} oci:DIRECTORY"
        )
    return _read_archive(bundle, oci.parse(oci.Archive, manifest, f"{MANIFEST} of {bundle.name}").root)


def _read_archive(bundle: Bundle, listed: tuple[oci.ArchiveEntry, ...]) -> Image:
    if len(listed) != 1:
        names = [", ".join(item.repo_tags) or item.config for item in listed]
        what = f"{bundle.name} holds {len(listed)} images: {'; '.join(names) or 'none'}"
        raise ImageRefusedError(what, then="save one image alone", there=names)
    (entry,) = listed
    config_bytes = bundle.document(entry.config)
    named = re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})(?:\.json)?", PurePosixPath(entry.config).name)
    if named:
        bundle.require_digest(entry.config, config_bytes, f"sha256:{named[1]}")
    config = oci.parse(oci.ImageConfig, config_bytes, f"{entry.config} of {bundle.name}")
    layers = _layers(bundle, [(bundle.file(path), "") for path in entry.layers], config)
    return Image(bundle.name, "docker archive", config, layers, config_bytes)


def _layers(bundle: Bundle, blobs: list[tuple[StoredBlob, str]], config: oci.ImageConfig) -> tuple[Layer, ...]:
    """Pair blobs and their media types with the digests of the configuration."""
    diff_ids = config.rootfs.diff_ids
    if len(blobs) != len(diff_ids):
        raise oci.damaged(f"{bundle.name} lists {len(blobs)} layers, and the image's configuration {len(diff_ids)}")
    layers = []
    for number, ((blob, media_type), diff_id) in enumerate(zip(blobs, diff_ids, strict=True), 1):
        compression = blob.compression
        if compression == "none" and not blob.digest:
            blob = replace(blob, digest=diff_id)
        layers.append(Layer(f"layer {number}", blob, diff_id, media_type, compression))
    return tuple(layers)


def _read_layout(bundle: Bundle, architecture: str | None) -> Image:
    layout = _Layout(bundle)
    _list(layout, oci.parse(oci.Index, bundle.document(INDEX), f"{INDEX} of {bundle.name}"), None, "", 0)
    chosen = _chosen(layout, architecture)
    data, parsed = bundle.parsed(oci.Manifest, chosen.descriptor)
    manifest = oci.StoredManifest(data, chosen.descriptor.media_type)
    if parsed.media_type and parsed.media_type != manifest.media_type:
        what = f"{manifest.digest} of {bundle.name} calls itself {parsed.media_type}, its index {manifest.media_type}"
        raise oci.damaged(what)
    config_bytes, config = bundle.parsed(oci.ImageConfig, parsed.config)
    return Image(
        bundle.name,
        "OCI layout",
        config,
        _layers(bundle, [(bundle.blob(item), item.media_type) for item in parsed.layers], config),
        config_bytes,
        config_media_type=parsed.config.media_type,
        manifest=manifest,
        index=chosen.index,
        beside=(*(str(item.platform) for item in layout.images.values() if item != chosen), *layout.others),
    )


def _list(layout: _Layout, index: oci.Index, parent: oci.StoredManifest | None, name: str, depth: int) -> None:
    bundle = layout.bundle
    if depth > _MAX_DEPTH:
        raise oci.damaged(f"the indexes of {bundle.name} lie more than {_MAX_DEPTH} deep")
    for item in index.manifests:
        known = next((item.annotations[key] for key in _NAMES if key in item.annotations), name)
        shown = str(item.platform or item.digest[:19])
        if item.is_attestation:
            layout.others.append(f"{shown} (attestation)")
        elif bundle.find(bundle.blob_path(item.digest)) is None:
            layout.others.append(f"{shown} (not in here)")
        elif item.media_type in oci.INDEXES:
            data, parsed = bundle.parsed(oci.Index, item)
            _list(layout, parsed, oci.StoredManifest(data, item.media_type), known, depth + 1)
        else:
            platform = item.platform or _configured(bundle, item)
            layout.images[item.digest] = _Listed(item, parent, platform, known)


def _configured(bundle: Bundle, descriptor: oci.Descriptor) -> oci.Platform:
    _, manifest = bundle.parsed(oci.Manifest, descriptor)
    return bundle.parsed(oci.ImageConfig, manifest.config)[1].platform


def _chosen(layout: _Layout, architecture: str | None) -> _Listed:
    """Return the only image, or the only one for the architecture. Raises ImageRefusedError: what is there."""
    images = fitting = list(layout.images.values())
    if len(images) > 1 and architecture:
        fitting = [item for item in images if item.platform.is_for(oci.OCI_NAMES[architecture])]
    if len(fitting) == 1:
        return fitting[0]
    shown = [f"{item.platform} {item.name}".strip() for item in images] + layout.others
    listed = ", ".join(shown) or "nothing"
    if fitting:
        what = f"{len(fitting)} images that could be meant: {listed}"
        several = len({str(item.platform) for item in fitting}) > 1
        then = "name the one with --architecture x86_64 or arm64" if several else "save one image alone"
    else:
        for_it = f" for linux/{oci.OCI_NAMES[architecture]}" if architecture and images else ""
        what = f"no image{for_it}; what is there: {listed}"
        then = "build it with --platform linux/amd64 or linux/arm64, as the function is"
    raise ImageRefusedError(f"{layout.bundle.name} holds {what}", then=then, there=shown, architecture=architecture)
