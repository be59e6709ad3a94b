"""Checks how libraries and programs were compiled: options that make a hole in them harder to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from verify.elf import Elf

# With _FORTIFY_SOURCE the compiler calls a checking function instead, except where it has checked the call itself.
_CHECKED = frozenset(["fprintf", "printf", "snprintf", "sprintf", "vfprintf", "vprintf", "vsnprintf", "vsprintf"])
# Directories that only the image's maker can write to.
_OURS = ("$ORIGIN", "/opt/lib", "/var/task", "/var/lang/lib")

RULES: Mapping[str, Callable[[Elf], bool]] = {
    "RELRO": lambda elf: elf.has_relro,
    "BIND_NOW": lambda elf: elf.binds_now,
    "NX": lambda elf: not elf.executable_memory,
    "PIE": lambda elf: elf.is_position_independent,
    "stack protector": lambda elf: "__stack_chk_fail" in elf.imports,
    "FORTIFY": lambda elf: not elf.imports & _CHECKED or any(name.endswith("_chk") for name in elf.imports),
    "no text relocations": lambda elf: not elf.has_text_relocations,
    "no foreign search path": lambda elf: all(place.startswith(_OURS) for place in elf.search_path),
}


def lacking(elves: Mapping[str, Elf]) -> dict[str, list[str]]:
    """Return the files that break a rule, for each rule that is broken."""
    found = {rule: [path for path, elf in elves.items() if not kept(elf)] for rule, kept in RULES.items()}
    return {rule: paths for rule, paths in found.items() if paths}


def problems(elves: Mapping[str, Elf]) -> list[str]:
    """Return a problem for each rule that a file compiled here breaks."""
    return [f"{path} is compiled without: {rule}" for rule, paths in lacking(elves).items() for path in paths]


def exported(path: str, elf: Elf, allowed: frozenset[str]) -> list[str]:
    """Return a problem if a library exports symbols beside those that are allowed."""
    more = sorted(elf.exports - allowed)
    return [f"{path} exports {len(more)} symbols that are not for others: {', '.join(more[:3])}"] if more else []
