"""Reads the facts of products, their source.toml, for fetch.py, the build scripts and the judge.

recipe.py PRODUCT version       print the pinned version
recipe.py PRODUCT configure     print the configure arguments, one a line
recipe.py add-ons               print the add-ons that are switched on, one a line
recipe.py libraries             print those of them that are compiled, each after what it is linked to

The Dockerfile's arguments in the environment switch options on: `x264` unless WITH_X264 is 0, `formats` unless FORMATS
is `web`, `nonfree` if NONFREE is 1, and each add-on that ADD_ONS names or that such an add-on needs. Facts below
`[with.OPTION]` count if the option is on; an add-on's own facts below `[ffmpeg]` are added to FFmpeg's.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

STAGES = Path(__file__).resolve().parent
FLAGS = {"x264": "WITH_X264", "formats": "FORMATS", "nonfree": "NONFREE"}
VALUES = {"FORMATS": ("web", "all")}  # off and on; other flags are 0 and 1
DEFAULTS = frozenset({"x264", "formats"})
OWN_LICENCE = "Apache-2.0"


class RecipeError(Exception):
    """Facts that contradict each other or the build's arguments."""


@dataclass(frozen=True)
class Archive:
    """One known archive of a pinned source: its name, its addresses, and what identifies it.

    `digest` is "sha256:…" or "sha512:…" of its bytes, or "git-tree:…" of its files, however they are packed.
    """

    name: str
    urls: tuple[str, ...]  # none if only Debian has it
    size: int | None  # bytes
    digest: str

    @property
    def tree(self) -> str | None:
        """Git's id of the tree of its files, if that is what is pinned."""
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
    """A product, the archives it is built from, and how it is configured."""

    product: str
    version: str
    licence: str
    archives: tuple[Archive, ...]
    debian: Debian | None
    configure: tuple[str, ...]
    links: tuple[str, ...] = ()  # products that its libraries are linked to
    libraries: tuple[str, ...] = ()  # `x264` of libx264.so


