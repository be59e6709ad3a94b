"""Lambda's requirements of an image that its configuration, manifest and layers answer: no file of it is read.

Whether the image runs is asked of the image: `deploy.image.trial`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeAlias

from deploy.errors import ImageRefusedError
from deploy.image import oci
from deploy.image.layers import MAX_IMAGE_BYTES, READABLE, Layer
from deploy.image.localimage import Image

Level: TypeAlias = Literal["ok", "note", "warning", "refused"]


@dataclass(frozen=True)
class Finding:
    """`subject` is the thing that was checked, `what` was found there, `why` it matters, and what to do `then`.

    "refused": Lambda would not take or could not run the image. "note" is information without a judgement.
    """

    level: Level
    subject: str
    what: str
    why: str = ""
    then: str = ""


LICENCES_LABEL: Final = "org.opencontainers.image.licenses"
LAMBDA_ENTRYPOINT: Final = "lambda-entrypoint.sh"

_SECRET: Final = frozenset({"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})

_AGAIN: Final = "build or save the image again"
_ok: Final = partial(Finding, "ok")
_refused: Final = partial(Finding, "refused")
_warning: Final = partial(Finding, "warning")


def findings(
    image: Image, architecture: str | None = None, start: oci.ContainerConfig | None = None
) -> tuple[Finding, ...]:
    """Return everything that Lambda would refuse, and facts worth knowing.

    `architecture` is the wanted one. `start` is the image's own start unless a function has another
    (`image.start.overridden(ImageConfig)`).
    """
    found = [*_manifest(image), *_architecture(image, architecture), *_layers(image), *_command(start or image.start)]
    return (*found, *_size(image), *_settings(image), *_labels(image))


def _manifest(image: Image) -> Iterator[Finding]:
    """Require one image, not an index, of a type that Lambda takes."""
    found = image.manifest
    if image.index:
        what = f"an index; beside its image for {image.config.platform}: {', '.join(image.beside) or 'nothing'}"
        then = "`ecr_push.py push` sends that one image; `docker build --provenance=false` makes no index"
        yield _warning("manifest", what, "Lambda takes no index, and `docker push` would send it", then)
    if found is None:
        yield _ok("manifest", "made when the image is pushed")
    elif found.media_type not in oci.MANIFESTS:
        yield _refused("manifest", f"its type is {found.media_type}", "Lambda takes OCI and Docker v2 schema 2", _AGAIN)
    elif image.config_media_type not in oci.CONFIGS:
        what, then = f"its configuration is of the type {image.config_media_type}", "name the image itself"
        yield _refused("manifest", what, "that is no container image, but something beside one", then)
    elif not image.index:
        yield _ok("manifest", f"one image, {'OCI' if found.media_type == oci.OCI_MANIFEST else 'Docker v2 schema 2'}")


def _layers(image: Image) -> Iterator[Finding]:
    """Require layers that can be sent to a registry: those of an engine always can."""
    wrong = [finding for layer in image.layers if (finding := _layer(layer))]
    yield from wrong
    if not wrong:
        yield _ok("layers", f"{len(image.config.rootfs.diff_ids)}, pushed as gzip")


def _layer(layer: Layer) -> Finding | None:
    media_type, then = layer.media_type, _AGAIN
    if "foreign" in media_type or "nondistributable" in media_type:
        why = "it is not kept in the registry, and Lambda fetches layers from nowhere else"
        then = "use another base image"
    elif layer.compression == "zstd" or media_type.endswith("zstd"):
        why = "Lambda does not take zstd"
        then = "build with --output type=image,compression=gzip,force-compression=true"
    elif media_type and media_type not in oci.LAYERS:
        why = f"Lambda does not take its type, {media_type}"
    elif layer.compression not in READABLE:
        why = f"its bytes are not of its type ({media_type or 'a tar'})"
    else:
        return None
    return _refused("layers", f"{layer.name} ({layer.diff_id[:19]}…)", why, then)


def _architecture(image: Image, wanted: str | None) -> Iterator[Finding]:
    """Require Linux on an architecture of Lambda's: the wanted one, by Lambda's name, or either for None."""
    found, then = image.architecture, "docker build --platform linux/amd64, or linux/arm64"
    if image.config.os != "linux":
        yield _refused("platform", image.config.os or "no operating system", "Lambda runs Linux", then)
    if image.config.architecture not in oci.LAMBDA_NAMES:
        yield _refused("architecture", found or "none", "Lambda runs amd64 (x86_64) and arm64", then)
    elif wanted and found != wanted:
        then = f"docker build --platform linux/{oci.OCI_NAMES[wanted]}, or make the function one for {found}"
        what, why = f"{found}, and {wanted} is wanted", "the function could not execute a single file of it"
        yield _refused("architecture", what, why, then)
    else:
        yield _ok("architecture", found)


def _command(start: oci.ContainerConfig) -> Iterator[Finding]:
    """Require a command, with exactly one argument for the program that starts handlers."""
    arguments = (*start.entrypoint, *start.cmd)
    then = 'CMD ["module.function"] in the Dockerfile, or give it to the function: --command'
    if not arguments:
        yield _refused("command", "neither ENTRYPOINT nor CMD", "Lambda would not know what to start", then)
    elif posixpath.basename(arguments[0]) == LAMBDA_ENTRYPOINT and len(arguments) != 2:
        what = f"{len(arguments) - 1} arguments where the handler alone is expected: {' '.join(arguments[1:])[:100]}"
        yield _refused("command", what, "the entrypoint takes exactly one; a CMD in the shell form makes three", then)
    else:
        yield _ok("command", " ".join(arguments))


def shown_bytes(count: int) -> str:
    """Format a size in MB or kB."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _size(image: Image) -> Iterator[Finding]:
    try:
        total = image.unpacked_bytes
    except ImageRefusedError as error:
        yield _refused("layers", error.what, "the size is not known", error.then)
        return
    what, then = f"{total / 1e9:.2f} GB unpacked", "build in stages and copy only the files that run"
    if total > MAX_IMAGE_BYTES:
        yield _refused("size", what, "Lambda takes 10 GB at most, all layers unpacked", then)
    else:
        yield _ok("size", f"{shown_bytes(total)} unpacked, of 10 GB")


def _settings(image: Image) -> Iterator[Finding]:
    """Warn of credentials, and of an image that is for this machine alone."""
    if secret := sorted(_SECRET & image.start.environment.keys()):
        why = "everybody who can pull the image has them, and Lambda replaces them by the role's own"
        then = "take it out of the Dockerfile, and have it revoked"
        yield _warning("environment", f"{', '.join(secret)} in the image", why, then)
    if image.is_standin:
        then = "only for a registry on this machine; to deploy, build on Lambda's own base: make image BASE=real"
        yield _warning("base", "the stand-in for Lambda's base image", "it is for local runs and tests", then)


def _labels(image: Image) -> Iterator[Finding]:
    yield Finding("note", "licences", image.start.labels.get(LICENCES_LABEL) or "none stated")


def require_acceptable(image: Image, *found: Finding) -> None:
    """Raises ImageRefusedError, with every refusal, if there is one."""
    refused = [finding for finding in found if finding.level == "refused"]
    if refused:
        what = "; ".join(f"{finding.subject}: {finding.what}" for finding in refused)
        then = refused[0].then or "`ecr_push.py check` says more"
        subjects = [finding.subject for finding in refused]
        raise ImageRefusedError(f"Lambda would not take {image.reference}: {what}", then=then, refused=subjects)
