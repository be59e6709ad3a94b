"""The contract of Lambda's base image: as data, as the stand-in has it, and as the rehearsal holds the build to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import system_packages
from base import contract

ROOT = Path(__file__).resolve().parents[3]
STAGES = ROOT / "build_stages"
MICRODNF = STAGES / "rehearsal/microdnf"
FACTS = contract.load()
LISTS = sorted(
    [*STAGES.rglob("packages.toml"), ROOT / "bench/peers/packages.toml", ROOT / "tests/browser/packages.toml"]
)


def amazon_packages() -> set[str]:
    return {name for path in LISTS for names in tomllib.loads(path.read_text()).values() for name in names["dnf"]}


def test_each_part_of_the_contract_names_its_source() -> None:
    parts = {name: part for name, part in FACTS.items() if name != "unknown"}
    assert all(part["source"] in ("contract", "packages", "al2023", "microdnf") for part in parts.values())


def test_the_contract_knows_what_each_package_of_the_build_brings() -> None:
    assert amazon_packages() - {"libasan", "libubsan"} <= FACTS["packages"]["brings"].keys()


def test_no_program_is_both_in_the_base_and_absent_from_it() -> None:
    shipped, absent = ({*FACTS["programs"][key].split()} for key in ("shipped", "known_to_be_absent"))
    brought = {program for text in FACTS["packages"]["brings"].values() for program in text.split()}
    assert not shipped & absent
    assert not shipped & brought


def test_the_bases_made_here_have_the_contracts_place_and_entrypoint() -> None:
    text = (STAGES / "base/Dockerfile").read_text()
    assert f"WORKDIR {FACTS['image']['workdir']}\n" in text
    assert f'ENTRYPOINT ["{FACTS["image"]["entrypoint"]}"]\n' in text
    assert "\nENV " not in text  # make.sh takes the environment from the contract


def test_the_environment_reaches_the_base_from_the_contract_alone() -> None:
    script = (STAGES / "base/make.sh").read_text()
    sed = re.findall(r"sed -n '(.+)' ", script)[0]
    made = subprocess.run(["sed", "-n", sed, STAGES / "base/contract.toml"], capture_output=True, text=True, check=True)
    lines = dict(line.removeprefix("ENV ").split("=", 1) for line in made.stdout.splitlines())
    assert {name: value.strip('"') for name, value in lines.items()} == FACTS["environment"]["variables"]


def good_report() -> contract.Report:
    version = "3.13"
    return {
        "python": version,
        "architecture": "x86_64",
        "environment": FACTS["environment"]["variables"],
        "workdir": "/var/task",
        "entrypoint": "/lambda-entrypoint.sh",
        "handler_path": [*(p.format(version=version) for p in FACTS["python"]["handler_path"]), "/usr/lib/python3.13"],
        "runtime_client": "/var/runtime/awslambdaric/__init__.py",
        "child_pythonpath": "/var/runtime",
        "child_path": ["", "/var/runtime"],
        "programs": [*FACTS["programs"]["shipped"].split(), "python3.13", "pip3"],
        "glibc": "glibc 2.34",
        "cpp_library": "GLIBCXX_3.4.29",
        "python_finds_its_library": True,
        "standard_library_has_bytecode": False,
        "pip": "25.1",
        "packages": [],
    }


def test_an_image_of_the_contract_does_not_differ_from_it() -> None:
    assert contract.differences(good_report()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"workdir": "/"}, "workdir"),
        ({"environment": {}}, "environment"),
        ({"entrypoint": None}, "entrypoint"),
        ({"child_pythonpath": None}, "child_pythonpath"),
        ({"handler_path": ["/var/runtime", "/var/task"]}, "sys.path"),
        ({"runtime_client": "/var/task/awslambdaric/__init__.py"}, "awslambdaric is imported from /var/task"),
        ({"programs": ["sh"]}, "programs that are counted on"),
    ],
)
def test_what_an_image_has_otherwise_is_named(change: contract.Report, said: str) -> None:
    found = contract.differences(good_report() | change)
    assert len(found) == 1
    assert said in found[0]


# The package manager of the rehearsal, and how the build calls one


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A root with two packages to install."""
    for package, program in (("gcc", "gcc"), ("gcc-c++", "g++")):
        place = tmp_path / "store" / package / "usr/bin"
        place.mkdir(parents=True)
        (place / program).write_text("#!/bin/sh\n")
    (tmp_path / "root").mkdir()
    return tmp_path


