"""Which releases of the C and C++ libraries are needed, and which the base has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from verify.elf import Elf

FAMILIES = {"GLIBC": "libc.so.6", "GLIBCXX": "libstdc++.so.6", "CXXABI": "libstdc++.so.6"}
AMAZON_LINUX_2023 = "GLIBC_2.34"


def highest(versions: Iterable[str]) -> dict[str, str]:
    """Of each family the highest one that has a number."""
    found: dict[str, str] = {}
    for version in sorted(versions):
        family = version.partition("_")[0]
        if family in FAMILIES and _number(version):
            found[family] = max(found.get(family, ""), version, key=_number)
    return found


def problems(
    elves: Mapping[str, Elf], loaded: Mapping[str, Path], *, is_stand_in: bool
) -> tuple[dict[str, str], list[str]]:
    """The highest that anything needs, and what is above what the base, or Amazon Linux 2023, has."""
    wrong = []
    provided = {
        family: highest(Elf(loaded[library]).versions_defined).get(family, "")
        for family, library in FAMILIES.items()
        if library in loaded
    }
    if not is_stand_in:
        provided["GLIBC"] = min(provided.get("GLIBC", AMAZON_LINUX_2023), AMAZON_LINUX_2023, key=_number)
    for path, elf in elves.items():
        for family, version in highest(elf.versions_needed).items():
            if _number(version) > _number(provided.get(family, "")):
                wrong.append(f"{path} needs {version}; there is {provided.get(family) or 'none'}")
    return highest(version for elf in elves.values() for version in elf.versions_needed), wrong


def _number(version: str) -> tuple[int, ...]:
    found = re.search(r"_(\d+(?:\.\d+)*)$", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
