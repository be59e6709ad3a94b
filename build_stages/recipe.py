"""Reads a product's facts, build_stages/PRODUCT/source.toml, for fetch.py and for the build scripts.

recipe.py PRODUCT version       the pinned version
recipe.py PRODUCT configure     the configure arguments, one a line
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAGES = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Archive:
    """One known archive of a pinned source: its name, its address if it has one of its own, what its bytes are."""

    name: str
    url: str | None
    size: int | None
    digest: str  # "sha256:…" or "sha512:…"


@dataclass(frozen=True)
class Debian:
    """The Debian source package that carries the same upstream archive."""

    source: str
    version: str  # upstream's, as Debian writes it


@dataclass(frozen=True)
class Recipe:
    """What is built, from which bytes, and how it is configured."""

    product: str
    version: str
    licence: str
    archives: tuple[Archive, ...]
    debian: Debian | None
    configure: tuple[str, ...]


def load(product: str) -> Recipe:
    """The facts of one product. `of = "OTHER"` takes over OTHER's source and adds to its configure arguments."""
    facts = _read(product)
    source = _read(facts["of"]) if "of" in facts else facts
    arguments = [*_configure(source), *_configure(facts)] if source is not facts else _configure(facts)
    return Recipe(
        product=product,
        version=source["version"],
        licence=source["licence"],
        archives=tuple(_archive(**archive) for archive in source["archive"]),
        debian=Debian(**source["debian"]) if "debian" in source else None,
        configure=tuple(arguments),
    )


def products() -> Iterator[str]:
    """Every product that has facts."""
    return (path.parent.name for path in sorted(STAGES.glob("*/source.toml")))


def _read(product: str) -> dict[str, Any]:
    return tomllib.loads((STAGES / product / "source.toml").read_text())


def _archive(digest: str, url: str | None = None, name: str | None = None, size: int | None = None) -> Archive:
    return Archive(name or str(url).rsplit("/", 1)[-1], url, size, digest)


def _configure(facts: dict[str, Any]) -> list[str]:
    arguments = list(facts.get("configure", []))
    for kind, names in facts.get("enable", {}).items():
        arguments += [f"--enable-{kind}={name}" for name in names]
    return arguments


def main(product: str, fact: str) -> None:
    recipe = load(product)
    if fact == "version":
        print(recipe.version)
    elif fact == "configure":
        print("\n".join(recipe.configure))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