def microdnf(base: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {
        "PATH": os.environ["PATH"],
        "REHEARSAL_STORE": str(base / "store"),
        "REHEARSAL_ROOT": str(base / "root"),
        "REHEARSAL_CA": str(base / "secret"),
        **environment,
    }
    return subprocess.run(["bash", MICRODNF, *arguments], env=own, capture_output=True, text=True, check=False)


def authority(base: Path) -> Path:
    (base / "secret").write_text("-----BEGIN CERTIFICATE-----\n")
    return base / "secret"


def test_the_strict_package_manager_takes_what_the_build_says(base: Path) -> None:
    for step in system_packages.commands("microdnf", ["gcc", "gcc-c++"], None):
        done = microdnf(base, *step[1:])
        assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (base / "root/usr/bin").iterdir()) == ["g++", "gcc"]
    assert microdnf(base, "install", "-y", "gcc").returncode == 0  # is there already


def test_the_strict_package_manager_trusts_the_authority_that_the_build_names(base: Path) -> None:
    bundle = str(authority(base))
    unnamed, *_ = system_packages.commands("microdnf", ["gcc"], None)
    named, *_ = system_packages.commands("microdnf", ["gcc"], bundle)
    assert "SSL peer certificate" in microdnf(base, *unnamed[1:]).stderr
    done = microdnf(base, *named[1:])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["install", "-y", "--setopt=sslcacert=/etc/passwd", "gcc"], "Unable to handle: sslcacert=/etc/passwd"),
        (["install", "-y", "--setopt=*.sslcacert=/nothing", "gcc"], "cannot read the CA bundle"),
        (["install", "-y", "--setopt=keepcache=yes", "gcc"], "Invalid value"),
        (["install", "-yq", "gcc"], "Unknown option -yq"),
        (["install", "-q", "-y", "gcc"], "Unknown option -q"),
        (["install", "-y", "--nogpgcheck", "gcc"], "Unknown option --nogpgcheck"),
        (["install", "-y", "--installroot=here", "gcc"], "absolute"),
        (["install", "-y", "gcc", "git"], "No package matches 'git'"),
        (["install", "gcc"], "aborted"),
        (["install", "-y"], "not specified"),
        (["clean", "packages"], "No such command: clean packages"),
        (["groupinstall", "-y", "development"], "Unknown command"),
        (["builddep", "gcc"], "Unknown command"),
        ([], "No command"),
    ],
)
def test_the_strict_package_manager_refuses_what_microdnf_refuses(base: Path, arguments: list[str], said: str) -> None:
    done = microdnf(base, *arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert not any((base / "root").iterdir())


def test_system_programs_run_without_the_libraries_of_lambdas_python(base: Path) -> None:
    lambdas = FACTS["environment"]["variables"]["LD_LIBRARY_PATH"]
    assert "XZ_5.2" in microdnf(base, "clean", "all", LD_LIBRARY_PATH=lambdas).stderr
    cleaned = system_packages.environment({"LD_LIBRARY_PATH": lambdas, "PATH": "/bin"})
    assert cleaned["LD_LIBRARY_PATH"].split(":") == lambdas.split(":")[1:]
    assert microdnf(base, "clean", "all", LD_LIBRARY_PATH=cleaned["LD_LIBRARY_PATH"]).returncode == 0


@pytest.mark.parametrize("manager", ["dnf", "microdnf", "apt-get"])
def test_packages_are_installed_with_whichever_manager_the_base_has(manager: str, tmp_path: Path) -> None:
    """The script itself, beside a packages.toml, with one manager on PATH."""
    log = tmp_path / "log"
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / manager
    program.write_text(f'#!/bin/sh\necho "$0 $*" >>{log}\n')
    program.chmod(0o755)
    (tmp_path / "system_packages.py").write_text((STAGES / "system_packages.py").read_text())
    (tmp_path / "packages.toml").write_text('[compile]\ndnf = ["gcc-c++"]\napt-get = ["{python}-dev"]\n')
    command = [sys.executable, str(tmp_path / "system_packages.py"), "compile"]
    subprocess.run(command, env={"PATH": str(tmp_path / "bin")}, check=True)
    said = log.read_text()
    assert f"{manager} install -y" in said
    own = f"python{sys.version_info.major}.{sys.version_info.minor}-dev"
    assert (own if manager == "apt-get" else "gcc-c++") in said
