"""Saved images, in the three forms that tools write.

An *OCI layout* (BuildKit, `docker save`, skopeo, podman's oci-archive) has `index.json` and blobs named by their
digests. Its index leads to one image: the only one there is, or the one for the wanted architecture. Attestations, and
entries whose blobs are missing, are passed over. A *docker archive* (older engines, `podman save`, skopeo, kaniko)
has a `manifest.json` that lists a configuration and layers. A *directory* (skopeo's `dir:`) has a `manifest.json` that
is the manifest, or an index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.blobs import StoredBlob
from deploy.image.bundle import Bundle
from deploy.image.layers import Layer
from deploy.image.localimage import Child, Image, Origin

INDEX: Final = "index.json"
MANIFEST: Final = "manifest.json"
_NAMES: Final = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_MAX_DEPTH: Final = 4


@dataclass(frozen=True)
class _Candidate:
    """A manifest in the layout, with the platform of its descriptor or, without one, of its configuration."""

    descriptor: oci.Descriptor
    index: oci.StoredManifest | None
    platform: oci.Platform
    name: str


def read_saved(
    bundle: Bundle, reference: str, architecture: str | None, files: ExitStack, origin: Origin | None = None
) -> Image:
    """Return the image. Raises ImageRefusedError: damaged, no image, or several that could be meant."""
    manifest = bundle.document(MANIFEST) if bundle.find(MANIFEST) else b""
    is_list = manifest.lstrip().startswith(b"[")
    if bundle.find(INDEX):
        top = oci.parse(oci.Index, bundle.document(INDEX), f"{INDEX} of {bundle.name}")
        return _read_layout(bundle, top, reference, architecture, files, origin or "OCI layout")
    if is_list:
        return _read_archive(bundle, manifest, reference, files, origin or "docker archive")
    if manifest:
        return _read_layout(
            _with_top(bundle, manifest), _only(bundle, manifest), reference, architecture, files, "directory"
        )
    raise ImageRefusedError(
        f"{bundle.name} is no image: it has neither {INDEX} nor {MANIFEST}",
        then="docker save IMAGE --output FILE, or docker buildx build --output type=oci,dest=FILE",
    )


def _only(bundle: Bundle, manifest: bytes) -> oci.Index:
    """Return an index of a directory's one manifest, which may be an index itself."""
    typed = oci.parse(oci.Typed, manifest, f"{MANIFEST} of {bundle.name}")
    media_type = typed.media_type or (oci.OCI_INDEX if typed.manifests else oci.OCI_MANIFEST)
    descriptor = oci.Descriptor(media_type=media_type, digest=oci.digest_of(manifest), size=len(manifest))
    return oci.Index(schema_version=2, manifests=(descriptor,))


def _with_top(bundle: Bundle, manifest: bytes) -> Bundle:
    name = oci.digest_of(manifest).removeprefix("sha256:")
    return replace(bundle, find=lambda path: StoredBlob.of(manifest) if path == name else bundle.find(path))


def _read_archive(bundle: Bundle, manifest: bytes, reference: str, files: ExitStack, origin: Origin) -> Image:
    listed = oci.parse_list(oci.ArchiveEntry, manifest, f"{MANIFEST} of {bundle.name}")
    if len(listed) != 1:
        names = [", ".join(item.repo_tags) or item.config for item in listed]
        raise ImageRefusedError(
            f"{bundle.name} holds {len(listed)} images: {'; '.join(names) or 'none'}",
            then="save one image alone",
            there=names,
        )
    (entry,) = listed
    config_bytes = bundle.document(entry.config)
    named = re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})(?:\.json)?", PurePosixPath(entry.config).name)
    if named:
        bundle.require_digest(entry.config, config_bytes, f"sha256:{named[1]}")
    config = oci.parse(oci.ImageConfig, config_bytes, f"{entry.config} of {bundle.name}")
    layers = _layers(bundle, [(bundle.file(path), "") for path in entry.layers], config)
    return Image(reference, origin, config, layers, config_bytes, files=files)


def _layers(bundle: Bundle, blobs: list[tuple[StoredBlob, str]], config: oci.ImageConfig) -> tuple[Layer, ...]:
    """Pair blobs and their media types with the digests of the configuration."""
    diff_ids = config.rootfs.diff_ids
    if len(blobs) != len(diff_ids):
        raise ImageRefusedError(
            f"{bundle.name} lists {len(blobs)} layers, and the image's configuration {len(diff_ids)}",
            then="build or save the image again",
        )
    layers = []
    for number, ((blob, media_type), diff_id) in enumerate(zip(blobs, diff_ids, strict=True), 1):
        compression = blob.compression
        if compression == "none" and not blob.digest:
            blob = replace(blob, digest=diff_id)
        layers.append(Layer(f"layer {number}", blob, diff_id, media_type, compression))
    return tuple(layers)


