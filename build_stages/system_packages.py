"""Installs the system packages named in packages.toml for one purpose, and cleans up after it.

system_packages.py PURPOSE

The package manager is dnf, microdnf or apt-get, whichever the base has. Lambda's base has microdnf, perhaps also under
the name dnf; it takes few options, so none is used that it refuses (build_stages/base/contract.toml).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

MANAGERS = ("dnf", "microdnf", "apt-get")
# Lambda's base has libraries there that are older than the system's, and break the system's programs.
LANG_LIBRARIES = "/var/lang/lib"


def commands(manager: str, names: list[str], authority: str | None) -> list[list[str]]:
    """The commands that install these packages; `authority` is a CA bundle for the repositories' TLS."""
    if manager == "apt-get":
        install = ["apt-get", "install", "-y", "--no-install-recommends", *names]
        return [["apt-get", "update"], install, ["apt-get", "clean"]]
    # microdnf refuses the main section's sslcacert, and takes each repository's.
    trust = [f"--setopt=*.sslcacert={authority}"] if authority else []
    return [[manager, "install", "-y", *trust, *names], [manager, "clean", "all"]]


def environment(own: Mapping[str, str]) -> dict[str, str]:
    """The environment for programs of the system: without the libraries of Lambda's Python."""
    places = [place for place in own.get("LD_LIBRARY_PATH", "").split(":") if place and place != LANG_LIBRARIES]
    return {**own, "LD_LIBRARY_PATH": ":".join(places), "DEBIAN_FRONTEND": "noninteractive"}


def main(purpose: str) -> None:
    packages = tomllib.loads(Path(__file__).with_name("packages.toml").read_text())[purpose]
    manager = next((manager for manager in MANAGERS if shutil.which(manager)), None)
    if manager is None:
        sys.exit(f"system packages: this base has none of {', '.join(MANAGERS)}")
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    names = [name.format(python=python) for name in packages["apt-get" if manager == "apt-get" else "dnf"]]
    if not names:
        return
    for step in commands(manager, names, os.environ.get("SSL_CERT_FILE")):
        done = subprocess.run(
            step, env=environment(os.environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            sys.exit(f"{done.stdout[-4000:]}\nsystem packages: {' '.join(step)} failed")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
