"""Images in the Docker Engine, or in anything else that speaks its API.

The classic store returns an image's configuration at once. Its files are read from a container that is made of it,
exported, and removed without having run: that is faster than `docker save`, which the engine first writes to its disk,
and which is used only if the layers are asked for. The containerd store keeps manifests and indexes: there the saved
image is read.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import docker
import docker.errors
import docker.utils
import requests
import urllib3.exceptions

from deploy.errors import EngineUnavailableError, ImageNotFoundError, ImageRefusedError, innermost
from deploy.image import oci
from deploy.image.bundle import archive, spool
from deploy.image.filesystem import Filesystem
from deploy.image.layers import Layer
from deploy.image.localimage import EngineHandle, Image
from deploy.image.saved import read_saved
from deploy.image.streams import Pieces
from deploy.image.tarfiles import Entry, TarError, entries

_CONNECT_SECONDS: Final = 1
_SAVE_SECONDS: Final = 600  # an engine writes a big image to its disk before it sends the first byte
_CHUNK_BYTES: Final = 1024 * 1024
_SHOWN: Final = 5
# Steps of a Dockerfile that make no layer, as BuildKit and the older builder write them.
_ONLY_CONFIGURES: Final = re.compile(
    r"(/bin/sh -c #\(nop\) +)?"
    r"(ARG|CMD|ENTRYPOINT|ENV|EXPOSE|HEALTHCHECK|LABEL|MAINTAINER|ONBUILD|SHELL|STOPSIGNAL|USER|VOLUME)\b"
)


class EngineClient(docker.APIClient):
    """A client that never reads the user's credentials; docker.APIClient reads ~/.docker/config.json and ~/.netrc."""

    def __init__(self, **options: Any) -> None:
        with _empty_configuration():
            super().__init__(**options)

    @property
    def trust_env(self) -> bool:
        """Always False, or requests would look for a .netrc; no other variable is about an engine."""
        return False

    @trust_env.setter
    def trust_env(self, _: bool) -> None:
        """Ignore the setting."""


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


def connect() -> docker.APIClient:
    """Connect to the engine of DOCKER_HOST or the usual socket. Raises EngineUnavailableError within 2 seconds.

    The caller closes the client.
    """
    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if host.startswith("ssh://"):
        raise EngineUnavailableError(f"{host}: engines behind SSH are not supported", then="forward its socket: ssh -L")
    try:
        api = EngineClient(timeout=_CONNECT_SECONDS, **docker.utils.kwargs_from_env())
    except (docker.errors.DockerException, requests.RequestException, ValueError) as error:
        raise _unavailable(host, error) from None
    api.timeout = _SAVE_SECONDS
    return api


def read_engine_image(name: str, reference: str, architecture: str | None, files: ExitStack) -> Image:
    """Find an image. Raises EngineUnavailableError, ImageNotFoundError, or ImageRefusedError as `read_saved` does."""
    api = connect()
    files.callback(api.close)
    with _answering():
        found = _inspected(api, name)
        if _keeps_manifests(api):
            return _saved(api, name, reference, architecture, files)
    described = {
        "architecture": found.get("Architecture") or "",
        "os": found.get("Os") or "",
        "variant": found.get("Variant") or "",
        "config": found.get("Config"),
        "rootfs": {"diff_ids": (found.get("RootFS") or {}).get("Layers")},
    }
    config = oci.parse(oci.ImageConfig, json.dumps(described).encode(), f"what the engine says of {reference}")
    engine = EngineHandle(api, str(found["Id"]))
    return _EngineImage(reference, "engine", config, engine=engine, files=files, described=found)


@dataclass(frozen=True)
class _EngineImage(Image):
    """An image of the classic store. `described` is the engine's description of it."""

    described: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Layers as the engine saves them, without media types: those are the archive's, not of a later push."""
        saved = _saved(self._api, self.config_digest, self.reference, None, self.files)
        if saved.config.rootfs != self.config.rootfs:
            raise ImageRefusedError(f"the engine saves other layers than {self.reference} has", then="pull or build it")
        return tuple(replace(layer, media_type="") for layer in saved.layers)

    @cached_property
    def filesystem(self) -> Filesystem:
        """Files of a container, read from there."""
        container = self.files.enter_context(_container(self._api, self.config_digest))
        tree = Filesystem(partial(_read, self._api, container))
        with _answering():
            tree.add(entries(Pieces(self._api.export(container, _CHUNK_BYTES)), hashed=True))
        return tree

    @cached_property
    def layer_bytes(self) -> tuple[int, ...]:
        """Sizes from the image's history; only their sum if it does not say which step made which layer."""
        with _answering():
            history = reversed(self._api.history(self.config_digest))
        sizes = tuple(step["Size"] for step in history if not _ONLY_CONFIGURES.match(step.get("CreatedBy") or ""))
        if len(sizes) == len(self.config.rootfs.diff_ids) and sum(sizes) == self.described["Size"]:
            return sizes
        return (int(self.described["Size"]),)

    @property
    def _api(self) -> Any:
        return self.engine.api if self.engine else None


