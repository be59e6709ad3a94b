"""A client of the Docker Engine that keeps away from the user's credentials: ~/.docker/config.json and ~/.netrc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import docker


class EngineClient(docker.APIClient):
    """docker.APIClient, which reads both as it is made."""

    def __init__(self, **options: Any) -> None:
        with _empty_configuration():
            super().__init__(**options)

    @property
    def trust_env(self) -> bool:
        """What makes requests look for a .netrc; nothing else in the environment is about an engine."""
        return False

    @trust_env.setter
    def trust_env(self, _: bool) -> None:
        pass


@contextmanager
def _empty_configuration() -> Iterator[None]:
    before = os.environ.get("DOCKER_CONFIG")
    with TemporaryDirectory(prefix="ecr-push-") as directory:
        (Path(directory) / "config.json").write_text("{}")
        os.environ["DOCKER_CONFIG"] = directory
        try:
            yield
        finally:
            del os.environ["DOCKER_CONFIG"]
            if before is not None:
                os.environ["DOCKER_CONFIG"] = before
