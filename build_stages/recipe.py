"""Reads a product's facts, build_stages/PRODUCT/source.toml, for fetch.py and for the build scripts.

recipe.py PRODUCT version       the pinned version
recipe.py PRODUCT configure     the configure arguments, one a line
recipe.py add-ons               the add-ons to compile, one a line, each after what it is linked to

Facts below `[with.OPTION]` count where the option is on, as the Dockerfile's arguments in the environment say:
`x264` unless WITH_X264 is 0, `nonfree` if NONFREE is 1, an add-on such as `vpx` if WITH_VPX is 1 or another needs it.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

STAGES = Path(__file__).resolve().parent
ADD_ONS = ("fdk-aac", "lame", "ogg", "opus", "theora", "vorbis", "vpx", "xvid")
VARIABLES = {"x264": "WITH_X264", "nonfree": "NONFREE"} | {
    name: f"WITH_{name.replace('-', '_').upper()}" for name in ADD_ONS
}
NEEDS = {"theora": "ogg", "vorbis": "ogg"}  # their files are Ogg's
DEFAULTS = frozenset({"x264"})
OWN_LICENCE = "Apache-2.0"


class RecipeError(Exception):
    """The facts contradict each other, or what was asked for."""


@dataclass(frozen=True)
class Archive:
    """One known archive of a pinned source: its name, where it is to be had, and what identifies it.

    `digest` is "sha256:…" or "sha512:…" of its bytes, or "git-tree:…" of its files, however they are packed.
    """

    name: str
    urls: tuple[str, ...]  # none if only Debian has it
    size: int | None
    digest: str

    @property
    def tree(self) -> str | None:
        """Git's id of the tree that its files are, if that is what is pinned."""
        return self.digest.removeprefix("git-tree:") if self.digest.startswith("git-tree:") else None

    @property
    def names(self) -> tuple[str, ...]:
        """Names that it may have in a folder: its own, and the last part of each address."""
        return tuple(dict.fromkeys([self.name, *map(file_name, self.urls)]))


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
    libraries: tuple[str, ...] = ()  # `x264` of libx264.so


def options(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """What is switched on, and what that needs. Raises RecipeError for values that are neither 0 nor 1."""
    asked_for = {option for option, variable in VARIABLES.items() if is_on(variable, option in DEFAULTS, environment)}
    return frozenset(asked_for | {NEEDS[option] for option in asked_for & NEEDS.keys()})


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
    facts = _read(product)
    source = _read(facts["of"]) if "of" in facts else facts
    parts = [source] if source is facts else [source, facts]
    parts += [part for name, part in source.get("with", {}).items() if name in switched_on]
    configure = tuple(dict.fromkeys(argument for part in parts for argument in _configure(part)))
    if "--enable-nonfree" in configure and "nonfree" not in switched_on:
        raise RecipeError(_refusal(product, source, switched_on))
    return Recipe(
        product=product,
        version=source["version"],
        licence=[part["licence"] for part in parts if "licence" in part][-1],
        archives=tuple(archive(**facts) for facts in source["archive"]),
        debian=Debian(**source["debian"]) if "debian" in source else None,
        configure=configure,
        links=tuple(name for part in parts for name in part.get("links", ())),
        libraries=tuple(source.get("libraries", [product])),
    )


def shipped(switched_on: frozenset[str] = DEFAULTS) -> tuple[Recipe, ...]:
    """What is compiled here and ships as a library: FFmpeg, and what it is linked to, each before what that needs."""
    names = ["ffmpeg"]
    for name in names:  # which grows
        names += load(name, switched_on).links
    last_mentions = [*dict.fromkeys(reversed(names))]
    return tuple(load(name, switched_on) for name in reversed(last_mentions))


def add_ons(switched_on: frozenset[str]) -> tuple[str, ...]:
    """What to compile of them, each after what it is linked to. Ogg files alone need none: FFmpeg has its own."""
    return tuple(product.product for product in reversed(shipped(switched_on)) if product.product in ADD_ONS)


def licence(switched_on: frozenset[str] = DEFAULTS) -> str:
    """Of an image as a whole, as an SPDX expression: our own code's, and FFmpeg's with all that it is linked to.

    Where something nonfree is in it, that alone. The permissive licences of parts ask for nothing but their texts.
    """
    whole = load("ffmpeg", switched_on).licence
    return whole if "nonfree" in switched_on else f"{OWN_LICENCE} AND {whole}"


def products() -> Iterator[str]:
    """Every product that has facts."""
    return iter(sorted(path.parent.name for path in STAGES.rglob("source.toml")))


def source_file(product: str) -> Path:
    """Where its facts are."""
    return STAGES / ("add-ons" if product in ADD_ONS else "") / product / "source.toml"


def archive(
    digest: str, url: str | None = None, urls: Sequence[str] = (), name: str | None = None, size: int | None = None
) -> Archive:
    """The archive that an [[archive]] tells of: one address is its `url`, several are its `urls`."""
    addresses = (url, *urls) if url else tuple(urls)
    return Archive(name or file_name(addresses[0]), addresses, size, digest)


def file_name(url: str) -> str:
    return unquote(url.rpartition("/")[2])


def _refusal(product: str, source: dict[str, Any], switched_on: frozenset[str]) -> str:
    """Why a configuration with --enable-nonfree is not built."""
    asking = [
        f"{VARIABLES[name]}=1: "
        for name, part in source.get("with", {}).items()
        if name in switched_on and "--enable-nonfree" in _configure(part)
    ]
    return "".join(asking) + f"{product} with --enable-nonfree must not be passed on: say so with NONFREE=1"


def _read(product: str) -> dict[str, Any]:
    return tomllib.loads(source_file(product).read_text())


def _configure(facts: dict[str, Any]) -> list[str]:
    arguments = list(facts.get("configure", []))
    for kind, names in facts.get("enable", {}).items():
        arguments += [f"--enable-{kind}={name}" for name in names]
    return arguments


def main(arguments: list[str]) -> None:
    try:
        switched_on = options()
        match arguments:
            case ["add-ons"]:
                lines: tuple[str, ...] = add_ons(switched_on)
            case [product, "version"]:
                lines = (load(product, switched_on).version,)
            case [product, "configure"]:
                lines = load(product, switched_on).configure
            case _:
                sys.exit(__doc__)
    except RecipeError as error:
        sys.exit(f"recipe: {error}")
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
