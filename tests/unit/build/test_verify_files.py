"""What the judge of an image sees in its files: what is added, what must not be there, what is large."""

from __future__ import annotations

import base64
import hashlib
import os
import py_compile
from collections.abc import Callable
from pathlib import Path

import pytest

import recipe
from verify import forbidden_files, packages, size
from verify.added_files import Addition, compare
from verify.size import LARGE_BYTES, MAX_ADD_ON_BYTES, MAX_BYTES

Made = Callable[..., Addition]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return filled(tmp_path / "base", {"etc/name": b"base", "bin/sh": b"shell"})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return filled(tmp_path / "root", {"etc/name": b"base", "bin/sh": b"shell"})


def filled(directory: Path, files: dict[str, bytes]) -> Path:
    """With files that have one time, as one layer's have in two trees."""
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)
        os.utime(path, (1, 1))
    return directory


def paths(addition: Addition) -> list[str]:
    return [item.path for item in addition.items]


# What is added.


def test_what_the_base_has_not_is_added_and_nothing_else(root: Path, base: Path) -> None:
    filled(root, {"opt/lib/new.so": b"12345"})
    (root / "opt/link").symlink_to("lib/new.so")
    addition = compare(root, base)
    assert sorted(paths(addition)) == ["/opt/lib/new.so", "/opt/link"]
    assert (addition.bytes, addition.changed, addition.removed) == (5, (), ())
    assert [item.path for item in addition.files] == ["/opt/lib/new.so"]


def test_what_is_another_file_than_in_the_base_is_changed(root: Path, base: Path) -> None:
    (root / "etc/name").write_bytes(b"mine")
    (root / "bin/sh").chmod(0o755)
    assert compare(root, base).changed == ("/bin/sh", "/etc/name")


def test_what_is_gone_from_the_base_is_told(root: Path, base: Path) -> None:
    (root / "bin/sh").unlink()
    assert compare(root, base).removed == ("/bin/sh",)


def test_a_link_that_leads_elsewhere_is_changed(root: Path, base: Path) -> None:
    for directory, target in ((root, "name"), (base, "other")):
        (directory / "etc/link").symlink_to(target)
    assert compare(root, base).changed == ("/etc/link",)


# What must not be there.


@pytest.mark.parametrize(
    ("name", "mode", "problem"),
    [
        ("opt/tool", 0o4755, "is setuid or setgid"),
        ("opt/tool", 0o2755, "is setuid or setgid"),
        ("opt/data", 0o666, "can be written by anybody"),
        ("opt/data", 0o600, "cannot be read by the function's user"),
        ("usr/bin/gcc", 0o755, "is for building"),
        ("var/task/bin/pip3", 0o755, "is for building"),
        ("usr/local/bin/aws-lambda-rie", 0o755, "is for building"),
        ("root/.netrc", 0o644, "is for building"),
        ("opt/include/avcodec.h", 0o644, "is for compiling"),
        ("opt/lib/libx264.a", 0o644, "is for compiling"),
        ("var/task/numpy/tests/data.npy", 0o644, "lies in a directory tests"),
        ("var/task/.cache/wheel", 0o644, "lies in a directory .cache"),
    ],
)
def test_what_is_not_for_running_is_named(name: str, mode: int, problem: str, root: Path, base: Path) -> None:
    filled(root, {name: b""})
    (root / name).chmod(mode)
    assert forbidden_files.problems(compare(root, base)) == [f"/{name} {problem}"]


def test_packages_may_have_headers_and_nothing_else_may(root: Path, base: Path) -> None:
    site = packages.SITE.lstrip("/")
    filled(root, {f"{site}/numpy/x.h": b"", "opt/x.h": b"", f"{site}/a": b"", f"{site}/numpy/tests/x.py": b""})
    (root / site / "a").chmod(0o4755)
    problems = forbidden_files.problems(compare(root, base))
    assert sorted(problems) == sorted(
        [
            "/opt/x.h is for compiling",
            f"/{site}/a is setuid or setgid",
            f"/{site}/numpy/tests/x.py lies in a directory tests",
        ]
    )


def installed(root: Path, name: str, files: dict[str, bytes]) -> None:
    """A package as pip leaves it, with the hash of each file."""
    site = packages.SITE.lstrip("/")
    lines = [f"{name}-1.dist-info/RECORD,,"]
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    record = {f"{name}-1.dist-info/RECORD": "\n".join(lines).encode()}
    filled(root, {f"{site}/{path}": data for path, data in {**files, **record}.items()})


def test_a_package_is_whole_but_for_its_tests_and_stubs(root: Path, base: Path) -> None:
    files = {"a/__init__.py": b"1", "a/b.py": b"2", "a/tests/c.py": b"3", "a/d.pyi": b"4", "../../../bin/tool": b"5"}
    installed(root, "a", files)
    assert packages.problems(compare(root, base)) == []
    for left_out in ("a/tests/c.py", "a/d.pyi"):
        (root / packages.SITE.lstrip("/") / left_out).unlink()
    assert packages.problems(compare(root, base)) == []


@pytest.mark.parametrize(
    ("path", "problem"),
    [("a/b.py", "is missing"), ("../../../bin/tool", "is missing"), ("a/data/x.json", "is missing")],
)
def test_a_file_that_a_package_lacks_is_named(path: str, problem: str, root: Path, base: Path) -> None:
    installed(root, "a", {"a/__init__.py": b"1", path: b"2"})
    (root / packages.SITE.lstrip("/") / path).unlink()
    assert packages.problems(compare(root, base)) == [f"{os.path.normpath(f'{packages.SITE}/{path}')} {problem}"]


