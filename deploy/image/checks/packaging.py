"""Manifest, layers, platform and size, which Lambda checks before it starts anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

from deploy.image import oci
from deploy.image.checks.finding import Finding
from deploy.image.filesystem import Filesystem
from deploy.image.layers import MAX_IMAGE_BYTES, Layer
from deploy.image.localimage import Image

SAFE_IMAGE_BYTES: Final = 10 * 1000**3  # Lambda's documents write "10 GB", which may also mean 10 GiB

_bad_manifest: Final = partial(Finding, "refused", "manifest")


def manifest(image: Image) -> Iterator[Finding]:
    """Require one image, not an index, of a type that Lambda takes."""
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
        yield _bad_manifest(
            f"its type is {found.media_type}", why="Lambda takes OCI and Docker v2 schema 2", then="build it again"
        )
    elif image.config_media_type not in oci.CONFIGS:
        yield _bad_manifest(
            f"its configuration is of the type {image.config_media_type}",
            why="that is no container image",
            then="name the image, not something that is stored beside it",
        )
    elif not image.index:
        yield Finding(
            "ok", "manifest", f"one image, {'OCI' if found.media_type == oci.OCI_MANIFEST else 'Docker v2 schema 2'}"
        )


def layers(image: Image) -> Iterator[Finding]:
    """Require layers that Lambda can unpack. An engine's are compressed when it pushes them."""
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
    media_type, then = layer.media_type, "build or save the image again"
    if "foreign" in media_type or "nondistributable" in media_type:
        why = "it is not kept in the registry, and Lambda fetches layers from nowhere else"
        then = "use another base image"
    elif layer.compression == "zstd" or media_type.endswith("zstd"):
        why = "Lambda does not take zstd"
        then = "build with --output type=image,compression=gzip,force-compression=true"
    elif media_type and media_type not in oci.LAYERS:
        why = f"Lambda does not take its type, {media_type}"
    elif layer.compression == "unknown" or (media_type and oci.LAYERS[media_type] != layer.compression):
        why = f"its bytes are not of its type ({media_type or 'a tar'})"
    else:
        return None
    return Finding("refused", "layers", f"{layer.name} ({layer.diff_id[:19]}…)", why, then)


def architecture(image: Image, wanted: str | None) -> Iterator[Finding]:
    """Require Linux on an architecture of Lambda's: the wanted one, by Lambda's name, or either for None."""
    found = image.architecture
    if image.config.os != "linux":
        what = image.config.os or "no operating system"
        yield Finding("refused", "platform", what, "Lambda runs Linux", "--platform linux/…")
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


def shown_bytes(count: int) -> str:
    """Format a size in MB or kB."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def size(image: Image) -> Iterator[Finding]:
    """Require a size that Lambda takes, and warn between 10 GB and 10 GiB."""
    total = image.uncompressed_bytes
    what, then = f"{total / 1e9:.2f} GB unpacked", "build in stages and copy only the files that run"
    if total > MAX_IMAGE_BYTES:
        yield Finding("refused", "size", what, "Lambda takes 10 GB at most, all layers unpacked", then)
    elif total > SAFE_IMAGE_BYTES:
        why = "Lambda takes 10 GB, and does not say whether of 1000 or of 1024 MB"
        yield Finding("warning", "size", what, why, then)
    else:
        yield Finding("ok", "size", f"{shown_bytes(total)} unpacked, of 10 GB")


def names(files: Filesystem) -> Iterator[Finding]:
    """Require entries of layers that an engine unpacks."""
    if files.problems:
        what, then = "; ".join(files.problems[:3]), "build the image again, and see which step wrote the layer"
        yield Finding("refused", "layers", what, "no engine unpacks that", then)
