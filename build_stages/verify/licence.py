"""Computes the licence from FFmpeg's configure line and from what is linked, and compares it with the recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import recipe

_OF_FFMPEG = ("avcodec", "avfilter", "avformat", "avutil", "swresample", "swscale")


def of_ffmpeg(said: str, configuration: Sequence[str]) -> tuple[str, list[str]]:
    """Return FFmpeg's licence by its configure line, and a problem if its libraries say another one."""
    gpl, version3, nonfree = (f"--enable-{flag}" in configuration for flag in ("gpl", "version3", "nonfree"))
    family, version = ("GPL" if gpl else "LGPL"), ("3.0" if version3 else "2.0" if gpl else "2.1")
    words, computed = f"{family} version {version.removesuffix('.0')} or later", f"{family}-{version}-or-later"
    if nonfree:
        words, computed = "nonfree and unredistributable", "LicenseRef-FFmpeg-nonfree"
    wrong = f"FFmpeg calls itself under {said!r}; configured as it is it is under {computed}"
    return computed, [] if said == words else [wrong]


def linked(needed: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the libraries that are compiled here and linked to, except FFmpeg's own: `x264` of libx264.so.164.

    `needed` has the names of the libraries that each file needs, for all files that are compiled here.
    """
    ours = {Path(path).name for path in needed}
    names = {name for names in needed.values() for name in names if name in ours}
    return sorted({name.removeprefix("lib").partition(".so")[0] for name in names} - set(_OF_FFMPEG))


def problems(
    ffmpeg: str, configuration: Sequence[str], needed: Mapping[str, Sequence[str]], switched_on: frozenset[str]
) -> list[str]:
    """Return what differs from the recipes. `ffmpeg` is FFmpeg's computed licence, `needed` is as for `linked`."""
    declared = recipe.load("ffmpeg", switched_on)
    wrong = []
    if ffmpeg != declared.licence:
        wrong.append(f"FFmpeg is under {ffmpeg}; its source.toml says {declared.licence}")
    if missing := [argument for argument in declared.configure if argument not in configuration]:
        wrong.append(f"FFmpeg was configured without {', '.join(missing)}")
    others = [product for product in recipe.shipped(switched_on) if product.product != declared.product]
    libraries = sorted(library for product in others for library in product.libraries)
    if (found := linked(needed)) != libraries:
        wrong.append(f"FFmpeg is linked to {', '.join(found)}; source.toml says {', '.join(libraries)}")
    gpl = [product.product for product in others if product.licence.startswith("GPL")]
    if gpl and ffmpeg.startswith("LGPL"):
        wrong.append(f"{', '.join(gpl)} is under the GPL, and FFmpeg with it in is called {ffmpeg}")
    return wrong


def missing_texts(directory: Path, switched_on: frozenset[str]) -> list[str]:
    """Return a problem for each licence text that the image lacks, and for each source that its offer does not name."""
    wrong = []
    products = recipe.shipped(switched_on)
    for product in ("hwang", *(found.product for found in products)):
        folder = directory / product
        if not folder.is_dir() or not any(folder.iterdir()):
            wrong.append(f"LICENSES has no text for {product}")
    offer = directory / "SOURCE-OFFER.md"
    text = offer.read_text() if offer.exists() else ""
    unnamed = [a.digest for product in products for a in product.archives if a.digest.partition(":")[2] not in text]
    return wrong + [f"SOURCE-OFFER.md does not name the source {digest}" for digest in unnamed]