def test_a_file_that_is_not_as_its_package_has_it_is_named(root: Path, base: Path) -> None:
    installed(root, "a", {"a/__init__.py": b"1", "a/b.so": b"2"})
    filled(root, {f"{packages.SITE.lstrip('/')}/a/b.so": b"3", f"{packages.SITE.lstrip('/')}/c.py": b""})
    assert sorted(packages.problems(compare(root, base))) == [
        f"{packages.SITE}/a/b.so is not as its package has it",
        f"{packages.SITE}/c.py belongs to no package",
    ]


def test_a_base_that_is_changed_is_a_problem(root: Path, base: Path) -> None:
    (root / "etc/name").write_bytes(b"mine")
    (root / "bin/sh").unlink()
    assert forbidden_files.problems(compare(root, base)) == [
        "/etc/name of the base is changed",
        "/bin/sh of the base is gone",
    ]


def compiled(root: Path, mode: py_compile.PycInvalidationMode) -> Path:
    filled(root, {"var/task/module.py": b"x = 1\n"})
    done = py_compile.compile(str(root / "var/task/module.py"), doraise=True, invalidation_mode=mode)
    assert done
    bytecode = Path(done)
    bytecode.chmod(0o644)
    return bytecode


def test_bytecode_of_the_source_beside_it_is_right(root: Path, base: Path) -> None:
    compiled(root, py_compile.PycInvalidationMode.UNCHECKED_HASH)
    assert forbidden_files.problems(compare(root, base)) == []


def without_source(bytecode: Path) -> None:
    (bytecode.parents[1] / "module.py").unlink()


def of_another_source(bytecode: Path) -> None:
    (bytecode.parents[1] / "module.py").write_bytes(b"x = 2\n")


def for_another_python(bytecode: Path) -> None:
    bytecode.write_bytes(b"old!" + bytecode.read_bytes()[4:])


def under_another_name(bytecode: Path) -> None:
    bytecode.rename(bytecode.with_name("module.pyc"))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (without_source, "is bytecode of nothing"),
        (of_another_source, "is bytecode of another version of its source"),
        (for_another_python, "is bytecode for another Python"),
        (under_another_name, "is bytecode of nothing"),
    ],
)
def test_bytecode_that_python_would_not_use_or_that_is_stale_is_named(
    spoil: Callable[[Path], object], problem: str, root: Path, base: Path
) -> None:
    spoil(compiled(root, py_compile.PycInvalidationMode.UNCHECKED_HASH))
    (found,) = forbidden_files.problems(compare(root, base))
    assert found.endswith(problem)


def test_bytecode_that_depends_on_a_time_is_named(root: Path, base: Path) -> None:
    compiled(root, py_compile.PycInvalidationMode.TIMESTAMP)
    (found,) = forbidden_files.problems(compare(root, base))
    assert found.endswith("is bytecode that depends on a time")


# What is large.


@pytest.fixture
def added(root: Path, base: Path) -> Made:
    """An addition of files of these sizes, with nothing in them."""

    def made(**sizes: int) -> Addition:
        for name, length in sizes.items():
            filled(root, {f"opt/{name}": b""})
            os.truncate(root / "opt" / name, length)
        return compare(root, base)

    return made


def test_large_files_are_told_with_their_reasons_the_largest_first(added: Made) -> None:
    found, wrong = size.large(added(a=2 * LARGE_BYTES, b=3 * LARGE_BYTES, c=LARGE_BYTES), {"/opt/*": "they are needed"})
    assert list(found.items()) == [
        ("/opt/b", {"bytes": 3 * LARGE_BYTES, "reason": "they are needed"}),
        ("/opt/a", {"bytes": 2 * LARGE_BYTES, "reason": "they are needed"}),
    ]
    assert wrong == []


def test_a_large_file_without_a_reason_is_a_problem(added: Made) -> None:
    _, wrong = size.large(added(a=LARGE_BYTES + 1), {"/opt/b": "it is needed"})
    assert wrong == ["/opt/a has 1,000,001 bytes; large.toml has no reason for it"]


def test_a_reason_without_a_file_is_a_problem(added: Made) -> None:
    reasons = {"/opt/a": "it is needed", "/opt/b": "it was needed"}
    for bytes_ in (2 * LARGE_BYTES, 1):  # it may be large on the other architecture
        assert size.idle(added(a=bytes_), reasons) == ["large.toml has a reason for /opt/b, which is not there"]


def test_more_than_is_allowed_is_a_problem(added: Made) -> None:
    assert size.too_much(added(a=MAX_BYTES), frozenset()) == []
    assert size.too_much(added(b=1), frozenset({"x264"})) == [
        "150,000,001 bytes are added to the base; 150,000,000 are allowed"
    ]


def test_an_add_on_may_add_to_what_is_allowed(added: Made) -> None:
    assert size.too_much(added(a=MAX_BYTES, b=MAX_ADD_ON_BYTES), frozenset({"vpx"})) == []
    assert size.too_much(added(c=1), frozenset({"vpx"})) == [
        "155,000,001 bytes are added to the base; 155,000,000 are allowed"
    ]


def test_every_large_file_has_a_reason_in_words() -> None:
    reasons = size.reasons(frozenset(recipe.add_ons()))
    assert reasons.keys() > size.reasons(frozenset()).keys()
    assert [pattern for pattern, reason in reasons.items() if pattern[0] != "/" or len(reason.split()) <= 2] == []
