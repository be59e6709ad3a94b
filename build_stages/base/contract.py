"""Reports the properties of a Lambda base image, and compares them with contract.toml beside this file.

The image runs this file as its handler (local/base_report.py), so the report is of its own entrypoint, emulator and
runtime. Only the standard library is used: a base has no other.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CPP_LIBRARIES = ("/usr/lib64/libstdc++.so.6", f"/usr/lib/{os.uname().machine}-linux-gnu/libstdc++.so.6")
# Programs that an image may lack on PATH.
OPTIONAL = {
    "chroot", "curl", "dnf", "gawk", "gpg", "iconv", "ld.so", "ldconfig", "locale", "localedef", "microdnf", "rpm",
}  # fmt: skip
Report = dict[str, Any]


def load() -> dict[str, Any]:
    """Return the contract."""
    return tomllib.loads((HERE / "contract.toml").read_text())


def handler(_event: object, _context: object) -> Report:
    """Return the report, as a Lambda handler that the image's runtime calls."""
    import awslambdaric

    tell = "import json, os, sys; print(json.dumps([os.environ.get('PYTHONPATH'), sys.path]))"
    child = json.loads(subprocess.run([sys.executable, "-c", tell], capture_output=True, check=True).stdout)
    without = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    alone = subprocess.run([sys.executable, "-c", ""], env=without, capture_output=True, check=False)
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "architecture": os.uname().machine,
        "environment": {name: os.environ.get(name) for name in load()["environment"]["variables"]},
        "workdir": str(Path.cwd()),
        "entrypoint": load()["image"]["entrypoint"] if Path(load()["image"]["entrypoint"]).exists() else None,
        "handler_path": sys.path,
        "runtime_client": awslambdaric.__file__,
        "child_pythonpath": child[0],
        "child_path": child[1],
        "programs": sorted(set(_programs())),
        "glibc": os.confstr("CS_GNU_LIBC_VERSION"),
        "cpp_library": _cpp_library(),
        "python_finds_its_library": alone.returncode == 0,
        "standard_library_has_bytecode": Path(importlib.util.cache_from_source(json.__file__)).exists(),
        "pip": next((found.version for found in metadata.distributions(name="pip")), None),
        "packages": _packages(),
    }


def _programs() -> Iterator[str]:
    for place in map(Path, os.environ["PATH"].split(":")):
        for path in place.iterdir() if place.is_dir() else ():
            if path.is_file() and os.access(path, os.X_OK):
                yield path.name


def _cpp_library() -> str | None:
    """The highest version that the C++ library defines."""
    library = next((Path(path) for path in CPP_LIBRARIES if Path(path).exists()), None)
    found = re.findall(rb"GLIBCXX_3\.4\.(\d+)", library.read_bytes()) if library else []
    return f"GLIBCXX_3.4.{max(map(int, found))}" if found else None


def _packages() -> list[str]:
    """The packages in rpm's database."""
    if not (rpm := shutil.which("rpm")):
        return []
    listed = subprocess.run([rpm, "-qa"], capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    return sorted(listed.stdout.split())


def differences(report: Report) -> list[str]:
    """Return a line for each property that the build or the function counts on and that the image has otherwise."""
    contract = load()
    wanted = {
        "environment": contract["environment"]["variables"],
        "workdir": contract["image"]["workdir"],
        "entrypoint": contract["image"]["entrypoint"],
        "child_pythonpath": contract["python"]["child_pythonpath"],
    }
    lines = [f"{name} is {report[name]!r}, not {value!r}" for name, value in wanted.items() if report[name] != value]
    path = [place.format(version=report["python"]) for place in contract["python"]["handler_path"]]
    if report["handler_path"][: len(path)] != path:
        lines.append(f"sys.path of a handler begins with {report['handler_path'][: len(path)]}, not {path}")
    if not report["runtime_client"].startswith(f"{contract['environment']['variables']['LAMBDA_RUNTIME_DIR']}/"):
        lines.append(f"awslambdaric is imported from {report['runtime_client']}")
    needed = {*contract["programs"]["shipped"].split()} - OPTIONAL
    if lacking := sorted(needed - {*report["programs"]}):
        lines.append(f"programs that are counted on and not there: {' '.join(lacking)}")
    return lines
