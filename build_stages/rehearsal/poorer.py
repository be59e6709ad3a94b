"""Makes a Debian system poorer than Lambda's base: deletes all programs that are not known to be in that base.

poorer.py CONTRACT STORE

Programs of the contract's packages are moved into folders of STORE, which microdnf beside this file installs from.
"""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

DIRECTORIES = [Path(place) for place in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")]
MULTIARCH = Path(f"/usr/lib/{sys.implementation._multiarch}")
# Files of packages that are no programs.
LIBRARIES = {
    "zlib-devel": [
        *(Path("/usr/include") / name for name in ("zlib.h", "zconf.h")),
        *(MULTIARCH / name for name in ("libz.a", "libz.so", "pkgconfig/zlib.pc")),
    ],
}


def main(contract: Path, store: Path) -> None:
    """Move and delete programs, as the contract says."""
    facts = tomllib.loads(contract.read_text())
    kept = {*facts["programs"]["shipped"].split(), *facts["programs"]["of_lambda"].split()}
    packages: dict[str, list[str]] = {name: text.split() for name, text in facts["packages"]["brings"].items()}
    package_of = {program: package for package, programs in packages.items() for program in programs}
    for package in packages:
        (store / package / "usr/bin").mkdir(parents=True)
    # Links first: what they lead to may go.
    programs = sorted(
        (path for place in real(DIRECTORIES) for path in place.iterdir()), key=lambda p: not p.is_symlink()
    )
    for path in programs:
        if path.name in kept or path.name in package_of:
            dereference(path)
    deleted = 0
    for path in programs:
        if path.name in package_of and path.exists():
            shutil.move(path, store / package_of[path.name] / "usr/bin" / path.name)
        elif path.name not in kept:
            path.unlink(missing_ok=True)
            deleted += 1
    for package, files in LIBRARIES.items():
        for file in filter(Path.exists, files):
            place = store / package / file.relative_to("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, place)
    print(f"rehearsal: {deleted} programs deleted, {len(package_of)} put away in {len(packages)} packages")


def real(places: list[Path]) -> list[Path]:
    """Return the directories, without those that are links to one another."""
    return [place for place in places if place.is_dir() and not place.is_symlink()]


def dereference(path: Path) -> None:
    """Replace a link by a copy of the program that it leads to. A link to nothing stays."""
    if path.is_symlink() and path.exists():
        target = path.resolve()
        path.unlink()
        shutil.copy2(target, path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
