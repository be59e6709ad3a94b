"""The fingerprint of a request: equal for the same question about the same version of the same video."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from function.models.selection import Model

_LATER: Final = {
    "apply": None,
    "batch": None,
    "picture": None,
    "shard_mb": None,
    "outputs": None,
    "square_pixels": False,
    "tone": "stored",
}
"""Left out if they have these values, as before they came."""
_HOW: Final[dict[str, Any]] = {
    "if_exists": True,
    "storage_class": True,
    "kms_key": True,
    "video": {"request_payer"},
    "parts": {"__all__": {"request_payer"}},
}


def fingerprint(request: Model, versions: list[str]) -> str:
    """Return 32 hexadecimal digits. `versions`: ETags of the inputs. How the result is stored does not count."""
    question = request.model_dump(mode="json", exclude=_HOW)
    question = {name: value for name, value in question.items() if name not in _LATER or value != _LATER[name]}
    if getattr(request, "keeps_times", False):
        question["times"] = "kept"  # those of version 1 were not
    return digest([question, versions])


def digest(document: object) -> str:
    """Return 32 hexadecimal digits that are equal for equal JSON values."""
    whole = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode(errors="surrogatepass")).hexdigest()[:32]
