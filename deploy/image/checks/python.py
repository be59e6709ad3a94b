"""Python in an image: its search path, and a search for the handler on it."""

from __future__ import annotations

import ast
import difflib
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from deploy.image.checks.command import Command
from deploy.image.checks.finding import Finding
from deploy.image.filesystem import Filesystem
from deploy.image.localimage import Image
from deploy.image.tarfiles import Kind

_PYTHON: Final = re.compile(r"python3\.\d+")
_SITES: Final = ("site-packages", "dist-packages", "")
_EXTENSION: Final = r"(\.[\w.+-]+)?\.so"
_MAX_SOURCE_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True)
class Module:
    """File of a module; for a package without `__init__`, its directory."""

    path: str
    form: Literal["source", "compiled", "package"]


def task_root(image: Image) -> str:
    """Return the directory of the function's own code."""
    return image.config.config.environment.get("LAMBDA_TASK_ROOT") or "/var/task"


def runtime_directory(image: Image) -> str:
    """Return the directory of Lambda's runtime client."""
    return image.config.config.environment.get("LAMBDA_RUNTIME_DIR") or "/var/runtime"


def python_path(image: Image, command: Command, files: Filesystem) -> tuple[str, ...]:
    """Return the directories in the order in which a handler's modules are looked for."""
    set_by_hand = [place for place in image.config.config.environment.get("PYTHONPATH", "").split(":") if place]
    own = command.directory if "awslambdaric" in command.arguments else task_root(image)
    roots = [own, *set_by_hand, "/opt/python", *_libraries("/opt/python", files), runtime_directory(image)]
    for prefix in _prefixes(command, files):
        roots += _libraries(prefix, files)
    roots += ["/usr/lib/python3/dist-packages"]
    return tuple(dict.fromkeys(roots))


def _prefixes(command: Command, files: Filesystem) -> Iterator[str]:
    """Yield the prefixes of Pythons that the command, or `python3`, may be; a virtual environment is its own."""
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
    """Return what `import NAME` finds. A directory without `__init__` counts only if there is nothing else anywhere."""
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


def handler(image: Image, command: Command, files: Filesystem) -> Iterator[Finding]:
    """Look for the handler `module.function`. Functions that are not Python's are not judged."""
    name, places = command.handler, python_path(image, command, files)
    if not name or module("awslambdaric", places, files) is None:
        return
    stem, dot, attribute = name.rpartition(".")
    stem = stem.replace("/", ".")
    if not dot or not attribute or not all(stem.split(".")):
        yield _wrong(f"{name!r} is not of the form module.function", 'CMD ["module.function"]')
        return
    found = module(stem, places, files)
    if found is None:
        yield _wrong(
            f"no module {stem} in {', '.join(places[:3])} or the other places where Python looks",
            f"COPY it to {places[0]}, or correct CMD",
        )
    else:
        yield _defines(found, stem, attribute, files)


def _defines(found: Module, name: str, attribute: str, files: Filesystem) -> Finding:
    if found.form == "package":
        return _wrong(f"{name} is a directory of modules without a {attribute}", 'CMD ["package.module.function"]')
    if found.form == "compiled":
        return Finding("ok", "handler", f"{name}.{attribute}, in {found.path}, which is compiled")
    source = files.read(found.path, _MAX_SOURCE_BYTES)
    try:
        names = top_level_names(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Finding(
            "warning",
            "handler",
            f"{found.path} cannot be parsed here: {error}",
            why="it is not Python, or it is for a newer Python than this tool runs on",
            then=f"python3 -m py_compile {found.path}, in the image",
        )
    if names is None or attribute in names:
        return Finding("ok", "handler", f"{name}.{attribute}, in {found.path}")
    near = difflib.get_close_matches(attribute, names, n=1)
    return _wrong(f"{found.path} defines no {attribute}" + (f", but {near[0]}" if near else ""), "correct CMD")


def _wrong(what: str, then: str) -> Finding:
    return Finding("refused", "handler", what, "the first request would fail (Runtime.ImportModuleError)", then)


def top_level_names(source: bytes) -> set[str] | None:
    """Return the names that a module binds at its top level; None if the text does not show them.

    Raises SyntaxError or ValueError for anything but Python.
    """
    names: set[str] = set()
    pending: list[ast.stmt] = list(ast.parse(source).body)
    while pending:
        statement = pending.pop()
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                if name == "__getattr__":
                    return None
                names.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                dotted = isinstance(statement, ast.Import)
                names |= {alias.asname or (alias.name.partition(".")[0] if dotted else alias.name) for alias in aliases}
            case ast.Assign(targets=targets):
                names |= _bound(targets)
            case ast.AnnAssign(target=target, value=ast.expr()) | ast.For(target=target):
                names |= _bound([target])
        pending += _inner(statement)
    return None if "*" in names or b"globals()" in source or b"global " in source else names


def _bound(targets: Iterable[ast.expr]) -> set[str]:
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def _inner(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements within if, try, with and loops, which run as the module's own."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    for node in ast.iter_child_nodes(statement):
        if isinstance(node, ast.stmt):
            yield node
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            yield from node.body
