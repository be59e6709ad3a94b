"""Takes the licence texts out of the source archives of everything that ships.

licences.py SOURCES DIRECTORY     (SOURCES/PRODUCT/source.tar -> DIRECTORY/PRODUCT/COPYING…)
"""

from __future__ import annotations

import re
import sys
import tarfile
from pathlib import Path

LICENCE = re.compile(r"[^/]+/((?:COPYING|LICEN[CS]E)[^/]*)")


def main(sources: Path, directory: Path) -> None:
    for archive in sorted(sources.glob("*/source.tar")):
        into = directory / archive.parent.name
        into.mkdir(parents=True)
        with tarfile.open(archive) as members:
            for member in members:
                match = LICENCE.fullmatch(member.name)
                text = members.extractfile(member) if match and member.isfile() else None
                if match and text:
                    (into / match[1]).write_bytes(text.read())
        if not any(into.iterdir()):
            sys.exit(f"licences: {archive} has none")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
