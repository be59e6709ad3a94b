"""What a registry's words mean: the same ones whether they come in an answer of its own or through the engine."""

from __future__ import annotations

import json
import re
from typing import Final

from deploy.errors import (
    CredentialsError,
    DeployError,
    DigestMismatchError,
    PermissionDeniedError,
    PushFailedError,
    RepositoryNotFoundError,
    TagTakenError,
)

_MAX_CHARS: Final = 300
_USUAL_WORDS: Final = {401: "unauthorized", 403: "denied", 404: "not found"}

# The first that is found in the text decides: ECR says of an old token that it is denied.
_MEANINGS: Final[tuple[tuple[str, type[DeployError], str], ...]] = (
    (
        r"token has expired|no basic auth|unauthorized|authentication required",
        CredentialsError,
        "check that the credentials are for this account and region, and valid: aws sts get-caller-identity",
    ),
    (r"immutable", TagTakenError, "choose another --tag; a tag is never moved"),
    (
        r"denied|forbidden|not authorized",
        PermissionDeniedError,
        "`ecr_push.py policy push` prints what the user or role must be allowed",
    ),
    (
        r"name unknown|repository .*(does not exist|not found)",
        RepositoryNotFoundError,
        "check --repository and --region; push --create makes it",
    ),
    (
        r"digest invalid|digest did not match",
        DigestMismatchError,
        "the image changed while it was read, or something on the way changes bytes; try again",
    ),
    (
        r"x509|certificate|http response to https client",
        PushFailedError,
        "the machine of the engine must trust the registry's certificate; see the engine's documentation",
    ),
)


def meaning(text: str, registry: str) -> DeployError:
    """The error for what the registry (HOST or HOST/NAME) said."""
    said = "".join(c if c.isprintable() else " " for c in text).strip()[:_MAX_CHARS]
    for pattern, kind, then in _MEANINGS:
        if re.search(pattern, said, re.IGNORECASE):
            return kind(f"the registry {registry} refuses: {said}", then=then)
    return PushFailedError(f"the registry {registry} refuses: {said}", then="see what it says; trying again may help")


def words(status: int, body: bytes) -> str:
    """What an answer of the registry says, as the engine would put it: `code: message`."""
    try:
        error = json.loads(body)["errors"][0]
        code = str(error["code"]).replace("_", " ").lower()
        return f"{code}: {error.get('message') or ''}".removesuffix(": ")
    except (ValueError, LookupError, TypeError):
        return f"{_USUAL_WORDS.get(status, 'an answer that is not expected')} (status {status})"
