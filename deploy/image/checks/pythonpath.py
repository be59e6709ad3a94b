"""Where the Python of an image looks for modules, and what it would find."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from deploy.image.checks.command import Command
from deploy.image.filesystem import Filesystem
from deploy.image.localimage import Image
from deploy.image.tarfiles import Kind

Form: TypeAlias = Literal["source", "compiled", "package"]

_PYTHON: Final = re.compile(r"python3\.\d+")
_SITES: Final = ("site-packages", "dist-packages", "")
_EXTENSION: Final = r"(\.[\w.+-]+)?\.so"


@dataclass(frozen=True)
class Module:
    """A module's file; for a package without `__init__`, its directory."""

    path: str
    form: Form


def task_root(image: Image) -> str:
    return image.config.config.environment.get("LAMBDA_TASK_ROOT") or "/var/task"


def runtime_directory(image: Image) -> str:
    return image.config.config.environment.get("LAMBDA_RUNTIME_DIR") or "/var/runtime"


def python_path(image: Image, command: Command, files: Filesystem) -> tuple[str, ...]:
    """Directories, in the order in which a handler's modules are looked for."""
    environment = image.config.config.environment
    set_by_hand = [place for place in environment.get("PYTHONPATH", "").split(":") if place]
    starts_itself = "awslambdaric" in command.arguments
    own = [command.directory] if starts_itself else [task_root(image)]
    roots = [*own, *set_by_hand, "/opt/python", *_libraries("/opt/python", files), runtime_directory(image)]
    for prefix in _prefixes(command, files):
        roots += _libraries(prefix, files)
    roots += ["/usr/lib/python3/dist-packages"]
    return tuple(dict.fromkeys(roots))


def _prefixes(command: Command, files: Filesystem) -> Iterator[str]:
    """Where Pythons are installed that the command, or `python3`, may be; a virtual environment is its own."""
    yield "/var/lang"
    first = command.arguments[:1] if "python" in posixpath.basename("".join(command.arguments[:1])) else ()
    for name in (*first, "python3", "python"):
        for place in (posixpath.dirname(name),) if "/" in name else command.search:
            path = posixpath.join(command.directory, place, posixpath.basename(name))
            if found := files.find(path):
                yield posixpath.dirname(posixpath.dirname(path))
                yield posixpath.dirname(posixpath.dirname(found.path))


def _libraries(prefix: str, files: Filesystem) -> list[str]:
    library = posixpath.join(prefix, "lib")
    return [
        posixpath.join(library, version, site).rstrip("/")
        for version in files.names(library)
        if _PYTHON.fullmatch(version)
        for site in _SITES
    ]


def module(name: str, places: tuple[str, ...], files: Filesystem) -> Module | None:
    """What `import NAME` gets. A directory without `__init__` counts only if nothing else is found anywhere."""
    parts = name.split(".")
    directory = None
    for place in places:
        base = posixpath.join(place, *parts)
        if found := _in(posixpath.join(base, "__init__"), files) or _in(base, files):
            return found
        leads = files.find(base)
        if directory is None and leads is not None and leads.node.is_directory:
            directory = Module(leads.path, "package")
    return directory


def _in(stem: str, files: Filesystem) -> Module | None:
    folder, name = posixpath.split(stem)
    pattern = re.compile(re.escape(name) + _EXTENSION)
    compiled = [item for item in files.names(folder) if pattern.fullmatch(item)]
    for item in (*compiled, f"{name}.py", f"{name}.pyc"):
        found = files.find(posixpath.join(folder, item))
        if found is not None and found.node.kind is Kind.FILE:
            return Module(found.path, "source" if item.endswith(".py") else "compiled")
    return None
