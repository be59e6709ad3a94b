"""Finds the digest that a registry has for a tag, as anyone may who has no account there."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.parse
from dataclasses import dataclass
from urllib.error import HTTPError

from maintain.upstream import Mirrors, UnreachableError

# An index first: its digest serves both architectures.
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)


@dataclass(frozen=True)
class Reference:
    """HOST/NAME:TAG, perhaps pinned with @DIGEST."""

    host: str
    name: str
    tag: str
    digest: str | None

    def __str__(self) -> str:
        return f"{self.host}/{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


def parse(text: str) -> Reference:
    """Return the reference. Raises ValueError for anything but HOST/NAME:TAG with or without @sha256:…."""
    match = re.fullmatch(r"([\w.-]+(?::\d+)?)/([\w./-]+):([\w.-]+)(?:@(sha256:[0-9a-f]{64}))?", text)
    if not match:
        raise ValueError(f"{text!r} is not HOST/NAME:TAG")
    return Reference(*match.groups())


def digest(reference: Reference, mirrors: Mirrors) -> str:
    """Return the digest of what the tag names now, a hash of the manifest's own bytes. Raises UnreachableError."""
    url = f"https://{reference.host}/v2/{reference.name}/manifests/{reference.tag}"
    try:
        manifest = mirrors.read(url, Accept=MANIFESTS)
    except UnreachableError as refusal:
        if not isinstance(refusal.__cause__, HTTPError) or refusal.__cause__.code != 401:
            raise
        token = _token(refusal.__cause__.headers.get("WWW-Authenticate", ""), mirrors)
        manifest = mirrors.read(url, Accept=MANIFESTS, Authorization=f"Bearer {token}")
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def _token(challenge: str, mirrors: Mirrors) -> str:
    """Return an anonymous token from the address that the registry's challenge names."""
    said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: said[key] for key in ("service", "scope") if key in said})
    try:
        answer = json.loads(mirrors.read(f"{said['realm']}?{query}"))
        return str(answer.get("token") or answer["access_token"])
    except (ValueError, KeyError) as error:
        raise UnreachableError(f"the registry's challenge {challenge!r} leads to no token ({error!r})") from error
