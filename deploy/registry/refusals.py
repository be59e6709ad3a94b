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


def error_of_answer(status: int, body: bytes, registry: str) -> errors.DeployError:
    """Return the error for a refusal by the registry (HOST/NAME): by its message, or by its status if there is none."""
    kind: type[errors.DeployError] = errors.PushFailedError
    try:
        error = json.loads(body)["errors"][0]
        code = str(error["code"]).replace("_", " ").lower()
        message = f"{code}: {error.get('message') or ''}".removesuffix(": ")
        message = "".join(c if c.isprintable() else " " for c in message).strip()[:_MAX_CHARS]
        kind = next((found for pattern, found in _PATTERNS if re.search(pattern, message, re.IGNORECASE)), kind)
    except (ValueError, LookupError, TypeError):
        message, kind = f"status {status}", _STATUSES.get(status, kind)
    return kind(f"the registry {registry} refuses: {message}", then=_REMEDIES[kind])
