"""The handler and the files that the function's user must be able to read."""

from __future__ import annotations

import pytest

from deploy.image.checks.python import top_level_names
from tests.deploy.images import (
    Item,
    directory,
    good,
    symlink,
)
from tests.unit.build.judging import NO_RIC, Files, Judge

# The handler.


@pytest.mark.parametrize(
    ("handler", "files"),
    [
        ("function.handler.handler", {"var/task/function/handler.py": b"def handler(): ..."}),
        ("function/handler.handler", {"var/task/function/handler.py": b"def handler(): ..."}),
        ("package.handler", {"var/task/package/__init__.py": b"from .x import handler"}),
        ("fast.handler", {"var/task/fast.cpython-313-x86_64-linux-gnu.so": b""}),
        ("fast.handler", {"var/task/fast.abi3.so": b""}),
        ("fast.handler", {"var/task/fast.so": b""}),
        ("bytes.handler", {"var/task/bytes.pyc": b""}),
        ("layered.handler", {"opt/python/layered.py": b"handler = 1"}),
        ("linked.handler", {"var/task/linked.py": symlink("/opt/l.py"), "opt/l.py": b"handler = 1"}),
    ],
)
def test_a_handler_that_is_there_is_fine(handler: str, files: Files, judge: Judge) -> None:
    found = judge(good(files, Cmd=[handler]))
    assert found.refused == []
    assert found["handler"].level == "ok"


@pytest.mark.parametrize(
    ("handler", "files", "what"),
    [
        ("handler", {}, "not of the form"),
        (".handler", {}, "not of the form"),
        ("app.", {}, "not of the form"),
        ("a..b", {}, "not of the form"),
        ("other.handler", {}, "no module other in /var/task"),
        ("app.handle", {}, "defines no handle, but handler"),
        ("app.main", {}, "defines no main"),
        ("package.handler", {"var/task/package/module.py": b""}, "is a directory of modules"),
        ("app.handler", {"var/task/app.py": b"class A:\n    def handler(self): ..."}, "defines no handler"),
        ("app.handler", {"var/task/.wh.app.py": b""}, "no module app"),
    ],
)
def test_a_handler_that_is_not_there_is_refused(handler: str, files: Files, what: str, judge: Judge) -> None:
    found = judge(good(files, Cmd=[handler]))
    assert found.refused == ["handler"]
    assert what in found["handler"].what


def test_source_that_cannot_be_parsed_here_is_warned_of(judge: Judge) -> None:
    assert judge(good({"var/task/app.py": b"def handler(:"})).warned == ["handler"]
    assert judge(good({"var/task/app.py": b"\xff\0"})).warned == ["handler"]


def test_the_task_root_comes_before_what_lies_elsewhere(judge: Judge) -> None:
    found = judge(good({"opt/python/app.py": b"", "var/runtime/app.py": b""}))
    assert found["handler"].what.endswith("in /var/task/app.py")


def test_handlers_of_other_languages_are_left_alone(judge: Judge) -> None:
    found = judge(good({"var/task/app.js": b""}, NO_RIC, Cmd=["app.handler"]))
    assert "handler" not in found.subjects


@pytest.mark.parametrize(
    "source",
    [
        "def handler(): ...",
        "async def handler(): ...",
        "class handler: ...",
        "handler = 1",
        "a, (handler, *b) = 1, (2, 3)",
        "handler: int = 1",
        "import handler",
        "import handler.inner",
        "import other as handler",
        "from other import handler",
        "from other import thing as handler",
        "if True:\n    def handler(): ...",
        "try:\n    import handler\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    handler = None",
        "with open('x') as f:\n    handler = f",
        "for handler in []: ...",
        "match 1:\n    case 1:\n        handler = 1",
        "while True:\n    pass\nelse:\n    handler = 1",
    ],
)
def test_what_a_module_binds_is_seen(source: str) -> None:
    assert "handler" in (top_level_names(source.encode()) or set())


@pytest.mark.parametrize(
    "source", ["def f():\n    handler = 1", "class A:\n    handler = 1", "handler: int", "handler()"]
)
def test_what_is_bound_elsewhere_is_not_the_modules(source: str) -> None:
    names = top_level_names(source.encode())
    assert names is not None
    assert "handler" not in names


@pytest.mark.parametrize(
    "source",
    [
        "from other import *",
        "globals()['handler'] = 1",
        "def __getattr__(name): ...",
        "def f():\n    global handler\nf()",
    ],
)
def test_what_cannot_be_told_is_not_refused(source: str) -> None:
    assert top_level_names(source.encode()) is None


# Files.


@pytest.mark.parametrize("place", ["var/task", "var/runtime", "opt", "work"])
def test_files_that_the_functions_user_cannot_read_are_refused(place: str, judge: Judge) -> None:
    secret = {f"{place}/{name}": Item(b"", 0o600) for name in "abcd"}
    found = judge(good({"work": directory(), **secret}, WorkingDir="/work"))
    assert found.refused == ["files"]
    assert found["files"].what == (
        f"4 cannot be read by the function's user: /{place}/a, /{place}/b, /{place}/c and 1 more"
    )
    assert found["files"].then == f"RUN chmod -R a+rX /{place}"


def test_files_that_nobody_needs_may_be_closed(judge: Judge) -> None:
    assert judge(good({"root/.bashrc": Item(b"", 0o600), "etc/shadow": Item(b"", 0o000)})).refused == []
