"""Whether every library is of this machine and finds every other: asked of the loader, in the image's environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from verify.elf import Elf

_FOUND = re.compile(r"\t(\S+) => (/\S+) \(0x")


def loader(program: Elf) -> str:
    """The one that loads it. Raises ValueError if it is linked statically."""
    if program.interpreter is None:
        raise ValueError(f"{program.path} names no loader")
    return program.interpreter


def resolve(file: Path, loader: str) -> tuple[dict[str, Path], list[str]]:
    """Where the loader finds what the file needs, and what those need; and its complaints."""
    environment = {**os.environ, "LD_TRACE_LOADED_OBJECTS": "1", "LD_WARN": "yes"}
    done = subprocess.run([loader, file], env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    found = {match[1]: Path(match[2]) for line in lines if (match := _FOUND.match(line))}
    complaints = [line.strip() for line in lines if "not found" in line]
    if done.returncode and not complaints:
        complaints = [done.stderr.strip() or f"the loader exits with {done.returncode}"]
    return found, complaints


def problems(elves: Mapping[str, Elf]) -> tuple[dict[str, Path], list[str]]:
    """All libraries that are loaded, by name; and what cannot be loaded."""
    here = Elf(Path(sys.executable).resolve())
    program, everything, wrong = loader(here), dict[str, Path](), list[str]()
    for path, elf in elves.items():
        if elf.machine != here.machine:
            wrong.append(f"{path} is for {elf.machine}, the image is for {here.machine}")
            continue
        if not elf.needed:
            continue
        found, complaints = resolve(elf.path, program)
        everything |= found
        wrong += [f"{path}: {complaint}" for complaint in complaints]
    return everything, wrong
