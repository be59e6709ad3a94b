"""Files of an image: its layers laid over each other, as the container will see them.

Nothing is unpacked to disk: a tree of nodes is built from the entries of the layers' tars, and contents are read from
the layers on demand. A layer changes those below it as the OCI image specification says:

* `.wh.NAME` removes NAME of the layers below, `.wh..wh..opq` everything that they have in its directory;
* a directory over a directory keeps the entries of both, any other pair replaces;
* a directory that no layer lists, but something in it, is root's with mode 755; it replaces anything but a directory.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from deploy.errors import ImageRefusedError
from deploy.image.tarfiles import Entry, Kind

READ: Final = 4
EXECUTE: Final = 1
_ALL: Final = 0o111

MAX_NODES: Final = 1_000_000  # the memory of this tree; big images have a third of it
_MAX_NAME_BYTES: Final = 4096  # Linux takes no longer path
_MAX_LINKS: Final = 40  # as Linux
_MAX_PROBLEMS: Final = 10
_WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_META: Final = ".wh..wh."


# Reads at most as many bytes of a file: its path without links, its layer's number, its entry, the limit.
ReadContents: TypeAlias = Callable[[str, int, Entry, int], bytes]


@dataclass(slots=True)
class Node:
    """A file, directory, link or device; `children` of a directory by name.

    `layer` is the number of the layer that has the contents, `touched` the last one that has something at or below it.
    """

    entry: Entry
    layer: int
    touched: int
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Kind of the entry."""
        return self.entry.kind

    @property
    def is_directory(self) -> bool:
        """True for a node that can have children."""
        return self.entry.kind is Kind.DIRECTORY

    def renew(self, layer: int) -> None:
        """Replace a lower layer's entry of a directory by this layer's."""
        if self.layer < layer:
            self.entry, self.layer = _directory(self.entry.name), layer

    def permits(self, uid: int, gids: frozenset[int], wanted: int) -> bool:
        """Return whether the permission bits let the user do all of `wanted` (READ, EXECUTE)."""
        mode = self.entry.mode
        if uid == 0:
            return not wanted & EXECUTE or self.is_directory or bool(mode & _ALL)
        shift = 6 if uid == self.entry.uid else 3 if self.entry.gid in gids else 0
        return (mode >> shift) & wanted == wanted


@dataclass(frozen=True, slots=True)
class Found:
    """Target of a path: `path` without links, `passed` the directories on the way, those of links included."""

    path: str
    node: Node
    passed: tuple[Node, ...]