def options(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return the options that are switched on, with the add-ons that they need.

    Raises RecipeError for a flag of another value, for names that are no add-ons, for an add-on under the GPL without
    x264, and for the arguments that add-ons had before ADD_ONS.
    """
    flags = {option for option, variable in FLAGS.items() if is_on(variable, option in DEFAULTS, environment)}
    for name in add_ons():
        old = f"WITH_{name.replace('-', '_').upper()}"
        if environment.get(old, "0") != "0":
            raise RecipeError(f'{old}={environment[old]}: this argument is now ADD_ONS="{name}"')
    names = environment.get("ADD_ONS", "").split()
    for name in names:  # which grows
        if name not in add_ons():
            raise RecipeError(f'ADD_ONS="{name}": no such add-on; there are {", ".join(add_ons())}')
        if facts(name)["licence"].startswith("GPL") and "x264" not in flags:
            raise RecipeError(f'ADD_ONS="{name}": it is under the GPL, and so is the image only with WITH_X264=1')
        names += facts(name).get("needs", ())
    return frozenset(flags | {*names})


def is_on(variable: str, default: bool = False, environment: Mapping[str, str] = os.environ) -> bool:
    """Return True if the Dockerfile's argument of this name is on. Raises RecipeError if it is neither on nor off."""
    off, on = VALUES.get(variable, ("0", "1"))
    value = environment.get(variable, on if default else off)
    if value not in (off, on):
        raise RecipeError(f"{variable}={value}: say {on} or {off}")
    return value == on


def load(product: str, switched_on: frozenset[str] = DEFAULTS) -> Recipe:
    """Return the recipe of one product. `of = "OTHER"` takes OTHER's source and adds to its configure arguments.

    Raises RecipeError for what must not be passed on, unless `nonfree` is switched on.
    """
    own = facts(product)
    of = own.get("of", product)
    source = facts(of)
    added = {name: facts(name).get(of, {}) for name in chosen(switched_on)}
    parts = [source] if of == product else [source, own]
    parts += [part for option, part in source.get("with", {}).items() if option in switched_on]
    parts += added.values()
    configure = tuple(dict.fromkeys(argument for part in parts for argument in _configure(part)))
    if "--enable-nonfree" in configure and "nonfree" not in switched_on:
        by = "".join(f'ADD_ONS="{name}": ' for name, part in added.items() if "--enable-nonfree" in _configure(part))
        raise RecipeError(f"{by}{product} with --enable-nonfree must not be passed on: say so with NONFREE=1")
    return Recipe(
        product=product,
        version=source["version"],
        licence=[part["licence"] for part in parts if "licence" in part][-1],
        archives=tuple(archive(**known) for known in source["archive"]),
        debian=Debian(**source["debian"]) if "debian" in source else None,
        configure=configure,
        links=tuple(name for part in parts for key in ("links", "needs") for name in part.get(key, ())),
        libraries=tuple(source.get("libraries", [product])),
    )


def shipped(switched_on: frozenset[str] = DEFAULTS) -> tuple[Recipe, ...]:
    """Return everything that ships as a library: FFmpeg, then all that it is linked to, each before what that needs."""
    return tuple(load(name, switched_on) for name in _linked(["ffmpeg"], switched_on))


def add_ons() -> tuple[str, ...]:
    """Return the names of all add-ons: each is a folder in add-ons/."""
    return tuple(sorted(path.parent.name for path in STAGES.glob("add-ons/*/source.toml")))


def chosen(switched_on: frozenset[str]) -> tuple[str, ...]:
    """Return the names of the add-ons that are switched on."""
    return tuple(name for name in add_ons() if name in switched_on)


def libraries(switched_on: frozenset[str]) -> tuple[str, ...]:
    """Return the add-ons to compile, each after what it is linked to. Ogg files alone need none: FFmpeg has its own."""
    links = [link for name in chosen(switched_on) for link in facts(name)["ffmpeg"].get("links", ())]
    return tuple(reversed(_linked(links)))


def licence(switched_on: frozenset[str] = DEFAULTS) -> str:
    """Return the licence of an image as a whole, an SPDX expression: our own code's, and FFmpeg's with what is linked.

    If something nonfree is in it, that alone. The permissive licences of parts ask for nothing but their texts.
    """
    whole = load("ffmpeg", switched_on).licence
    return whole if "nonfree" in switched_on else f"{OWN_LICENCE} AND {whole}"


def products() -> list[str]:
    """Return the names of all products that have facts."""
    return sorted(path.parent.name for path in STAGES.rglob("source.toml"))


def source_file(product: str) -> Path:
    """Return the file of a product's facts."""
    add_on = STAGES / "add-ons" / product / "source.toml"
    return add_on if add_on.exists() else STAGES / product / "source.toml"


def facts(product: str) -> dict[str, Any]:
    """Return a product's source.toml as it is written."""
    return _read(source_file(product))


def archive(
    digest: str, url: str | None = None, urls: Sequence[str] = (), name: str | None = None, size: int | None = None
) -> Archive:
    """Return the archive of an [[archive]]: one address is its `url`, several are its `urls`."""
    addresses = (url, *urls) if url else tuple(urls)
    return Archive(name or file_name(addresses[0]), addresses, size, digest)


def file_name(url: str) -> str:
    """Return the last part of an address, as a file is called."""
    return unquote(url.rpartition("/")[2])


def _linked(names: list[str], switched_on: frozenset[str] = DEFAULTS) -> list[str]:
    """Return these products and all that they are linked to, each before what it is linked to."""
    for name in names:  # which grows
        names += load(name, switched_on).links
    return list(reversed(dict.fromkeys(reversed(names))))


@cache
def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text())


def _configure(part: dict[str, Any]) -> list[str]:
    enabled = [f"--enable-{kind}={name}" for kind, names in part.get("enable", {}).items() for name in names]
    return [*part.get("configure", []), *enabled]


def main(arguments: list[str]) -> None:
    """Print what the arguments ask for; end with a sentence if the recipe refuses."""
    try:
        switched_on = options()
        match arguments:
            case ["add-ons"]:
                lines: Sequence[str] = chosen(switched_on)
            case ["libraries"]:
                lines = libraries(switched_on)
            case [product, "version"]:
                lines = [load(product, switched_on).version]
            case [product, "configure"]:
                lines = load(product, switched_on).configure
            case _:
                sys.exit(__doc__)
    except RecipeError as error:
        sys.exit(f"recipe: {error}")
    print("\n".join(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
