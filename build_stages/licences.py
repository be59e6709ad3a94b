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
OFFER = """\
# Source of the libraries in this image

What is in /opt/lib is compiled, without changes, from the archives below. Each one's licence is in the folder of its
name beside this file. How they are compiled is told by the recipes and scripts in the folder build_stages of Hwang on
Lambda, which, too, are part of the source.

{products}
## Offer

Valid for three years from the day on which you received this image or anything made from it: whoever gave it to you
gives you, on request, a complete machine-readable copy of that source on a medium customarily used for it, for no more
than it costs to send it. The same holds for everybody to whom you pass this image on.
"""


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
    return OFFER.format(products=listed)


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
