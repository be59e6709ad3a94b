"""The handler's name, and the Python module and function that it means."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator
from typing import Final

from deploy.image.checks.command import Command
from deploy.image.checks.finding import Finding
from deploy.image.checks.pythonpath import Module, module, python_path
from deploy.image.filesystem import Filesystem
from deploy.image.localimage import Image

_MAX_SOURCE_BYTES: Final = 4 * 1024 * 1024


def importable(image: Image, command: Command, files: Filesystem) -> Iterator[Finding]:
    """Whether `module.function` is there. Nothing is said of functions that are not Python's."""
    handler, places = command.handler, python_path(image, command, files)
    if not handler or module("awslambdaric", places, files) is None:
        return
    name, dot, attribute = handler.rpartition(".")
    name = name.replace("/", ".")
    if not dot or not attribute or not all(name.split(".")):
        yield _wrong(f"{handler!r} is not of the form module.function", 'CMD ["module.function"]')
        return
    found = module(name, places, files)
    if found is None:
        yield _wrong(
            f"no module {name} in {', '.join(places[:3])} or the other places where Python looks",
            f"COPY it to {places[0]}, or correct CMD",
        )
    else:
        yield _defines(found, name, attribute, files)


def _defines(found: Module, name: str, attribute: str, files: Filesystem) -> Finding:
    if found.form == "package":
        return _wrong(
            f"{name} is a directory of modules, and has no {attribute} itself", 'CMD ["package.module.function"]'
        )
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
            why="either it is no Python, or for a newer one than this tool runs on",
            then=f"python3 -m py_compile {found.path}, in the image",
        )
    if names is None or attribute in names:
        return Finding("ok", "handler", f"{name}.{attribute}, in {found.path}")
    near = difflib.get_close_matches(attribute, names, n=1)
    return _wrong(
        f"{found.path} defines no {attribute}" + (f", but {near[0]}" if near else ""), "correct CMD, or define it"
    )


def _wrong(what: str, then: str) -> Finding:
    return Finding(
        "refused", "handler", what, why="the first request would fail (Runtime.ImportModuleError)", then=then
    )


def top_level_names(source: bytes) -> set[str] | None:
    """What a module's code binds at its top level; None where that cannot be told from the text.

    Raises SyntaxError or ValueError for what is no source.
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
            case ast.Import(names=aliases):
                names |= {alias.asname or alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
            case ast.Assign(targets=targets):
                names |= _bound(targets)
            case ast.AnnAssign(target=target, value=value) if value:
                names |= _bound([target])
            case ast.For(target=target):
                names |= _bound([target])
        pending += _inner(statement)
    return None if "*" in names or _sets_globals(source) else names


def _bound(targets: Iterable[ast.expr]) -> set[str]:
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}


def _inner(statement: ast.stmt) -> Iterator[ast.stmt]:
    """The statements within if, try, with and loops, which run as the module's own."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return
    for node in ast.iter_child_nodes(statement):
        if isinstance(node, ast.stmt):
            yield node
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            yield from node.body


def _sets_globals(source: bytes) -> bool:
    return b"globals()" in source or b"global " in source
