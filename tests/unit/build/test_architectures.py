"""What is built for which architecture: the commands that users give, on machines of either kind."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCKER = '#!/bin/sh\n[ "$2" != build ] || printf "%s\\n" "$@" >"$BUILT"\n'
UNAME = '#!/bin/sh\ncase $1 in -m) echo "$MACHINE" ;; -s) echo "$SYSTEM" ;; esac\n'
UNKNOWN = "riscv64"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine whose engine builds nothing, and keeps what it was asked in the file BUILT."""
    for name, text in {"docker": DOCKER, "uname": UNAME}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    return {"PATH": path, "BUILT": str(tmp_path / "built"), "SYSTEM": "Linux", "BASE": "base:1", "ARCHITECTURE": ""}


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize(
    ("here", "asked", "built"),
    [
        ("x86_64", "", "linux/amd64"),
        ("aarch64", "", "linux/arm64"),
        ("x86_64", "x86_64", "linux/amd64"),
        ("aarch64", "arm64", "linux/arm64"),
    ],
)
def test_an_image_is_for_this_machine_or_what_is_asked(
    here: str, asked: str, built: str, machine: dict[str, str]
) -> None:
    done = run("local/image.sh", "function", "it:1", **machine | {"MACHINE": here, "ARCHITECTURE": asked})
    assert done.returncode == 0, done.stderr
    arguments = Path(machine["BUILT"]).read_text().splitlines()
    assert arguments[arguments.index("--platform") + 1] == built


def test_build_arguments_are_words_and_quotes_hold_one_together(machine: dict[str, str]) -> None:
    asked = {"MACHINE": "x86_64", "BUILD_ARGS": """A=1 ADD_ONS="vpx opus" B='$(c) *' """}
    done = run("local/image.sh", "function", "it:1", **machine | asked)
    assert done.returncode == 0, done.stderr
    words = Path(machine["BUILT"]).read_text().splitlines()
    given = [words[at + 1] for at, word in enumerate(words) if word == "--build-arg"]
    assert [word for word in given if word[:2] in ("A=", "AD", "B=")] == ["A=1", "ADD_ONS=vpx opus", "B=$(c) *"]
    done = run("local/image.sh", "function", "it:1", **machine | asked | {"BUILD_ARGS": 'ADD_ONS="vpx'})
    assert (done.returncode != 0, "unmatched" in done.stderr) == (True, True)


@pytest.mark.parametrize("asked", ["arm64", "x86_64"])
def test_where_the_engine_brings_an_emulator_none_is_installed(asked: str, machine: dict[str, str]) -> None:
    mac = machine | {"SYSTEM": "Darwin", "MACHINE": "arm64", "ARCHITECTURE": asked}
    done = run("local/image.sh", "function", "it:1", **mac)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_an_emulator_the_build_says_what_to_install(machine: dict[str, str]) -> None:
    here, asked = ("aarch64", "x86_64") if platform.machine() == "x86_64" else ("x86_64", "arm64")
    unknown = machine | {"MACHINE": here, "ARCHITECTURE": asked}
    done = run("local/image.sh", "function", "it:1", **unknown)
    assert (done.returncode, "install qemu-user-static" in done.stderr) == (1, True)
    assert not Path(machine["BUILT"]).exists()


def test_an_architecture_that_lambda_does_not_have_is_refused(machine: dict[str, str]) -> None:
    done = run("local/image.sh", "function", "it:1", **machine | {"MACHINE": "x86_64", "ARCHITECTURE": UNKNOWN})
    assert done.returncode == 1
    assert done.stderr == f"image: ARCHITECTURE={UNKNOWN}; Lambda has x86_64 and arm64\n"
    assert not Path(machine["BUILT"]).exists()


def commands(*arguments: str) -> list[str]:
    """What make would run, without what comes first for every target."""
    done = run("make", "--dry-run", *arguments, PATH=os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if "local/image.sh" in line or "local.smoke" in line]


def test_what_is_built_for_another_architecture_has_a_name_of_its_own() -> None:
    assert commands("image") == ["ARCHITECTURE= local/image.sh function hwang-lambda:latest"]
    assert commands("image", "ARCHITECTURE=arm64") == ["ARCHITECTURE=arm64 local/image.sh function hwang-lambda:arm64"]
    assert commands("image", "ARCHITECTURE=arm64", "IMAGE=it:1") == ["ARCHITECTURE=arm64 local/image.sh function it:1"]
    assert commands("layer", "ARCHITECTURE=arm64") == ["ARCHITECTURE=arm64 local/image.sh layer --to dist/arm64"]


def test_what_runs_here_is_of_this_machine() -> None:
    assert commands("demo", "ARCHITECTURE=arm64") == commands("demo")


def test_the_smoke_test_compares_with_this_machines_own_image() -> None:
    *_, own, other, compared = commands("smoke")
    assert own == "local/image.sh function hwang-lambda:latest"
    assert other == "ARCHITECTURE=arm64 local/image.sh function hwang-lambda:arm64"
    assert compared.endswith("local.smoke hwang-lambda:arm64 hwang-lambda:latest")
