"""Copies the licence texts from the source archives of everything that ships, and writes where the source is.

licences.py SOURCES DIRECTORY     (SOURCES/PRODUCT/source.tar -> DIRECTORY/PRODUCT/COPYING…, DIRECTORY/SOURCE-OFFER.md)
"""

from __future__ import annotations

import re
import sys
import tarfile
from pathlib import Path

import recipe

LICENCE = re.compile(r"[^/]+/((?:COPYING|LICEN[CS]E|NOTICE|PATENTS)[^/]*)")
OFFER = Path(__file__).with_name("source-offer.md")


def texts(archive: Path, into: Path) -> None:
    """Write a source archive's licence texts into a new directory, or end if it has none."""
    into.mkdir(parents=True)
    with tarfile.open(archive) as members:
        for member in members:
            match = LICENCE.fullmatch(member.name)
            text = members.extractfile(member) if match and member.isfile() else None
            if match and text:
                (into / match[1]).write_bytes(text.read())
    if not any(into.iterdir()):
        sys.exit(f"licences: {archive} has none")


def offer(products: tuple[recipe.Recipe, ...]) -> str:
    """Return the text that says where the source is and offers it."""
    listed = ""
    for product in products:
        archives = "".join(map(_archive, product.archives))
        listed += f"{product.product} {product.version}, {product.licence}; any one of\n\n{archives}\n"
    return OFFER.read_text().format(products=listed)


def _archive(archive: recipe.Archive) -> str:
    places = "\n  ".join(archive.urls or [archive.name])
    compression = f" (swh:1:dir:{archive.tree}), however it is packed" if archive.tree else ""
    return f"* {places}\n  {archive.digest}{compression}\n"


def main(sources: Path, directory: Path) -> None:
    """Write the texts of everything that ships, and the offer."""
    products = recipe.shipped(recipe.options())
    for product in products:
        texts(sources / product.product / "source.tar", directory / product.product)
    (directory / "SOURCE-OFFER.md").write_text(offer(products))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
