"""Public names have docstrings, which name their subject."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("bench", "build_stages", "deploy", "ecr_push.py", "function", "hwang", "local")
NO_SUBJECT: Final = {"of", "as", "what", "who", "whether", "where", "when", "how", "which"}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_names(path: Path) -> Iterator[tuple[str, Documented]]:
    """Modules, classes, functions and methods whose names do not begin with an underscore."""

    def walk(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, Documented]]:
        for child in node.body:
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and child.name[0] != "_":
                yield f"{prefix}{child.name}", child
                if isinstance(child, ast.ClassDef):
                    yield from walk(child, f"{prefix}{child.name}.")

    module = ast.parse(path.read_text())
    yield str(path.relative_to(ROOT)), module
    yield from walk(module, f"{path.relative_to(ROOT)}: ")


@cache
def product() -> list[tuple[str, Documented]]:
    paths = [
        path for name in PRODUCT for path in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
    ]
    return [found for path in sorted(paths) for found in public_names(path)]


def test_no_docstring_begins_without_its_subject() -> None:
    texts = {name: ast.get_docstring(node) or "-" for name, node in product()}
    assert len(texts) > 1000
    wrong = {name: text for name, text in texts.items() if text.split()[0].strip(",.:").lower() in NO_SUBJECT}
    assert not wrong


def test_nineteen_of_twenty_public_names_have_a_docstring() -> None:
    missing = [name for name, node in product() if not isinstance(node, ast.Module) and not ast.get_docstring(node)]
    assert len(missing) <= len(product()) / 20, "\n".join(missing)
