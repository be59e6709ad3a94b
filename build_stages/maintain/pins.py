"""Rewrites the pin in a source.toml, line by line: comments, order and layout stay."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

from recipe import Archive, archive


class PinError(Exception):
    """The file is not laid out so that its pin can be rewritten line by line; it was left as it was."""


def rewrite(text: str, version: str, debian: str | None, archives: Sequence[Archive | None]) -> str:
    """Return the same text with another pin.

    `archives` has one entry for each [[archive]] of the text, None to remove it. `debian` is Debian's name of the
    version, None to leave what is there. Raises PinError unless the result, read again, has exactly these facts.
    """
    head, *blocks = re.split(r"^(?=\[\[archive\]\]$)", text, flags=re.MULTILINE)
    if len(blocks) != len(archives):
        raise PinError(f"{len(blocks)} [[archive]] for {len(archives)} archives")
    head = _set(head, "version", version)
    if debian is not None:
        head = re.sub(r'^(debian = \{.*\bversion = )"[^"]*"', rf'\g<1>"{debian}"', head, flags=re.MULTILINE)
    kept = [(block, archive) for block, archive in zip(blocks, archives, strict=True) if archive]
    result = head + "".join(_block(block, archive) for block, archive in kept)
    result = result.rstrip("\n") + "\n"
    _prove(text, result, version, debian, [archive for _, archive in kept])
    return result


def _set(text: str, key: str, value: str | int | None) -> str:
    written = f'"{value}"' if isinstance(value, str) else value
    return re.sub(rf'^{key} = (?:"[^"]*"|\d+)', f"{key} = {written}", text, count=1, flags=re.MULTILINE)


def _block(block: str, new: Archive) -> str:
    old = archive(**tomllib.loads(block)["archive"][0])
    for before, after in zip(old.urls, new.urls, strict=True):
        block = block.replace(f'"{before}"', f'"{after}"', 1)
    for key, value in (("name", new.name), ("size", new.size), ("digest", new.digest)):
        block = _set(block, key, value)
    return block


def _prove(before: str, after: str, version: str, debian: str | None, archives: Sequence[Archive]) -> None:
    wanted = tomllib.loads(before) | {"version": version}
    if debian is not None:
        wanted["debian"] = wanted["debian"] | {"version": debian}
    old = [entry for entry in wanted.pop("archive") if entry]
    found = tomllib.loads(after)
    new = found.pop("archive", [])
    said = [(a.urls, a.size, a.digest) for a in (archive(**entry) for entry in new)]
    meant = [(a.urls, a.size if "size" in entry else None, a.digest) for a, entry in zip(archives, new, strict=False)]
    if found != wanted or said != meant or len(new) != len(archives) or not old:
        raise PinError("its lines are not `key = value` as elsewhere: change it by hand")
