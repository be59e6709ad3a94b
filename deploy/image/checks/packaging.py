"""Manifest, layers, platform and size: what Lambda looks at before it starts anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from deploy.image import oci
from deploy.image.checks.finding import Finding
from deploy.image.filesystem import Filesystem
from deploy.image.layers import Layer
from deploy.image.localimage import Image

MAX_IMAGE_BYTES: Final = 10 * 1024**3
SAFE_IMAGE_BYTES: Final = 10 * 1000**3  # "10 GB", say the documents


def manifest(image: Image) -> Iterator[Finding]:
    """One image or an index of several; of a type that Lambda takes."""
    found = image.manifest
    if image.index:
        fates = Counter(child.passed_over for child in image.children if child.passed_over)
        others = ", ".join(f"{count} {fate}" for fate, count in fates.items()) or "nothing"
        yield Finding(
            "warning",
            "manifest",
            f"an index; its image for {image.config.platform} is taken; beside it: {others}",
            why="Lambda takes no index, and `docker push` would send it",
            then="`ecr_push.py push` sends that one image; `docker build --provenance=false` makes no index",
        )
    if found is None:
        yield Finding("ok", "manifest", "made when the image is pushed")
    elif found.media_type not in oci.MANIFESTS:
        yield Finding(
            "refused",
            "manifest",
            f"its type is {found.media_type}",
            why="Lambda takes OCI and Docker v2 schema 2",
            then="build it again",
        )
    elif image.config_media_type not in oci.CONFIGS:
        yield Finding(
            "refused",
            "manifest",
            f"its configuration is of the type {image.config_media_type}",
            why="that is no container image",
            then="name the image, not something that is stored beside it",
        )
    elif not image.index:
        yield Finding(
            "ok", "manifest", f"one image, {'OCI' if found.media_type == oci.OCI_MANIFEST else 'Docker v2 schema 2'}"
        )


def layers(image: Image) -> Iterator[Finding]:
    """Layers that Lambda can unpack. An engine's are compressed when it pushes them."""
    if image.engine:
        count = len(image.config.rootfs.diff_ids)
        yield Finding("ok", "layers", f"{count}, which the engine compresses when it pushes them")
        return
    wrong = [finding for layer in image.layers if (finding := _layer(layer))]
    yield from wrong
    if not wrong:
        kinds = Counter("not compressed" if layer.compression == "none" else "gzip" for layer in image.layers)
        shown = kinds.popitem()[0] if len(kinds) == 1 else ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        yield Finding("ok", "layers", f"{len(image.layers)}, {shown}" if image.layers else "none")


def _layer(layer: Layer) -> Finding | None:
    media_type, then = layer.media_type, ""
    if "foreign" in media_type or "nondistributable" in media_type:
        why, then = (
            "it is not kept in the registry, and Lambda fetches layers from nowhere else",
            "use another base image",
        )
    elif layer.compression == "zstd" or media_type.endswith("zstd"):
        why, then = (
            "Lambda does not take zstd",
            "build with --output type=image,compression=gzip,force-compression=true",
        )
    elif media_type and media_type not in oci.LAYERS:
        why, then = f"its type, {media_type}, is none that Lambda takes", "build the image again"
    elif layer.compression == "unknown" or (media_type and oci.LAYERS[media_type] != layer.compression):
        why, then = f"its bytes are not what its type says ({media_type or 'a tar'})", "build or save the image again"
    else:
        return None
    return Finding("refused", "layers", f"{layer.name} ({layer.diff_id[:19]}…)", why=why, then=then)


def architecture(image: Image, wanted: str | None) -> Iterator[Finding]:
    """`wanted` in Lambda's words; None for either."""
    found = image.architecture
    if image.config.architecture not in oci.LAMBDA_NAMES:
        yield Finding(
            "refused",
            "architecture",
            image.config.architecture or "none",
            why="Lambda runs amd64 (x86_64) and arm64",
            then="docker build --platform linux/amd64, or linux/arm64",
        )
    elif wanted and found != wanted:
        yield Finding(
            "refused",
            "architecture",
            f"{found}, and {wanted} is wanted",
            why="the function could not execute a single file of it",
            then=f"docker build --platform linux/{oci.OCI_NAMES[wanted]}, or make the function one for {found}",
        )
    else:
        yield Finding("ok", "architecture", found)


def operating_system(image: Image) -> Iterator[Finding]:
    if image.config.os != "linux":
        yield Finding(
            "refused",
            "platform",
            f"{image.config.os or 'no operating system'}",
            why="Lambda runs Linux",
            then="--platform linux/…",
        )


def shown_bytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def size(image: Image) -> Iterator[Finding]:
    total = image.uncompressed_bytes
    if total > MAX_IMAGE_BYTES:
        level, why = "refused", "Lambda takes 10 GB at most, all layers unpacked"
    elif total > SAFE_IMAGE_BYTES:
        level, why = "warning", "Lambda takes 10 GB, and does not say whether of 1000 or of 1024 MB"
    else:
        yield Finding("ok", "size", f"{shown_bytes(total)} unpacked, of 10 GB")
        return
    yield Finding(
        "refused" if level == "refused" else "warning",
        "size",
        f"{total / 1e9:.2f} GB unpacked",
        why=why,
        then="build in stages and copy only what runs",
    )


def names(files: Filesystem) -> Iterator[Finding]:
    """What the layers' tars list must be what an engine unpacks."""
    if files.problems:
        yield Finding(
            "refused",
            "layers",
            "; ".join(files.problems[:3]),
            why="no engine unpacks that",
            then="build the image again, and see what wrote the layer",
        )
