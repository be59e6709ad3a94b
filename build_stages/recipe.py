"""Reads a product's facts, build_stages/PRODUCT/source.toml, for fetch.py and for the build scripts.

recipe.py PRODUCT version       the pinned version
recipe.py PRODUCT configure     the configure arguments, one a line

Facts below `[with.OPTION]` count where the option is on, as the Dockerfile's arguments in the environment say:
`x264` unless WITH_X264 is 0, `nonfree` if NONFREE is 1.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAGES = Path(__file__).resolve().parent
VARIABLES = {"x264": "WITH_X264", "nonfree": "NONFREE"}
DEFAULTS = frozenset({"x264"})
OWN_LICENCE = "Apache-2.0"


class RecipeError(Exception):
    """The facts contradict each other, or what was asked for."""


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
    links: tuple[str, ...] = ()  # products that its libraries are linked to


def options(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """What is switched on. Raises RecipeError for values that are neither 0 nor 1."""
    return frozenset(
        option for option, variable in VARIABLES.items() if is_on(variable, option in DEFAULTS, environment)
    )


def is_on(variable: str, default: bool = False, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the Dockerfile's argument of this name is 1. Raises RecipeError for what is neither 0 nor 1."""
    value = environment.get(variable, "1" if default else "0")
    if value not in ("0", "1"):
        raise RecipeError(f"{variable}={value}: say 1 or 0")
    return value == "1"


def load(product: str, switched_on: frozenset[str] = DEFAULTS) -> Recipe:
    """The facts of one product. `of = "OTHER"` takes over OTHER's source and adds to its configure arguments.

    Raises RecipeError for what must not be passed on, unless `nonfree` is switched on.
    """
    facts, known = _read(product), frozenset(products())
    source = _read(facts["of"]) if "of" in facts else facts
    parts = [source] if source is facts else [source, facts]
    parts += [part for name, part in source.get("with", {}).items() if name in switched_on]
    configure = tuple(argument for part in parts for argument in _configure(part))
    if "--enable-nonfree" in configure and "nonfree" not in switched_on:
        raise RecipeError(f"{product}: what comes of --enable-nonfree must not be passed on: say so with NONFREE=1")
    return Recipe(
        product=product,
        version=source["version"],
        licence=[part["licence"] for part in parts if "licence" in part][-1],
        archives=tuple(_archive(**archive) for archive in source["archive"]),
        debian=Debian(**source["debian"]) if "debian" in source else None,
        configure=configure,
        links=(*source.get("links", ()), *(name for name in source.get("with", {}) if name in switched_on & known)),
    )


def shipped(switched_on: frozenset[str] = DEFAULTS) -> tuple[Recipe, ...]:
    """What is compiled here and ships as a library: FFmpeg and what it is linked to."""
    ffmpeg = load("ffmpeg", switched_on)
    return ffmpeg, *(load(product, switched_on) for product in ffmpeg.links)


def licence(switched_on: frozenset[str] = DEFAULTS) -> str:
    """Of an image, as an SPDX expression: our own code's and those of everything that is compiled.

    Where something nonfree is in it, that alone.
    """
    if "nonfree" in switched_on:
        return load("ffmpeg", switched_on).licence
    return " AND ".join(dict.fromkeys([OWN_LICENCE, *(product.licence for product in shipped(switched_on))]))


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
    try:
        recipe = load(product, options())
    except RecipeError as error:
        sys.exit(f"recipe: {error}")
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
