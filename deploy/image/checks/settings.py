"""The image's own configuration: environment, user, volumes, base, labels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from deploy.image.checks.finding import Finding
from deploy.image.localimage import Image

LICENCES_LABEL: Final = "org.opencontainers.image.licenses"
VERSION_LABELS: Final = ("org.opencontainers.image.version", "org.opencontainers.image.revision")

_SECRET: Final = frozenset({"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
# Defined by Lambda, whatever the image sets. The two that Lambda's own base images set have their usual values there.
_RESERVED: Final = frozenset({
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API",
})  # fmt: skip
_USUAL: Final = {"LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime"}

_warning: Final = partial(Finding, "warning")


def settings(image: Image) -> Iterator[Finding]:
    """Warn of settings that Lambda ignores or replaces, and of an image that is for this machine alone."""
    container = image.config.config
    variables = container.environment
    if secret := sorted(_SECRET & variables.keys()):
        yield _warning(
            "environment",
            f"{', '.join(secret)} in the image",
            "everybody who can pull the image has them, and Lambda replaces them by the role's own",
            "take them out of the Dockerfile, and have them revoked",
        )
    reserved = _RESERVED & variables.keys()
    reserved |= {name for name, usual in _USUAL.items() if variables.get(name, usual) != usual}
    if reserved:
        what = f"the image sets {', '.join(sorted(reserved))}"
        yield _warning("environment", what, "Lambda defines these itself", "take them out of the Dockerfile")
    if container.user.partition(":")[0] not in ("", "0", "root"):
        yield _warning(
            "user",
            f"USER {container.user}",
            "Lambda has a user of its own, and ignores this one",
            "make files readable for everybody rather than for this user",
        )
    if paths := sorted(container.volumes):
        yield _warning(
            "volumes",
            f"VOLUME {' '.join(paths)[:200]}",
            "Lambda has no volumes: the image is read-only, and /tmp alone can be written",
            "write below /tmp",
        )
    if image.is_standin:
        yield _warning(
            "base",
            "the stand-in for Lambda's base image",
            "it is for local runs and tests",
            "only for a registry on this machine; to deploy, build on Lambda's own base: make image BASE=real",
        )


def labels(image: Image) -> Iterator[Finding]:
    """Note the licence and version of the image; a missing label is not wrong."""
    yield Finding("note", "licences", image.labels.get(LICENCES_LABEL) or "none stated")
    if versions := [image.labels[name] for name in VERSION_LABELS if name in image.labels]:
        yield Finding("note", "version", ", ".join(versions))
