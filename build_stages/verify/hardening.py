"""How libraries and programs were compiled: what makes a hole in them harder to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from verify.elf import Elf

# With _FORTIFY_SOURCE the compiler calls one that checks in their place, but where it has checked the call itself.
_CHECKED = frozenset(["fprintf", "printf", "snprintf", "sprintf", "vfprintf", "vprintf", "vsnprintf", "vsprintf"])
# Directories that only who made the image can write to.
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
    """For each rule the files that do not keep it."""
    found = {rule: [path for path, elf in elves.items() if not kept(elf)] for rule, kept in RULES.items()}
    return {rule: paths for rule, paths in found.items() if paths}


def problems(elves: Mapping[str, Elf]) -> list[str]:
    """Of what is compiled here."""
    return [f"{path} is compiled without: {rule}" for rule, paths in lacking(elves).items() for path in paths]


def exported(path: str, elf: Elf, allowed: frozenset[str]) -> list[str]:
    """What a library offers others beside what it is for."""
    more = sorted(elf.exports - allowed)
    return [f"{path} exports {len(more)} symbols that are not for others: {', '.join(more[:3])}"] if more else []
