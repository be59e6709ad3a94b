"""Packs a tree into a zip archive whose bytes depend on nothing but the tree and SOURCE_DATE_EPOCH.

archive.py DIRECTORY ARCHIVE
"""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path
from time import gmtime

MAX_UNPACKED = 250 << 20  # bytes: Lambda's limit for a function and its layers


def pack(tree: Path, archive: Path) -> int:
    """Write the archive and return the unpacked size in bytes."""
    unpacked = 0
    time = gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for path in sorted(path for path in tree.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(tree)), time)
            entry.external_attr = (0o755 if path.stat().st_mode & 0o100 else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            data = path.read_bytes()
            packed.writestr(entry, data)
            unpacked += len(data)
    return unpacked


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    size = pack(Path(sys.argv[1]), Path(sys.argv[2]))
    if size > MAX_UNPACKED:
        sys.exit(f"archive: {size} bytes unpacked; Lambda takes at most {MAX_UNPACKED}")
    print(f"archive: {Path(sys.argv[2]).stat().st_size} bytes, {size} unpacked")
