"""What the image says of itself: environment, user, volumes, labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deploy.image.checks.finding import Finding
from deploy.image.localimage import Image

LICENCES_LABEL: Final = "org.opencontainers.image.licenses"
VERSION_LABELS: Final = ("org.opencontainers.image.version", "org.opencontainers.image.revision")

_SECRET: Final = frozenset({"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"})
# Defined by Lambda, whatever the image says. The two that Lambda's own base images set have their usual values there.
_RESERVED: Final = frozenset({
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
})  # fmt: skip
_USUAL: Final = {"LAMBDA_TASK_ROOT": "/var/task", "LAMBDA_RUNTIME_DIR": "/var/runtime"}


def environment(image: Image) -> Iterator[Finding]:
    variables = image.config.config.environment
    if secret := sorted(_SECRET & variables.keys()):
        yield Finding(
            "warning",
            "environment",
            f"{', '.join(secret)} in the image",
            why="whoever can pull the image has them, and Lambda puts the role's own in their place",
            then="take them out of the Dockerfile, and have them revoked",
        )
    reserved = _RESERVED & variables.keys()
    reserved |= {name for name, usual in _USUAL.items() if variables.get(name, usual) != usual}
    if reserved:
        yield Finding(
            "warning",
            "environment",
            f"the image sets {', '.join(sorted(reserved))}",
            why="Lambda defines these itself",
            then="take them out of the Dockerfile",
        )


def user(image: Image) -> Iterator[Finding]:
    name = image.config.config.user
    if name.partition(":")[0] not in ("", "0", "root"):
        yield Finding(
            "warning",
            "user",
            f"USER {name}",
            why="Lambda has a user of its own, and does not look at this one",
            then="make files readable for everybody rather than for this user",
        )


def volumes(image: Image) -> Iterator[Finding]:
    if paths := sorted(image.config.config.volumes):
        yield Finding(
            "warning",
            "volumes",
            f"VOLUME {' '.join(paths)[:200]}",
            why="Lambda has no volumes: the image is read-only, and /tmp alone can be written",
            then="write below /tmp",
        )


def standin(image: Image) -> Iterator[Finding]:
    if image.is_standin:
        yield Finding(
            "warning",
            "base",
            "the stand-in for Lambda's base image",
            why="it is for local runs and tests",
            then="only for a registry on this machine; to deploy, build on Lambda's own base: make image BASE=real",
        )


def labels(image: Image) -> Iterator[Finding]:
    """Information only: what is not said is not wrong."""
    yield Finding("note", "licences", image.labels.get(LICENCES_LABEL) or "none stated")
    if versions := [image.labels[name] for name in VERSION_LABELS if name in image.labels]:
        yield Finding("note", "version", ", ".join(versions))
