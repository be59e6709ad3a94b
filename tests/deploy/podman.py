"""Podman and skopeo of Debian's packages, with images in a directory of their own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from tests.deploy import debian

_STORAGE: Final = """
[storage]
driver = "vfs"
graphroot = "{0}/images"
runroot = "{0}/run"
"""
_ENGINE: Final = """
[engine]
conmon_path = ["{0}/usr/bin/conmon"]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
[engine.runtimes]
crun = ["{0}/usr/bin/crun"]
"""
_PROGRAM: Final = """#!/bin/sh
export HOME={0} LD_LIBRARY_PATH={1}/usr/lib/x86_64-linux-gnu:{1}/usr/lib/aarch64-linux-gnu
export CONTAINERS_CONF={0}/containers.conf CONTAINERS_STORAGE_CONF={0}/storage.conf
exec {1}/usr/bin/{2} "$@"
"""


class Podman:
    """`bin` has the two programs and no docker: put it on PATH."""

    def __init__(self, directory: Path) -> None:
        root = debian.unpacked("podman", "crun", "skopeo")
        self.bin = directory / "bin"
        self.bin.mkdir()
        for name in ("podman", "skopeo"):
            (self.bin / name).write_text(_PROGRAM.format(directory, root, name))
            (self.bin / name).chmod(0o755)
        (directory / "storage.conf").write_text(_STORAGE.format(directory))
        (directory / "containers.conf").write_text(_ENGINE.format(root))
        policy = directory / ".config/containers/policy.json"
        policy.parent.mkdir(parents=True)
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))

    def run(self, program: str, *arguments: str | Path) -> str:
        """The output of `podman` or `skopeo`."""
        command = [self.bin / program, *arguments]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, env={"PATH": os.environ["PATH"]})
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()
