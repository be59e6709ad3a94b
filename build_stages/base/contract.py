"""Reports the properties of a Lambda base image, and compares it with contract.toml beside this file.

contract.py IMAGE [--json]     (`make base-report` does it with Lambda's own base)

The image runs this file as its handler, so the report is of its own entrypoint, emulator and runtime. The status is 1
if something differs that the build or the function counts on. Only the standard library is used: a base has no other.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.request
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
START_SECONDS = 20
Report = dict[str, Any]


def load() -> dict[str, Any]:
    """Return the contract."""
    return tomllib.loads((HERE / "contract.toml").read_text())


# In the image


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


# Outside


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


def examine(image: str, docker: str) -> Report:
    """Start an image and return its report. Raises OSError or ValueError if it does not answer."""
    # Otherwise Python would write the bytecode that the report is about.
    plain = ["--env", "PYTHONDONTWRITEBYTECODE=1", "--volume", f"{HERE}:/var/task:ro"]
    command = [docker, "run", "--detach", "--publish", "127.0.0.1::8080", *plain, image]
    started = subprocess.run([*command, "contract.handler"], capture_output=True, text=True, check=False)
    if started.returncode:
        raise OSError(f"{image} does not start: {started.stderr.strip()}")
    container = started.stdout.strip()
    try:
        port = subprocess.run([docker, "port", container, "8080"], capture_output=True, text=True, check=True).stdout
        answer = _invoke(f"http://{port.splitlines()[0].strip()}/2015-03-31/functions/function/invocations")
        if "errorType" in answer:
            raise ValueError(f"{image} answers {answer['errorType']}: {answer.get('errorMessage')}")
        return answer
    finally:
        subprocess.run([docker, "rm", "--force", container], capture_output=True, check=False)


def _invoke(url: str) -> Report:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with direct.open(url, data=b"{}", timeout=START_SECONDS) as answer:
                found: Report = json.loads(answer.read())
                return found
        except OSError:  # the emulator is not up yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def main() -> int:
    """Print the report of an image; return the status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image")
    parser.add_argument("--json", action="store_true", help="print the report, with all that no public source says")
    parser.add_argument("--docker", default="docker", help="the docker client")
    arguments = parser.parse_args()
    try:
        report = examine(arguments.image, arguments.docker)
    except (OSError, ValueError) as error:
        sys.exit(f"base-report: {error}")
    if arguments.json:
        print(json.dumps(report, indent=1))
    different = differences(report)
    verdict = "differs from" if different else "keeps to"
    lines = [*(f"DIFFERENT: {line}" for line in different), f"{arguments.image} {verdict} contract.toml"]
    print("\n".join(f"base-report: {line}" for line in lines))
    return int(bool(different))


if __name__ == "__main__":
    sys.exit(main())
