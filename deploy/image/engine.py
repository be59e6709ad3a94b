"""Images of Docker and of Podman, asked by their own programs.

The programs know what belongs to them: contexts, DOCKER_HOST, TLS, SSH, rootless sockets, image stores. An image is
described by `image inspect`; its layers are what `save` writes, and that is read as any other saved image.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from deploy.errors import DeployError, EngineUnavailableError, ImageNotFoundError
from deploy.image import oci
from deploy.image.blobs import PIECE_BYTES, StoredBlob
from deploy.image.bundle import archive
from deploy.image.localimage import Image
from deploy.image.saved import read_saved

DOCKER: Final = "docker"
PODMAN: Final = "podman"
_ANSWER_SECONDS: Final = 60
_INSPECT_SECONDS: Final = 15
_SILENCE_SECONDS: Final = 300  # an engine writes a big image to its disk before it sends the first byte
_CHOSEN_BY: Final = ("DOCKER_HOST", "DOCKER_CONTEXT")
_NO_IMAGE: Final = re.compile(
    r"no such image|image not known|invalid reference|must be lowercase|names no", re.IGNORECASE
)


@dataclass(frozen=True)
class Engine:
    """An engine, by its program: `docker` or `podman`."""

    program: str

    def run(
        self, *arguments: str, seconds: float = _ANSWER_SECONDS, given: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """Run the program with `given` as its input. Raises EngineUnavailableError if it is missing, or silent."""
        try:
            ended = subprocess.run([self.program, *arguments], input=given, capture_output=True, timeout=seconds)
        except OSError as error:
            what = f"no engine: its program {self.program} cannot be run: {error.strerror}"
            raise EngineUnavailableError(what, then="install docker or podman; a saved image needs neither") from None
        except subprocess.TimeoutExpired:
            raise self._unavailable(f"{self.program} does not answer within {seconds:.0f} s") from None
        out, err = (text.decode("utf-8", "replace") for text in (ended.stdout, ended.stderr))
        return subprocess.CompletedProcess(arguments, ended.returncode, out, err)

    def describe(self, name: str) -> dict[str, Any]:
        """Return the engine's description of an image. Raises ImageNotFoundError, EngineUnavailableError."""
        ended = self.run("image", "inspect", "--", name, seconds=_INSPECT_SECONDS)
        said = _said(ended.stderr)
        if ended.returncode and (_NO_IMAGE.search(said) or not name):
            raise self._not_found(name, said)
        try:
            found: dict[str, Any] = json.loads(ended.stdout)[0]
        except (ValueError, LookupError):
            raise self._unavailable(said or f"{self.program} image inspect has no answer") from None
        return found

    def save(self, identity: str) -> Iterator[bytes]:
        """Yield the bytes of the saved image. Raises EngineUnavailableError if they end early or do not come."""
        command = [self.program, "save", identity]
        with tempfile.TemporaryFile() as err, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err) as process:
            try:
                while piece := _read(process):
                    yield piece
            except BaseException:
                process.kill()
                raise
            if process.wait():
                err.seek(0)
                silent = f"it sent nothing for {_SILENCE_SECONDS} s" if process.returncode < 0 else ""
                said = silent or _said(err.read().decode("utf-8", "replace"))
                raise self._unavailable(f"{self.program} save failed: {said}")

    @property
    def architecture(self) -> str:
        """Architecture of the engine's machine, by an image's name for it; empty if it does not say."""
        question = ("version", "{{.Server.Arch}}") if self.program == DOCKER else ("info", "{{.Host.Arch}}")
        return self.run(question[0], "--format", question[1]).stdout.strip()

    @property
    def keeps_indexes(self) -> bool:
        """True if an image may be there for several architectures, as in containerd's store."""
        return "io.containerd.snapshotter" in self.run("info", "--format", "{{.DriverStatus}}").stdout

    def _unavailable(self, what: str) -> EngineUnavailableError:
        start = "start Docker or Podman, or name the engine: DOCKER_HOST, DOCKER_CONTEXT, `docker context use`"
        if "permission denied" in what.lower():
            start = "sudo usermod -aG docker $USER and log in again, or use a rootless engine"
        return EngineUnavailableError(f"no engine: {what}", then=f"{start}; a saved image needs none")

    def _not_found(self, name: str, said: str) -> ImageNotFoundError:
        other = " (containers-storage:NAME is Podman's)" if self.program == DOCKER and shutil.which(PODMAN) else ""
        what = f"{self.program} has no image {name!r}" if "such" in said or "known" in said else said
        return ImageNotFoundError(what, then=f"see {self.program} images; build or pull it{other}")


def find(name: str, architecture: str | None, files: ExitStack, program: str = "") -> Image:
    """Find an image of the named engine, or of the user's: Docker, or Podman where no Docker runs.

    Raises EngineUnavailableError, ImageNotFoundError, or ImageRefusedError as `read_saved` does.
    """
    engine, found = _described(name, program)
    described = {
        "architecture": found.get("Architecture") or "",
        "os": found.get("Os") or "",
        "config": found.get("Config"),
        "rootfs": {"diff_ids": (found.get("RootFS") or {}).get("Layers")},
    }
    config = oci.parse(oci.ImageConfig, json.dumps(described).encode(), f"what {engine.program} says of {name}")
    image = EngineImage(name, "engine", config, files=files, engine=engine, described=found)
    if architecture and architecture != image.architecture and engine.keeps_indexes:
        return image.saved_for(architecture)
    return image


def _described(name: str, program: str) -> tuple[Engine, dict[str, Any]]:
    here = [known for known in (DOCKER, PODMAN) if shutil.which(known)]
    if program or not here or any(os.environ.get(variable) for variable in _CHOSEN_BY):
        here = [program or (DOCKER if DOCKER in here else PODMAN)]
    failures: list[DeployError] = []
    for engine in map(Engine, here):
        try:
            return engine, engine.describe(name)
        except EngineUnavailableError as error:
            failures.append(error)
    raise failures[0]


@dataclass(frozen=True)
class EngineImage(Image):
    """An image in an engine, which is saved when its layers are first asked for. `described` is from `inspect`."""

    engine: Engine = field(default=Engine(DOCKER), kw_only=True)
    described: dict[str, Any] = field(kw_only=True, repr=False)

    @property
    def config_digest(self) -> str:
        """The engine's full id, which another build under the same name does not change; containerd's is another."""
        return f"sha256:{str(self.described['Id']).removeprefix('sha256:')}"

    def saved_for(self, architecture: str) -> Image:
        """Save the image and read that of an architecture."""
        blob = StoredBlob.spooled(self.engine.save(self.config_digest), self.reference, self.files)
        bundle = archive(self.reference, self.files.enter_context(blob.open()))
        return replace(read_saved(bundle, architecture), origin="engine", files=self.files)

    @cached_property
    def saved(self) -> Image:
        """The image as the engine saves it."""
        return self.saved_for(self.architecture)

    @cached_property
    def unpacked_bytes(self) -> int:
        """Size as the engine counts it."""
        return int(self.described.get("Size") or 0)


def _read(process: subprocess.Popen[bytes]) -> bytes:
    """Return the next bytes of the output. Ends the program if they do not come."""
    late = threading.Timer(_SILENCE_SECONDS, process.kill)
    late.daemon = True
    late.start()
    try:
        return process.stdout.read(PIECE_BYTES) if process.stdout else b""
    finally:
        late.cancel()


def _said(err: str) -> str:
    """Return the program's own sentence about its failure."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    return re.sub(r"^(Error( response from daemon)?: )+", "", lines[-1] if lines else "")[:300]
