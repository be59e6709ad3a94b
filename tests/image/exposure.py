"""Looks for what must not be in an image: credentials anywhere in it, and a builder's own files in what we add."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

# What each begins with (to pass over the rest quickly), and the whole of it.
CREDENTIALS = {
    "AWS access key": ((b"AKIA", b"ASIA"), rb"\b(?:AKIA|ASIA)(?![A-Z0-9]{9}EXAMPLE)[A-Z0-9]{16}\b"),
    "AWS secret key": (
        (b"secret_access_key", b"SECRET_ACCESS_KEY", b"SecretAccessKey"),
        rb"(?i:secret_?access_?key)[\"']?\s*[=:]\s*[\"']?(?!.{0,33}EXAMPLE)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    "private key": (
        (b"PRIVATE KEY-----",),
        rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+(?:[\w-]+: .*\s+)*[A-Za-z0-9+/=]{32}",
    ),
    "GitHub token": ((b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_"), rb"\bgh[pousr]_[A-Za-z0-9]{36}\b"),
    "GitHub fine-grained token": ((b"github_pat_",), rb"\bgithub_pat_\w{40}"),
    "GitLab token": ((b"glpat-",), rb"\bglpat-[\w-]{20}"),
    "PyPI token": ((b"pypi-AgE",), rb"\bpypi-AgE[\w-]{50}"),
    "npm token": ((b"npm_",), rb"\bnpm_[A-Za-z0-9]{36}\b"),
    "Docker token": ((b"dckr_pat_",), rb"\bdckr_pat_[\w-]{20}"),
    "Slack token": ((b"xoxb-", b"xoxp-", b"xoxa-"), rb"\bxox[abp]-\d{8,}-[\w-]{10,}"),
}
_COMPILED = [(what, begins, re.compile(whole)) for what, (begins, whole) in CREDENTIALS.items()]

KEPT_SECRETS = re.compile(
    r"(?:.*/)?(?:\.netrc|\.pypirc|\.git-credentials|\.npmrc|\.dockercfg|\.docker/config\.json|\.aws/.+|\.ssh/.+|\.env"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|.+\.(?:p12|pfx|jks|keystore)|\.\w+_history)"
)
BUILDERS_FILES = re.compile(
    r"(?:.*/)?(?:pip\.conf|uv\.toml|\.git(?:/.*)?|\.cache(?:/.*)?)|etc/apt/.+|var/lib/apt/lists/.+|var/cache/.+|etc/dnf/.+"
    r"|etc/yum\.repos\.d/.+|etc/(?:ssl|pki)/.+|usr/local/share/ca-certificates/.+|run/.+|root/.+|home/.+|tmp/.+"
)
_VARIABLES = re.compile(r"(?i)(?:\w*_proxy|aws_\w+|pip_\w+|uv_\w+|\w*(?:token|secret|password|passwd|credential)\w*)")
_LOGIN_IN_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@")


@dataclass(frozen=True)
class Exposed:
    """What was found and where: `layer` counts from 0, and is -1 for the image's configuration and history."""

    layer: int
    path: str
    what: str


def in_image(archive: Path, ours_from: int, forbidden: Sequence[bytes] = ()) -> list[Exposed]:
    """Everything found in an image as `docker save` writes it.

    Layers from `ours_from` on are ours: there a builder's files count too, and `forbidden` bytes. What a later layer
    deletes or replaces is in its own layer still, and is found.
    """
    found: list[Exposed] = []
    with tarfile.open(archive) as image:
        (manifest,) = json.load(_member(image, "manifest.json"))
        found += _in_configuration(json.load(_member(image, manifest["Config"])))
        for number, name in enumerate(manifest["Layers"]):
            with tarfile.open(fileobj=_member(image, name)) as layer:
                ours = number >= ours_from
                inside = _in_layer(layer, ours, forbidden if ours else ())
                found += [Exposed(number, path, what) for path, what in inside]
    return found


def layer_of(archive: Path, made_by: str) -> int:
    """The number of the first layer whose command in the history has `made_by` in it. Raises ValueError if none has."""
    with tarfile.open(archive) as image:
        (manifest,) = json.load(_member(image, "manifest.json"))
        history = json.load(_member(image, manifest["Config"]))["history"]
    layers = [entry.get("created_by", "") for entry in history if not entry.get("empty_layer")]
    for number, command in enumerate(layers):
        if made_by in command:
            return number
    raise ValueError(f"no layer was made by {made_by!r}")


def in_bytes(content: bytes) -> Iterator[str]:
    """The names of the credentials in some bytes."""
    for what, begins, whole in _COMPILED:
        if any(begin in content for begin in begins) and whole.search(content):
            yield what


def _in_layer(layer: tarfile.TarFile, ours: bool, forbidden: Sequence[bytes]) -> Iterator[tuple[str, str]]:
    for member in layer:
        path = str(PurePosixPath(member.name.lstrip("./")))
        if KEPT_SECRETS.fullmatch(path):
            yield path, "a file that holds secrets"
        if ours and not member.isdir() and BUILDERS_FILES.fullmatch(path):
            yield path, "a file of the builder"
        content = layer.extractfile(member) if member.isfile() else None
        if content:
            read = content.read()
            yield from ((path, what) for what in in_bytes(read))
            yield from ((path, f"forbidden: {text[:60]!r}") for text in forbidden if text in read)


def _in_configuration(configuration: dict[str, Any]) -> Iterator[Exposed]:
    said = [("environment", line) for line in configuration["config"].get("Env") or []]
    said += [("labels", f"{key}={value}") for key, value in (configuration["config"].get("Labels") or {}).items()]
    said += [("history", entry.get("created_by", "")) for entry in configuration.get("history", [])]
    for where, line in said:
        for name in re.findall(r"(?:^|[\s|])([A-Za-z_]\w*)=", line):
            if where != "labels" and _VARIABLES.fullmatch(name):
                yield Exposed(-1, where, f"the variable {name}")
        yield from (Exposed(-1, where, what) for what in in_bytes(line.encode()))
        if _LOGIN_IN_ADDRESS.search(line):
            yield Exposed(-1, where, "an address with a login")


def _member(image: tarfile.TarFile, name: str) -> IO[bytes]:
    file = image.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is no file")
    return file
