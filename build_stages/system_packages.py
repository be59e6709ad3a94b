"""Installs the system packages named in packages.toml for one purpose, with dnf or apt-get, and cleans up after it.

system_packages.py PURPOSE
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

# Lambda's own images carry microdnf under the name dnf, which knows few options.
COMMANDS = {
    "dnf": [["dnf", "install", "-y"], ["dnf", "clean", "all"]],
    "apt-get": [["apt-get", "install", "-y", "--no-install-recommends"], ["apt-get", "clean"]],
}


def main(purpose: str) -> None:
    names = tomllib.loads(Path(__file__).with_name("packages.toml").read_text())[purpose]
    manager = next((manager for manager in COMMANDS if shutil.which(manager)), None)
    if manager is None:
        sys.exit("system packages: this base has neither dnf nor apt-get")
    if not names[manager]:
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install, clean = COMMANDS[manager]
    if manager == "dnf" and "SSL_CERT_FILE" in os.environ:
        install = [*install, f"--setopt=sslcacert={os.environ['SSL_CERT_FILE']}"]
    steps = [[*install, *names[manager]], clean]
    if manager == "apt-get":
        steps.insert(0, ["apt-get", "update"])
    for step in steps:
        done = subprocess.run(step, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout[-4000:]}\nsystem packages: {' '.join(step)} failed")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
