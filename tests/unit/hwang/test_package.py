"""The package as it is imported: what it exports, what it imports, and what it says if the core is missing."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hwang
from hwang.missing_core import explained

ROOT = Path(hwang.__file__).parent


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_version_is_that_of_the_distribution() -> None:
    assert hwang.__version__ == tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]["version"]
    assert (ROOT / "py.typed").exists()


def test_importing_the_package_imports_neither_the_core_nor_what_is_slow() -> None:
    done = run("import hwang, sys; print(*sys.modules)")
    slow = {"hwang._core", "hwang.decoder", "hwang.sources", "fractions", "importlib.metadata", "pathlib", "asyncio"}
    assert {"hwang.rows", "hwang.plan"} <= set(done.stdout.split())
    late = slow & set(run("import numpy, hwang, sys; print(*sys.modules)").stdout.split())
    assert late <= set(run("import numpy, sys; print(*sys.modules)").stdout.split())


def test_all_that_is_exported_is_listed() -> None:
    assert set(hwang.__all__) <= set(dir(hwang))
    with pytest.raises(AttributeError, match="Dekoder"):
        hwang.Dekoder  # noqa: B018


@pytest.mark.parametrize("use", ["hwang.Decoder", "hwang.can_encode", "from hwang.decoder import Decoder"])
def test_without_the_core_an_import_error_says_what_to_install(use: str) -> None:
    done = run(f"import sys; sys.modules['hwang._core'] = None; import hwang; {use}")
    message = done.stderr.strip().splitlines()[-1]
    assert re.match(r"ImportError: hwang's compiled core cannot be loaded: it (is|needs) .*(install|pip)", message)
    assert run("import sys; sys.modules['hwang._core'] = None; import hwang; hwang.VideoIndex").returncode == 0


@pytest.mark.parametrize(
    ("system", "libc", "remedy"),
    [
        ("darwin", "", "not for macOS: run hwang in a Linux container"),
        ("win32", "", "not for Windows: run hwang in a Linux container"),
        ("linux", "", "not for musl: use an image of Debian"),
    ],
)
def test_other_systems_are_named(system: str, libc: str, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, ""))
    assert remedy in str(explained(ImportError("no module")))


@pytest.mark.parametrize(
    ("suffixes", "remedy"),
    [
        ([".no.such"], r"it is not in \S+/hwang: install hwang's wheel for .*, and run Python outside the source tree"),
        ([".pyi"], "libavcodec.so.63: cannot open shared object file: install hwang's wheel, which carries"),
    ],
)
def test_what_is_missing_is_named(suffixes: list[str], remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    monkeypatch.setattr("hwang.missing_core.EXTENSION_SUFFIXES", suffixes)
    error = explained(ImportError("libavcodec.so.63: cannot open shared object file"))
    assert re.search(remedy, str(error))
