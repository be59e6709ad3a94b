"""Everything that a build takes from elsewhere is pinned: packages by hash, base images by argument, names by list."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PIN = re.compile(r"[a-z0-9._-]+(?:\[[a-z0-9,-]+\])?==[0-9][\w.+!]*(?: ; [\w\s.'\"<>=!()]+)?")
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
TRACKED = [ROOT / name for name in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()]
BUILD_FILES = [
    path for path in TRACKED if path.suffix in (".sh", ".yml") or path.name in ("Dockerfile", "Makefile", "run")
]
# What installs on the machine that builds, or makes a base for this machine alone.
ON_THE_HOST = {
    "build_stages/base/debian.sh",
    "build_stages/rehearsal/Dockerfile",
    "build_stages/standin/Dockerfile",
    "local/engine.sh",
    "local/venv.sh",
}


def commands(text: str) -> list[str]:
    """The text's lines, continued ones as one."""
    return re.sub(r"\\\n\s*", " ", text).splitlines()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_has_wheels_alone_each_with_hashes_and_no_address(lock: Path) -> None:
    first, *entries = [line for line in commands(lock.read_text()) if line]
    assert first == "--only-binary :all:"
    assert entries
    for entry in entries:
        pin, *hashes = entry.split(" --hash=")
        assert PIN.fullmatch(pin.strip()), pin
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64} ?", digest) for digest in hashes), pin


def test_each_group_has_its_lock_and_each_lock_its_group() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert set(groups) == {lock.stem for lock in LOCKS}


def test_pip_takes_from_elsewhere_only_what_has_a_hash() -> None:
    fetching = re.compile(r"\bpip3?['\"]?,? .*\b(?:install|download|wheel)\b")
    files = [*BUILD_FILES, *(path for path in (ROOT / "local").glob("*.py"))]
    calls = [line for path in files for line in commands(path.read_text()) if fetching.search(line)]
    calls = [line.strip() for line in calls if not line.lstrip().startswith(("#", "echo"))]
    assert len(calls) >= 12
    assert [line for line in calls if "--require-hashes" not in line and "--no-index" not in line] == []


def fits(base: str, stage: str) -> bool:
    """Whether a name is a stage's, or has arguments' digits at its end and is one of several stages' then."""
    return re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", r"\\d", re.escape(base)), stage) is not None


def test_stages_begin_from_a_named_base_from_each_other_or_from_nothing() -> None:
    for dockerfile in (path for path in TRACKED if path.name == "Dockerfile"):
        text = dockerfile.read_text()
        stages = set(re.findall(r"^FROM \S+ AS (\S+)$", text, re.MULTILINE))
        bases = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
        others = {base for base in bases if not any(fits(base, stage) for stage in stages)}
        named = {"${LAMBDA_BASE}", "${BUILD_BASE}", "${ROOT}", "${DEBIAN}", "${STANDIN}"}
        named |= {"${IMAGE}", "${BASE}"}  # of the examples
        assert others <= named | {"scratch"}, dockerfile
        copied = set(re.findall(r"(?:--from=|,from=)(\S+?)(?:,|\s)", text))
        assert copied <= stages, dockerfile


def test_lambdas_base_is_written_once() -> None:
    written = [path for path in BUILD_FILES if re.search(r"^[^#]*=\s*public\.ecr\.aws", path.read_text(), re.MULTILINE)]
    assert [path.name for path in written] == ["Dockerfile"]


def test_system_packages_are_named_in_lists_alone_and_each_is_known() -> None:
    lines = (Path(__file__).parent / "al2023_packages.txt").read_text().splitlines()
    known = {line.split()[0] for line in lines if line and not line.startswith("#")}
    lists = [path for path in TRACKED if path.name == "packages.toml"]
    assert len(lists) >= 5
    for file in lists:
        for purpose, managers in tomllib.loads(file.read_text()).items():
            assert set(managers) == {"dnf", "apt-get"}, purpose
            assert set(managers["dnf"]) <= known, purpose
    installs = re.compile(r"\b(?:apt-get|apt|dnf|microdnf|yum)\b.* install\b|\bpip3? install (?!-)")
    for path in BUILD_FILES:
        lines = [
            line for line in commands(path.read_text()) if not line.lstrip().startswith("#") and "echo" not in line
        ]
        if str(path.relative_to(ROOT)) not in ON_THE_HOST:
            assert [line for line in lines if installs.search(line)] == [], path
