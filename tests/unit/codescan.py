"""Finds what product code must not do: shell strings, unverified TLS, unpickling, running data as code."""

from __future__ import annotations

import ast
from collections.abc import Iterator

SHELLS = {
    "asyncio.create_subprocess_shell",
    "asyncio.subprocess.create_subprocess_shell",
    "os.popen",
    "os.system",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}
PROCESSES = {f"subprocess.{name}" for name in ("Popen", "call", "check_call", "check_output", "run")}
UNVERIFIED = {
    "ssl.CERT_NONE",
    "ssl._create_default_https_context",
    "ssl._create_stdlib_context",
    "ssl._create_unverified_context",
    "urllib3.disable_warnings",
}
PICKLES = {"cloudpickle", "cPickle", "dill", "joblib", "jsonpickle", "marshal", "pickle", "shelve"}
# What else of multiprocessing there is unpickles what arrives; a connection does in recv(), not in recv_bytes().
BYTES_ONLY = {"multiprocessing.Pipe", "multiprocessing.connection.Connection"}
LOADERS = {"pandas.read_pickle", "torch.load", "yaml.full_load", "yaml.load", "yaml.load_all", "yaml.unsafe_load"}
RUNS_DATA = {"eval", "exec", "compile", "builtins.eval", "builtins.exec", "builtins.compile"}


def findings(source: str) -> list[str]:
    """One line for each breach of a rule: its line number and what it is, in the order of the source."""
    tree = ast.parse(source)
    names = _imported(tree)
    return [f"{line}: {what}" for line, what in sorted(found for node in ast.walk(tree) for found in _of(node, names))]


def _imported(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for, in full."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _full_name(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_full_name(node.value, names)}.{node.attr}"
    return "?"


def _of(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from ((node.lineno, f"imports {module}") for module in _unpicklers(node))
    elif isinstance(node, ast.Name | ast.Attribute):
        name = _full_name(node, names)
        if name in SHELLS:
            yield node.lineno, f"{name} takes a shell string"
        elif name in UNVERIFIED:
            yield node.lineno, f"{name} trusts any server"
        elif name in LOADERS:
            yield node.lineno, f"{name} makes objects of data"
    elif isinstance(node, ast.Assign) and _is(node.value, False):
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr in ("check_hostname", "verify"):
                yield node.lineno, f"{target.attr} = False trusts any server"
    elif isinstance(node, ast.Call):
        yield from ((node.lineno, what) for what in _call(node, _full_name(node.func, names)))


def _unpicklers(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for alias in node.names:
        full = f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name
        package = full.split(".")[0]
        pools = package == "multiprocessing" or full.startswith("concurrent.futures.Process")
        if package in PICKLES or (pools and full not in BYTES_ONLY):
            yield full


def _call(node: ast.Call, name: str) -> Iterator[str]:
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if "shell" in keywords and not _is(keywords["shell"], False):
        yield "shell= is not False"
    if name in PROCESSES and _is_text(node.args[0] if node.args else keywords.get("args")):
        yield f"{name} is given a string, not a list"
    if "verify" in keywords and _is(keywords["verify"], False):
        yield "verify=False trusts any server"
    if "cert_reqs" in keywords and _is(keywords["cert_reqs"], "CERT_NONE"):
        yield "cert_reqs='CERT_NONE' trusts any server"
    if "allow_pickle" in keywords and not _is(keywords["allow_pickle"], False):
        yield "allow_pickle= is not False"
    if name.endswith(".recv") and not node.args and not node.keywords:
        yield "recv() unpickles what arrives"
    if name in RUNS_DATA:
        yield f"{name}() runs data"


def _is(node: ast.expr, value: bool | str) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is type(value) and node.value == value


def _is_text(node: ast.expr | None) -> bool:
    """Whether an expression is a string by its form: a literal, an f-string, or one put together of some."""
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in ("format", "join") and _is_text(node.func.value)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))
