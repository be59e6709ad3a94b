"""Errors for a registry's refusals."""

from __future__ import annotations

import json
import re
from typing import Final

from deploy import errors

_MAX_CHARS: Final = 300
# Errors for answers without a message of the registry's own.
_STATUSES: Final[dict[int, type[errors.DeployError]]] = {
    401: errors.CredentialsError,
    403: errors.PermissionDeniedError,
}

# The first pattern that is found in the message decides: ECR answers "denied" to an old token.
_PATTERNS: Final[tuple[tuple[str, type[errors.DeployError]], ...]] = (
    (r"token has expired|no basic auth|unauthorized|authentication required", errors.CredentialsError),
    (r"immutable", errors.TagTakenError),
    (r"denied|forbidden|not authorized", errors.PermissionDeniedError),
    (r"name unknown|repository .*(does not exist|not found)", errors.RepositoryNotFoundError),
    (r"digest invalid|digest did not match", errors.DigestMismatchError),
)
_REMEDIES: Final[dict[type[errors.DeployError], str]] = {
    errors.CredentialsError: "check that the credentials are valid here: aws sts get-caller-identity",
    errors.TagTakenError: "choose another --tag; a tag is never moved",
    errors.PermissionDeniedError: "`ecr_push.py policy push` prints the rights that the user or role needs",
    errors.RepositoryNotFoundError: "check --repository and --region; push --create makes it",
    errors.DigestMismatchError: "the image changed meanwhile, or something on the way changes bytes; try again",
    errors.PushFailedError: "read the registry's message; trying again may help",
}


def error_of_message(
    message: str, registry: str, otherwise: type[errors.DeployError] = errors.PushFailedError
) -> errors.DeployError:
    """Return the error for a message about the registry (HOST or HOST/NAME); `otherwise` for an unknown message."""
    shown = "".join(c if c.isprintable() else " " for c in message).strip()[:_MAX_CHARS]
    kind = next((kind for pattern, kind in _PATTERNS if re.search(pattern, shown, re.IGNORECASE)), otherwise)
    return kind(f"the registry {registry} refuses: {shown}", then=_REMEDIES[kind])


def error_of_answer(status: int, body: bytes, registry: str) -> errors.DeployError:
    """Return the error for an answer of the registry, by its message, or by its status if there is none."""
    try:
        error = json.loads(body)["errors"][0]
        code = str(error["code"]).replace("_", " ").lower()
        message = f"{code}: {error.get('message') or ''}".removesuffix(": ")
    except (ValueError, LookupError, TypeError):
        return error_of_message(f"status {status}", registry, _STATUSES.get(status, errors.PushFailedError))
    return error_of_message(message, registry)
