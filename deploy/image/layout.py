"""OCI image layouts: `index.json` and blobs named by their digests, as BuildKit, `docker save` and Skopeo make them.

An index leads to one image: the only one there is, or the one for the architecture that is wanted. What is no image
(attestations) is passed over, and so is what the layout does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.bundle import Bundle, blob, blob_document, blob_path, document, stored
from deploy.image.layers import Layer
from deploy.image.localimage import Child, Image, Origin, StoredLayers, require_layers
from deploy.image.streams import compression_of

INDEX: str = "index.json"
_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
_MAX_DEPTH = 4


@dataclass(frozen=True)
class _Candidate:
    """A manifest in the layout, with the platform that is said or, where nothing is said, configured."""

    descriptor: oci.Descriptor
    index: oci.StoredManifest | None
    platform: oci.Platform
    name: str


def read_layout(bundle: Bundle, reference: str, origin: Origin, architecture: str | None, files: ExitStack) -> Image:
    """Raises ImageRefusedError: damaged, or not exactly one image that could be meant."""
    top = oci.parse(oci.Index, document(bundle, INDEX), f"{INDEX} of {bundle.name}")
    children: list[Child] = []
    candidates = {found.descriptor.digest: found for found in _candidates(bundle, top, None, children, "", 0)}
    chosen = _chosen(list(candidates.values()), children, bundle, architecture)
    manifest = oci.StoredManifest(blob_document(bundle, chosen.descriptor), chosen.descriptor.media_type)
    where = f"{blob_path(manifest.digest)} of {bundle.name}"
    parsed = oci.parse(oci.Manifest, manifest.data, where)
    if parsed.media_type and parsed.media_type != manifest.media_type:
        raise ImageRefusedError(
            f"{where} calls itself {parsed.media_type}, its index calls it {manifest.media_type}", then="build it again"
        )
    config_bytes = blob_document(bundle, parsed.config)
    config = oci.parse(oci.ImageConfig, config_bytes, f"{blob_path(parsed.config.digest)} of {bundle.name}")
    taken = [Child(chosen.descriptor, "")] if chosen.index else []
    return Image(
        reference=reference,
        origin=origin,
        config=config,
        source=StoredLayers(_layers(bundle, parsed, config)),
        config_bytes=config_bytes,
        config_media_type=parsed.config.media_type,
        manifest=manifest,
        index=chosen.index,
        children=(*taken, *(child for child in children if child.descriptor.digest != chosen.descriptor.digest)),
        files=files,
    )


def _candidates(
    bundle: Bundle, index: oci.Index, parent: oci.StoredManifest | None, children: list[Child], name: str, depth: int
) -> Iterator[_Candidate]:
    """The images; `children` gets what the index lists beside them."""
    if depth > _MAX_DEPTH:
        raise ImageRefusedError(f"the indexes of {bundle.name} lie more than {_MAX_DEPTH} deep", then="build it again")
    for item in index.manifests:
        known = next((item.annotations[key] for key in _NAMES if key in item.annotations), name)
        if item.is_attestation:
            children.append(Child(item, "attestation"))
        elif bundle.find(blob_path(item.digest)) is None:
            children.append(Child(item, "not in here"))
        elif item.media_type in oci.INDEXES:
            inner = oci.StoredManifest(blob_document(bundle, item), item.media_type)
            parsed = oci.parse(oci.Index, inner.data, f"{blob_path(item.digest)} of {bundle.name}")
            yield from _candidates(bundle, parsed, inner, children, known, depth + 1)
        else:
            yield _Candidate(item, parent, item.platform or _configured(bundle, item), known)


def _configured(bundle: Bundle, descriptor: oci.Descriptor) -> oci.Platform:
    where = f"{blob_path(descriptor.digest)} of {bundle.name}"
    manifest = oci.parse(oci.Manifest, blob_document(bundle, descriptor), where)
    where = f"{blob_path(manifest.config.digest)} of {bundle.name}"
    return oci.parse(oci.ImageConfig, blob_document(bundle, manifest.config), where).platform


def _chosen(
    candidates: list[_Candidate], children: list[Child], bundle: Bundle, architecture: str | None
) -> _Candidate:
    """The only image, or the only one for the architecture; the others join the children."""
    fitting = candidates
    if len(candidates) > 1 and architecture:
        wanted = ("linux", oci.OCI_NAMES[architecture])
        fitting = [item for item in candidates if (item.platform.os, item.platform.architecture) == wanted]
    if len(fitting) != 1:
        raise _not_one(fitting, candidates, children, bundle, architecture)
    children += [Child(item.descriptor, f"for {item.platform}") for item in candidates if item is not fitting[0]]
    return fitting[0]


def _not_one(
    fitting: list[_Candidate],
    candidates: list[_Candidate],
    children: list[Child],
    bundle: Bundle,
    architecture: str | None,
) -> ImageRefusedError:
    shown = [f"{item.platform}{f' {item.name}' if item.name else ''}" for item in candidates]
    shown += [
        f"{child.descriptor.platform or child.descriptor.digest[:19]} ({child.passed_over})" for child in children
    ]
    listed = ", ".join(shown) or "nothing"
    detail = {"there": shown, "architecture": architecture}
    if not fitting:
        wanted = f"no image for linux/{oci.OCI_NAMES[architecture]}" if architecture and candidates else "no image"
        return ImageRefusedError(
            f"{bundle.name} holds {wanted}; what is there: {listed}",
            then="build it with --platform linux/amd64 or linux/arm64, as the function is",
            **detail,
        )
    platforms = {(item.platform.os, item.platform.architecture) for item in fitting}
    return ImageRefusedError(
        f"{bundle.name} holds {len(fitting)} images that could be meant: {listed}",
        then="name the one with --architecture x86_64 or arm64" if len(platforms) > 1 else "save one image alone",
        **detail,
    )


def _layers(bundle: Bundle, manifest: oci.Manifest, config: oci.ImageConfig) -> tuple[Layer, ...]:
    require_layers(bundle.name, len(manifest.layers), config)
    layers = []
    pairs = zip(manifest.layers, config.rootfs.diff_ids, strict=True)
    for number, (descriptor, diff_id) in enumerate(pairs, 1):
        file = blob(bundle, descriptor)
        content = stored(file, descriptor.digest)
        layers.append(Layer(f"layer {number}", content, diff_id, descriptor.media_type, compression_of(file.start())))
    return tuple(layers)