@contextmanager
def _container(api: Any, image_id: str) -> Iterator[str]:
    """Make a container of the image that never runs, and remove it at the end."""
    with _answering():
        container = api.create_container(
            image_id,
            command=["/"],
            labels={"ecr-push": "check"},
            host_config=api.create_host_config(network_mode="none"),
        )["Id"]
    try:
        yield container
    finally:
        with suppress(docker.errors.APIError, requests.RequestException):  # the engine went away
            api.remove_container(container, v=True, force=True)


def _read(api: Any, container: str, path: str, _: int, entry: Entry, limit: int) -> bytes:
    with _answering():
        tar = Pieces(api.get_archive(container, path, _CHUNK_BYTES)[0])
        next(entries(tar))
        return tar.read(min(entry.size, limit))


@contextmanager
def _answering() -> Iterator[None]:
    """Raises EngineUnavailableError if the engine goes away in the middle of an answer."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.APIError, TarError) as error:
        raise EngineUnavailableError(
            f"the Docker Engine stopped answering: {str(error)[:200]}", then="see whether it runs: docker info"
        ) from None


def _saved(api: docker.APIClient, name: str, reference: str, architecture: str | None, files: ExitStack) -> Image:
    with _answering():
        spooled = spool(api.get_image(name, _CHUNK_BYTES), reference, files)
    return read_saved(archive(reference, spooled), reference, architecture, files, "engine")


def _keeps_manifests(api: docker.APIClient) -> bool:
    """Return whether images are in containerd's store."""
    status = api.info().get("DriverStatus") or []
    return any("io.containerd.snapshotter" in str(value) for _, value in status)


def _inspected(api: docker.APIClient, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = api.inspect_image(name)  # type: ignore[no-untyped-call]
    except docker.errors.NotFound:
        raise _not_found(api, name) from None
    except docker.errors.NullResource:
        raise ImageNotFoundError("an empty name names no image", then="see docker images") from None
    except docker.errors.APIError as error:
        raise ImageNotFoundError(f"{name} names no image: {error.explanation}", then="see docker images") from None
    return found


def _not_found(api: docker.APIClient, name: str) -> ImageNotFoundError:
    """Name the ids that a short one may mean, the other tags of the name, or names that look like it."""
    images = api.images()
    if re.fullmatch(r"(sha256:)?[0-9a-f]+", name):
        short = name.removeprefix("sha256:")
        ids = sorted(item["Id"][7:19] for item in images if item["Id"][7:].startswith(short))
        if ids:
            shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
            return ImageNotFoundError(
                f"{name} may be any of {len(ids)} images: {shown}", then="give more digits", near=ids
            )
    tags = sorted({tag for item in images for tag in item.get("RepoTags") or [] if not tag.startswith("<none>")})
    near = _near(name, tags)
    known = f"; there is {', '.join(near)}" if near else ""
    return ImageNotFoundError(
        f"the engine has no image {name}{known}", then="see docker images; build or pull it", near=near
    )


def _near(name: str, tags: list[str]) -> list[str]:
    repository = docker.utils.parse_repository_tag(name)[0]
    same = [tag for tag in tags if docker.utils.parse_repository_tag(tag)[0] == repository]
    same.sort(key=lambda tag: not tag.endswith(":latest"))
    if same:
        return same[:_SHOWN]
    names = sorted({docker.utils.parse_repository_tag(tag)[0] for tag in tags})
    close = difflib.get_close_matches(repository, names, n=_SHOWN, cutoff=0.7)
    close += [known for known in names if repository in known.split("/") and known not in close]
    return [tag for known in close for tag in tags if docker.utils.parse_repository_tag(tag)[0] == known][:_SHOWN]


def _unavailable(host: str, error: Exception) -> EngineUnavailableError:
    """Explain, by the operating system's error somewhere below docker-py's."""
    start = "start it (systemctl start docker, Docker Desktop, colima start), or set DOCKER_HOST to its address"
    cause = innermost(error)
    match cause:
        case FileNotFoundError():
            what, then = "there is no such socket", start
        case PermissionError():
            what, then = ("this user may not use the socket", "sudo usermod -aG docker $USER and log in again")
        case ConnectionRefusedError():
            what, then = "nothing listens there", start
        case _ if isinstance(cause, TimeoutError) or "timed out" in str(error).lower():
            what, then = "it does not answer", "restart it, or set DOCKER_HOST to another"
        case _:
            what, then = (str(error).partition("\n")[0][:200], "check DOCKER_HOST and DOCKER_TLS_VERIFY")
    return EngineUnavailableError(
        f"no Docker Engine at {host}: {what}", then=f"{then}; a tar or OCI layout needs none", host=host
    )
