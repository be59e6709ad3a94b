"""Finds the digest that a registry has for a tag, as anyone may who has no account there."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException

from maintain.upstream import Mirrors

TIMEOUT_SECONDS = 20
LARGEST_MANIFEST = 4 << 20  # bytes: what registries accept
# An index first: its digest serves both architectures.
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)


class NoDigestError(Exception):
    """The registry does not answer, or does not have the tag."""


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
    """Raises ValueError for anything but HOST/NAME:TAG with or without @sha256:…."""
    match = re.fullmatch(r"([\w.-]+(?::\d+)?)/([\w./-]+):([\w.-]+)(?:@(sha256:[0-9a-f]{64}))?", text)
    if not match:
        raise ValueError(f"{text!r} is not HOST/NAME:TAG")
    return Reference(*match.groups())


def digest(reference: Reference, mirrors: Mirrors) -> str:
    """The digest of what the tag names now, computed from the manifest's own bytes. Raises NoDigestError."""
    url = mirrors.of(f"https://{reference.host}/v2/{reference.name}/manifests/{reference.tag}")
    try:
        try:
            manifest = _get(url, {"Accept": MANIFESTS})
        except urllib.error.HTTPError as refusal:
            if refusal.code != 401:
                raise
            token = _token(refusal.headers.get("WWW-Authenticate", ""))
            manifest = _get(url, {"Accept": MANIFESTS, "Authorization": f"Bearer {token}"})
    except (OSError, HTTPException, ValueError, KeyError) as error:
        raise NoDigestError(f"{reference.host}: {error}") from error
    return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def _token(challenge: str) -> str:
    """An anonymous token from where the registry's challenge says."""
    said = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: said[key] for key in ("service", "scope") if key in said})
    answer = json.loads(_get(f"{said['realm']}?{query}", {}))
    return str(answer.get("token") or answer["access_token"])


def _get(url: str, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s) by construction
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
        body: bytes = answer.read(LARGEST_MANIFEST)
        return body
