"""Images in the Docker Engine, or whatever speaks its API.

The classic store tells an image's configuration at once. Its files are those of a container that is made of it,
exported, and removed without having run: that is faster than `docker save`, which the engine first writes to its disk,
and which is kept for whoever wants the layers. The containerd store keeps manifests and indexes: there it is the saved
image that is looked at.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

import docker
import docker.errors
import docker.utils
import requests
import urllib3.exceptions

from deploy.errors import EngineUnavailableError, ImageNotFoundError, ImageRefusedError
from deploy.image import oci
from deploy.image.bundle import Archive, spool
from deploy.image.dockerarchive import read_docker_archive
from deploy.image.engineclient import EngineClient
from deploy.image.filesystem import Filesystem
from deploy.image.layers import Layer
from deploy.image.layout import INDEX, read_layout
from deploy.image.localimage import EngineImage, Image
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


def connect() -> docker.APIClient:
    """The engine of DOCKER_HOST or the usual socket, to be closed. Raises EngineUnavailableError within 2 seconds."""
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
    """Raises EngineUnavailableError, ImageNotFoundError, or ImageRefusedError as `read_layout` does."""
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
    kept = EngineImage(api, str(found["Id"]))
    source = _EngineSource(kept, reference, config, found)
    return Image(reference, "engine", config, source, engine=kept, files=files)


@dataclass(frozen=True)
class _EngineSource:
    """`described` is what the engine tells of the image."""

    image: EngineImage
    reference: str
    config: oci.ImageConfig
    described: dict[str, Any]

    def layers(self, files: ExitStack) -> tuple[Layer, ...]:
        """As the engine saves them. The media types in there are the archive's, not of what the engine will push."""
        saved = _saved(self.image.api, self.image.id, self.reference, None, files)
        if saved.config.rootfs != self.config.rootfs:
            raise ImageRefusedError(
                f"the engine saves other layers than {self.reference} has", then="docker pull or build it"
            )
        return tuple(replace(layer, media_type="") for layer in saved.layers)

    def filesystem(self, files: ExitStack) -> Filesystem:
        container = files.enter_context(_container(self.image))
        tree = Filesystem(_ContainerContents(self.image.api, container))
        with _answering():
            tree.add(entries(Pieces(self.image.api.export(container, _CHUNK_BYTES))))
        return tree

    def layer_bytes(self, filesystem: Filesystem) -> tuple[int, ...]:  # noqa: ARG002 - it has the layers merged
        """From the image's history; only their sum where that does not say which step made which layer."""
        with _answering():
            history = reversed(self.image.api.history(self.image.id))
        sizes = tuple(step["Size"] for step in history if not _ONLY_CONFIGURES.match(step.get("CreatedBy") or ""))
        if len(sizes) == len(self.config.rootfs.diff_ids) and sum(sizes) == self.described["Size"]:
            return sizes
        return (int(self.described["Size"]),)


@contextmanager
def _container(image: EngineImage) -> Iterator[str]:
    """A container of the image that never runs."""
    api = image.api
    with _answering():
        container = api.create_container(
            image.id,
            command=["/"],
            labels={"ecr-push": "check"},
            host_config=api.create_host_config(network_mode="none"),
        )["Id"]
    try:
        yield container
    finally:
        with suppress(docker.errors.APIError, requests.RequestException):  # the engine went away
            api.remove_container(container, v=True, force=True)


@dataclass(frozen=True)
class _ContainerContents:
    """Reads files of a container (`filesystem.Contents`)."""

    api: docker.APIClient
    container: str

    def read(self, path: str, layer: int, entry: Entry, limit: int) -> bytes:  # noqa: ARG002 - it is merged
        with _answering():
            tar = Pieces(self.api.get_archive(self.container, path, _CHUNK_BYTES)[0])
            next(entries(tar))
            return tar.read(min(entry.size, limit))


