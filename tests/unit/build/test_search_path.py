"""The order in which every Python of the image looks for modules."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.stack import ROOT

SOURCE = ROOT / "build_stages/function/search_path.py"
SITE = "/lang/site-packages"


@pytest.fixture(scope="module")
def ordered() -> Callable[[list[str], str], list[str]]:
    before = list(sys.path)
    spec = importlib.util.spec_from_file_location("search_path", SOURCE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path[:] = before
    function: Callable[[list[str], str], list[str]] = module.ordered
    return function


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (["/std", SITE], ["/std", "/var/task", SITE]),
        (["/var/runtime", "/std", SITE], ["/var/task", "/std", SITE, "/var/runtime"]),
        (["/mine", "/var/runtime", "/std", SITE], ["/mine", "/var/task", "/std", SITE, "/var/runtime"]),
        (["/var/task", "/mine", "/std", SITE], ["/mine", "/std", "/var/task", SITE]),
        (["/var/runtime", "/var/task", "/std", SITE], ["/var/task", "/std", SITE, "/var/runtime"]),
        (["/std"], ["/std"]),
    ],
)
def test_own_code_is_first_and_the_bases_packages_are_last(
    found: list[str], wanted: list[str], ordered: Callable[[list[str], str], list[str]]
) -> None:
    assert ordered(found, SITE) == wanted


def test_python_reads_it_at_each_start(tmp_path: Path) -> None:
    """In a real environment, whose packages lose to /var/task and win over PYTHONPATH=/var/runtime."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "lang"], check=True)
    (site,) = (tmp_path / "lang").glob("lib/python3*/site-packages")
    (site / "search_path.py").write_bytes(SOURCE.read_bytes())
    (site / "search_path.pth").write_text("import search_path\n")
    for name in ("task", "runtime"):
        (tmp_path / name).mkdir()
    for place in (tmp_path / "task", site, tmp_path / "runtime"):
        (place / "common.py").touch()
    for place in (site, tmp_path / "runtime"):
        (place / "package.py").touch()
    (tmp_path / "runtime/of_the_base.py").touch()
    environment = {
        "LAMBDA_TASK_ROOT": f"{tmp_path}/task",
        "LAMBDA_RUNTIME_DIR": f"{tmp_path}/runtime",
        "PYTHONPATH": f"{tmp_path}/runtime",
    }
    ask = "import common, package, of_the_base; print(common.__file__, package.__file__, of_the_base.__file__)"
    command = [str(tmp_path / "lang/bin/python3"), "-c", ask]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.split() == [
        f"{tmp_path}/task/common.py",
        f"{site}/package.py",
        f"{tmp_path}/runtime/of_the_base.py",
    ]
