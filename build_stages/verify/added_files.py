"""Compares two trees of files: the image and its base."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from verify.elf import Elf, is_elf


@dataclass(frozen=True)
class Item:
    """A file or a link. `path` is its path in the image, `place` is where it lies now."""

    path: str
    place: Path
    status: os.stat_result

    @property
    def is_file(self) -> bool:
        """False for a link."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def state(self) -> tuple[object, ...]:
        """Mode, owners, and size and time of a file or where a link leads."""
        content = (self.status.st_size, self.status.st_mtime_ns) if self.is_file else (self.place.readlink(),)
        return (self.status.st_mode, self.status.st_uid, self.status.st_gid, *content)

    @property
    def size(self) -> int:
        """Bytes; 0 for a link."""
        return self.status.st_size if self.is_file else 0


@dataclass(frozen=True)
class Addition:
    """`items` are new, `changed` and `removed` are paths of the base that are not as they were."""

    items: tuple[Item, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def files(self) -> tuple[Item, ...]:
        """New files, without links."""
        return tuple(item for item in self.items if item.is_file)

    @cached_property
    def elves(self) -> dict[str, Elf]:
        """New programs and libraries, by path. Raises ValueError for a damaged one."""
        return {item.path: Elf(item.place) for item in self.files if is_elf(item.place)}

    @property
    def bytes(self) -> int:
        """Size of all new files together."""
        return sum(item.size for item in self.items)

    def sums(self) -> str:
        """Return the SHA-256 and path of each new file, a line each, as `sha256sum --check` reads them."""
        return "".join(f"{hashlib.sha256(item.place.read_bytes()).hexdigest()}  {item.path}\n" for item in self.files)


def compare(root: Path, base: Path) -> Addition:
    """Return how `root` differs from `base`. Mounted directories are left out: they are not the image's."""
    mounted = frozenset(f"/{mount.relative_to(root)}" for mount in _mounts() if mount.is_relative_to(root))
    before = {item.path: item for item in _items(base, mounted)}
    after = {item.path: item for item in _items(root, mounted)}
    both = before.keys() & after.keys()
    return Addition(
        items=tuple(item for path, item in after.items() if path not in before),
        changed=tuple(sorted(path for path in both if before[path].state != after[path].state)),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


def _items(root: Path, but: frozenset[str]) -> Iterator[Item]:
    """Yield every file and link below `root` except these paths, in the order of their names."""
    for directory, names, files in os.walk(root):
        inner = Path("/") / Path(directory).relative_to(root)
        names[:] = sorted(name for name in names if str(inner / name) not in but)
        links = [name for name in names if (Path(directory) / name).is_symlink()]
        for name in sorted([*files, *links]):
            place = Path(directory) / name
            status = place.lstat()
            if str(inner / name) not in but and (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
                yield Item(str(inner / name), place, status)


def _mounts() -> frozenset[Path]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return frozenset(Path(line.split()[4]) for line in lines)