def _read_layout(
    bundle: Bundle, top: oci.Index, reference: str, architecture: str | None, files: ExitStack, origin: Origin
) -> Image:
    children: list[Child] = []
    candidates = {found.descriptor.digest: found for found in _candidates(bundle, top, None, children, "", 0)}
    chosen = _chosen(list(candidates.values()), children, bundle, architecture)
    manifest = oci.StoredManifest(bundle.blob_document(chosen.descriptor), chosen.descriptor.media_type)
    where = f"{bundle.blob_path(manifest.digest)} of {bundle.name}"
    parsed = oci.parse(oci.Manifest, manifest.data, where)
    if parsed.media_type and parsed.media_type != manifest.media_type:
        raise ImageRefusedError(
            f"{where} calls itself {parsed.media_type}, its index calls it {manifest.media_type}", then="build it again"
        )
    config_bytes = bundle.blob_document(parsed.config)
    config = oci.parse(oci.ImageConfig, config_bytes, f"{bundle.blob_path(parsed.config.digest)} of {bundle.name}")
    taken = [Child(chosen.descriptor, "")] if chosen.index else []
    return Image(
        reference,
        origin,
        config,
        _layers(bundle, [(bundle.blob(item), item.media_type) for item in parsed.layers], config),
        config_bytes,
        config_media_type=parsed.config.media_type,
        manifest=manifest,
        index=chosen.index,
        children=(*taken, *(child for child in children if child.descriptor.digest != chosen.descriptor.digest)),
        files=files,
    )


def _candidates(
    bundle: Bundle, index: oci.Index, parent: oci.StoredManifest | None, children: list[Child], name: str, depth: int
) -> Iterator[_Candidate]:
    """Yield the images; everything else that the index lists is added to `children`."""
    if depth > _MAX_DEPTH:
        raise ImageRefusedError(f"the indexes of {bundle.name} lie more than {_MAX_DEPTH} deep", then="build it again")
    for item in index.manifests:
        known = next((item.annotations[key] for key in _NAMES if key in item.annotations), name)
        if item.is_attestation:
            children.append(Child(item, "attestation"))
        elif bundle.find(bundle.blob_path(item.digest)) is None:
            children.append(Child(item, "not in here"))
        elif item.media_type in oci.INDEXES:
            inner = oci.StoredManifest(bundle.blob_document(item), item.media_type)
            parsed = oci.parse(oci.Index, inner.data, f"{bundle.blob_path(item.digest)} of {bundle.name}")
            yield from _candidates(bundle, parsed, inner, children, known, depth + 1)
        else:
            yield _Candidate(item, parent, item.platform or _configured(bundle, item), known)


def _configured(bundle: Bundle, descriptor: oci.Descriptor) -> oci.Platform:
    where = f"{bundle.blob_path(descriptor.digest)} of {bundle.name}"
    manifest = oci.parse(oci.Manifest, bundle.blob_document(descriptor), where)
    where = f"{bundle.blob_path(manifest.config.digest)} of {bundle.name}"
    return oci.parse(oci.ImageConfig, bundle.blob_document(manifest.config), where).platform


def _chosen(
    candidates: list[_Candidate], children: list[Child], bundle: Bundle, architecture: str | None
) -> _Candidate:
    """Return the only image, or the only one for the architecture; the others join the children.

    Raises ImageRefusedError, which lists everything that is there.
    """
    fitting = candidates
    if len(candidates) > 1 and architecture:
        wanted = ("linux", oci.OCI_NAMES[architecture])
        fitting = [item for item in candidates if (item.platform.os, item.platform.architecture) == wanted]
    if len(fitting) == 1:
        children += [Child(item.descriptor, f"for {item.platform}") for item in candidates if item is not fitting[0]]
        return fitting[0]
    shown = [f"{item.platform}{f' {item.name}' if item.name else ''}" for item in candidates]
    shown += [
        f"{child.descriptor.platform or child.descriptor.digest[:19]} ({child.passed_over})" for child in children
    ]
    listed = ", ".join(shown) or "nothing"
    if fitting:
        what = f"{len(fitting)} images that could be meant: {listed}"
        platforms = {(item.platform.os, item.platform.architecture) for item in fitting}
        then = "name the one with --architecture x86_64 or arm64" if len(platforms) > 1 else "save one image alone"
    else:
        for_it = f" for linux/{oci.OCI_NAMES[architecture]}" if architecture and candidates else ""
        what = f"no image{for_it}; what is there: {listed}"
        then = "build it with --platform linux/amd64 or linux/arm64, as the function is"
    raise ImageRefusedError(f"{bundle.name} holds {what}", then=then, there=shown, architecture=architecture)