class Filesystem:
    """Tree of files. It starts empty; `add` lays a layer over the others.

    `sizes` counts the bytes of the files of each layer, hidden ones too: their sum is Docker's size of the image.
    `problems` describes entries that no engine would unpack.
    """

    def __init__(self, read: ReadContents) -> None:
        self._read = read
        self._root = Node(_directory("/"), -1, -1)
        self._count = 0
        self._layers = 0
        self.sizes: list[int] = []
        self.problems: list[str] = []

    def add(self, entries: Iterable[Entry]) -> None:
        """Lay one more layer over the others. Raises ImageRefusedError if there are too many files."""
        layer, self._layers = self._layers, self._layers + 1
        size = 0
        removals: list[tuple[list[str], str]] = []
        for entry in entries:
            size += entry.size
            parts = self._parts(entry, layer)
            if not parts:
                continue
            name = parts.pop()
            if name.startswith(_WHITEOUT):
                if name == _OPAQUE or not name.startswith(_META):
                    removals.append((parts, name))
            else:
                self._put(parts, name, entry, layer)
        for parts, name in removals:
            self._remove(parts, name, layer)
        self.sizes.append(size)

    def _parts(self, entry: Entry, layer: int) -> list[str]:
        """Return the names on the way to the entry; none if it is not taken."""
        parts = [part for part in entry.name.split("/") if part not in ("", ".")]
        if ".." in parts or len(entry.name) > _MAX_NAME_BYTES:
            if len(self.problems) < _MAX_PROBLEMS:
                self.problems.append(f"layer {layer + 1} has the name {entry.name[:200]!r}")
            return []
        if not parts and entry.kind is Kind.DIRECTORY:
            self._root.entry = entry
        return parts

    def _put(self, parts: list[str], name: str, entry: Entry, layer: int) -> None:
        source = layer
        if entry.kind is Kind.HARD_LINK:
            entry, source = self._linked(entry, layer)
        parent = self._directory(parts, layer)
        there = parent.children.get(name)
        if there is not None and there.is_directory and entry.kind is Kind.DIRECTORY:
            there.entry, there.layer, there.touched = entry, layer, layer
        else:
            parent.children[name] = self._node(entry, source, layer)

    def _node(self, entry: Entry, source: int, layer: int) -> Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise ImageRefusedError(f"the image has more than {MAX_NODES:,} files", then="make the image smaller")
        return Node(entry, source, layer)

    def _directory(self, parts: list[str], layer: int) -> Node:
        """Return the directory, made if it is missing."""
        node = self._root
        node.touched = layer
        for part in parts:
            child = node.children.get(part)
            if child is None or not child.is_directory:
                child = node.children[part] = self._node(_directory(part), layer, layer)
            child.touched = layer
            node = child
        return node

    def _linked(self, link: Entry, layer: int) -> tuple[Entry, int]:
        """Return the file that a hard link is another name of, and the layer that has it."""
        found = self.find(link.target, follow=False)
        if found is None or found.node.is_directory:
            if len(self.problems) < _MAX_PROBLEMS:
                self.problems.append(f"layer {layer + 1} has a hard link {link.name[:200]!r} to nothing")
            return replace(link, kind=Kind.OTHER), layer
        return found.node.entry, found.node.layer

    def _remove(self, parts: list[str], name: str, layer: int) -> None:
        """Remove entries of the layers below, as a whiteout says."""
        node = self._root
        for part in parts:
            child = node.children.get(part)
            if child is None or not child.is_directory:
                return
            node = child
        if name == _OPAQUE:
            self._keep_touched(node, layer)
            return
        name = name.removeprefix(_WHITEOUT)
        child = node.children.get(name)
        if child is None:
            return
        if child.touched < layer:
            del node.children[name]
        elif child.is_directory:
            child.renew(layer)
            self._keep_touched(child, layer)

    def _keep_touched(self, top: Node, layer: int) -> None:
        """Keep only this layer's entries in a directory."""
        pending = [top]
        while pending:
            node = pending.pop()
            node.children = {name: child for name, child in node.children.items() if child.touched == layer}
            directories = [child for child in node.children.values() if child.is_directory]
            for directory in directories:
                directory.renew(layer)
            pending += directories

    def find(self, path: str, *, follow: bool = True) -> Found | None:
        """Return the target of an absolute path, links followed inside the image; None for nothing and for circles.

        `follow=False` does not follow a link at the very end.
        """
        names: list[str] = []
        nodes = [self._root]
        passed: list[Node] = []
        pending = _names(path)
        links = 0
        while pending:
            name = pending.pop()
            if not nodes[-1].is_directory:
                return None
            passed.append(nodes[-1])
            if name == "..":
                names, nodes = names[:-1], nodes[:-1] or [self._root]
                continue
            child = nodes[-1].children.get(name)
            if child is None:
                return None
            if child.kind is Kind.SYMLINK and (pending or follow):
                links += 1
                if links > _MAX_LINKS or len(pending) > _MAX_NAME_BYTES:
                    return None
                if child.entry.target.startswith("/"):
                    names, nodes = [], [self._root]
                pending += _names(child.entry.target)
                continue
            names.append(name)
            nodes.append(child)
        return Found("/" + "/".join(names), nodes[-1], tuple(passed))

    def permits(self, path: str, uid: int, gids: frozenset[int], wanted: int = READ) -> bool:
        """Return whether the user can reach the path, through every directory on the way, and do all of `wanted`."""
        found = self.find(path)
        return found is not None and _reached(found, uid, gids) and found.node.permits(uid, gids, wanted)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, sorted; none if it is missing."""
        found = self.find(path)
        return sorted(found.node.children) if found else []

    def unreadable(self, top: str, uid: int, gids: frozenset[int]) -> Iterator[str]:
        """Yield the paths below `top` that the user cannot read. A closed directory stands for all in it."""
        found = self.find(top)
        if found is None:
            return
        if not _reached(found, uid, gids):
            yield found.path
            return
        pending = [(found.path, found.node)]
        while pending:
            path, node = pending.pop()
            if node.kind is Kind.SYMLINK:
                leads = self.find(path)
                if leads is not None and not self.permits(path, uid, gids, _wanted(leads.node)):
                    yield path
            elif not node.permits(uid, gids, _wanted(node)):
                yield path
            else:
                pending += [
                    (posixpath.join(path, name), node.children[name]) for name in sorted(node.children, reverse=True)
                ]

    def read(self, path: str, limit: int) -> bytes:
        """Return at most `limit` bytes of a file. Raises FileNotFoundError if it is no file with contents."""
        found = self.find(path)
        if found is None or found.node.kind is not Kind.FILE or found.node.entry.size != found.node.entry.stored:
            raise FileNotFoundError(path)
        return self._read(found.path, found.node.layer, found.node.entry, limit)


def _directory(name: str) -> Entry:
    return Entry(name, Kind.DIRECTORY, 0o755, 0, 0, 0, "", 0, 0)


def _names(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _reached(found: Found, uid: int, gids: frozenset[int]) -> bool:
    return all(node.permits(uid, gids, EXECUTE) for node in found.passed)


def _wanted(node: Node) -> int:
    return READ | EXECUTE if node.is_directory else READ