@contextmanager
def _answering() -> Iterator[None]:
    """Raises EngineUnavailableError for an engine that goes away in the middle of an answer."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError, docker.errors.APIError, TarError) as error:
        raise EngineUnavailableError(
            f"the Docker Engine stopped answering: {str(error)[:200]}", then="see whether it runs: docker info"
        ) from None


def _saved(api: docker.APIClient, name: str, reference: str, architecture: str | None, files: ExitStack) -> Image:
    with _answering():
        spooled = spool(api.get_image(name, _CHUNK_BYTES), reference, files)
    bundle = Archive(reference, spooled)
    if bundle.find(INDEX):
        return read_layout(bundle, reference, "engine", architecture, files)
    return read_docker_archive(bundle, reference, "engine", files)


def _keeps_manifests(api: docker.APIClient) -> bool:
    """Whether it is containerd's store."""
    status = api.info().get("DriverStatus") or []
    return any("io.containerd.snapshotter" in str(value) for _, value in status)


def _inspected(api: docker.APIClient, name: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = api.inspect_image(name)  # type: ignore[no-untyped-call]
    except docker.errors.NotFound:
        raise _not_found(api, name) from None
    except docker.errors.NullResource:
        raise ImageNotFoundError("an empty name names no image", then="docker images shows what there is") from None
    except docker.errors.APIError as error:
        raise ImageNotFoundError(
            f"{name} is no name of an image: {error.explanation}", then="docker images shows what there is"
        ) from None
    return found


def _not_found(api: docker.APIClient, name: str) -> ImageNotFoundError:
    """With the ids that a short one may mean, the other tags of the name, or names that look like it."""
    images = api.images()
    if re.fullmatch(r"(sha256:)?[0-9a-f]+", name):
        short = name.removeprefix("sha256:")
        ids = sorted(item["Id"][7:19] for item in images if item["Id"][7:].startswith(short))
        if ids:
            shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
            return ImageNotFoundError(
                f"{name} may be any of {len(ids)} images: {shown}", then="give more digits of the id", near=ids
            )
    tags = sorted({tag for item in images for tag in item.get("RepoTags") or [] if not tag.startswith("<none>")})
    near = _near(name, tags)
    known = f"; there is {', '.join(near)}" if near else ""
    return ImageNotFoundError(
        f"the engine has no image {name}{known}", then="docker images shows what there is; build or pull it", near=near
    )


def _near(name: str, tags: list[str]) -> list[str]:
    repository = _repository(name)
    same = [tag for tag in tags if _repository(tag) == repository]
    same.sort(key=lambda tag: not tag.endswith(":latest"))
    if same:
        return same[:_SHOWN]
    names = sorted({_repository(tag) for tag in tags})
    close = difflib.get_close_matches(repository, names, n=_SHOWN, cutoff=0.7)
    close += [known for known in names if repository in known.split("/") and known not in close]
    return [tag for known in close for tag in tags if _repository(tag) == known][:_SHOWN]


def _repository(name: str) -> str:
    head, colon, tag = name.partition("@")[0].rpartition(":")
    return head if colon and "/" not in tag else name.partition("@")[0]


def _unavailable(host: str, error: Exception) -> EngineUnavailableError:
    """Why, from the operating system's error somewhere below what docker-py says."""
    start = "start it (systemctl start docker, Docker Desktop, colima start), or set DOCKER_HOST to where it is"
    match _cause(error):
        case FileNotFoundError():
            what, then = "there is no such socket", start
        case PermissionError():
            what, then = (
                "this user may not use the socket",
                "sudo usermod -aG docker $USER and log in again, or use sudo",
            )
        case ConnectionRefusedError():
            what, then = "nothing listens there", start
        case _ if isinstance(_chain(error)[-1], TimeoutError) or "timed out" in str(error).lower():
            what, then = "it does not answer", "restart it, or set DOCKER_HOST to where one is"
        case _:
            what, then = (
                str(error).partition("\n")[0][:200],
                "check DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH",
            )
    return EngineUnavailableError(
        f"no Docker Engine at {host}: {what}", then=f"{then}; an image in a tar or OCI layout needs none", host=host
    )


def _cause(error: BaseException) -> BaseException | None:
    kinds = (FileNotFoundError, PermissionError, ConnectionRefusedError)
    return next((item for item in _chain(error) if isinstance(item, kinds)), None)


def _chain(error: BaseException) -> list[BaseException]:
    """An error and what is in it."""
    found: list[BaseException] = []
    pending = [error]
    while pending and len(found) < 20:
        item = pending.pop()
        found.append(item)
        inner = (item.__cause__, item.__context__, getattr(item, "reason", None), *item.args)
        pending += [part for part in inner if isinstance(part, BaseException) and part not in found]
    return found
