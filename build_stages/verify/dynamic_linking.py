"""Proves that every library finds every other, and needs no newer releases of the C and C++ libraries than there are.

The loader itself is asked, in the image's environment.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from verify.elf import Elf

FAMILIES = {"GLIBC": "libc.so.6", "GLIBCXX": "libstdc++.so.6", "CXXABI": "libstdc++.so.6"}
AMAZON_LINUX_2023 = "GLIBC_2.34"
_FOUND = re.compile(r"\t(\S+) => (/\S+) \(0x")


def load(elves: Mapping[str, Elf]) -> tuple[dict[str, Path], list[str]]:
    """Return all libraries that are loaded, by name, and a problem for each file that cannot be loaded."""
    here = Elf(Path(sys.executable).resolve())
    loaded, wrong = dict[str, Path](), list[str]()
    for path, elf in elves.items():
        if elf.machine != here.machine:
            wrong.append(f"{path} is for {elf.machine}, the image is for {here.machine}")
        elif elf.needed:
            found, complaints = _resolve(elf.path, here)
            loaded |= found
            wrong += [f"{path}: {complaint}" for complaint in complaints]
    return loaded, wrong


def replaceable(elves: Mapping[str, Elf]) -> list[str]:
    """Return a problem for each of these libraries that LD_LIBRARY_PATH makes another find elsewhere, or not at all."""
    here = Elf(Path(sys.executable).resolve())
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for elf in elves.values():
            (Path(folder) / elf.path.name).symlink_to(elf.path)
        for path, elf in elves.items():
            found, complaints = _resolve(elf.path, here, LD_LIBRARY_PATH=folder)
            taken = [name for name, place in found.items() if place.is_relative_to(folder)]
            wrong += [f"{path}: {name} comes from LD_LIBRARY_PATH" for name in taken]
            wrong += [f"{path}: {complaint}, with another LD_LIBRARY_PATH" for complaint in complaints]
    return wrong


def highest(versions: Iterable[str]) -> dict[str, str]:
    """Return the highest numbered version of each family."""
    found: dict[str, str] = {}
    for version in sorted(versions):
        family = version.partition("_")[0]
        if family in FAMILIES and _number(version):
            found[family] = max(found.get(family, ""), version, key=_number)
    return found


def too_new(elves: Mapping[str, Elf], loaded: Mapping[str, Path], *, is_stand_in: bool) -> list[str]:
    """Return a problem for each version that is needed and above what the base, or Amazon Linux 2023, has."""
    provided = {
        family: highest(Elf(loaded[library]).versions_defined).get(family, "")
        for family, library in FAMILIES.items()
        if library in loaded
    }
    if not is_stand_in:
        provided["GLIBC"] = min(provided.get("GLIBC", AMAZON_LINUX_2023), AMAZON_LINUX_2023, key=_number)
    return [
        f"{path} needs {version}; there is {provided.get(family) or 'none'}"
        for path, elf in elves.items()
        for family, version in highest(elf.versions_needed).items()
        if _number(version) > _number(provided.get(family, ""))
    ]


def _resolve(file: Path, program: Elf, **variables: str) -> tuple[dict[str, Path], list[str]]:
    """Return where this program's loader finds all that the file needs, and the loader's complaints."""
    if program.interpreter is None:
        raise ValueError(f"{program.path} names no loader")
    environment = {**os.environ, "LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "yes", **variables}
    done = subprocess.run([program.interpreter, file], env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    complaints = [line.strip() for line in lines if "not found" in line]
    if done.returncode and not complaints:
        complaints = [done.stderr.strip() or f"the loader exits with {done.returncode}"]
    return {match[1]: Path(match[2]) for line in lines if (match := _FOUND.match(line))}, complaints


def _number(version: str) -> tuple[int, ...]:
    found = re.search(r"_(\d+(?:\.\d+)*)$", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()
