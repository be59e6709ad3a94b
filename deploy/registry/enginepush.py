"""A push by the Docker Engine: it has the layers, so it sends them; what it tells meanwhile is read to the end.

The engine answers 200 at once and puts errors into the stream. It keeps no credentials: they come with each push.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import docker.errors
import requests
import urllib3.exceptions

from deploy.errors import CredentialsError, EngineUnavailableError, PushFailedError
from deploy.registry.address import Address
from deploy.registry.login import Login
from deploy.registry.progress import LayerStatus, Progress
from deploy.registry.registry_errors import meaning
from deploy.registry.retry import Attempts, RetryPolicy, TransientError, retry
from deploy.signals import unstoppable

Engine: TypeAlias = Any  # docker.APIClient, which has no types

_STATUSES: Final[Mapping[str, LayerStatus]] = {
    "Preparing": "preparing",
    "Waiting": "waiting",
    "Pushing": "uploading",
    "Pushed": "uploaded",
    "Layer already exists": "there",
    "Mounted from": "there",
    "Retrying in": "waiting",
}
_LASTING: Final = re.compile(
    r"x509|certificate|http response to https|manifest invalid|unsupported|no such host", re.IGNORECASE
)


@dataclass(frozen=True)
class Sent:
    """What the sender says it did: the digest of what it pushed, under which it knows it, and which layers travelled.

    An engine with containerd's store does not say the digest, and may have sent an index. Layers are by short ids.
    """

    digest: str
    known: frozenset[str]
    layers: frozenset[str]


class EnginePush:
    """The push of the image of this id to HOST/NAME:TAG."""

    def __init__(
        self, engine: Engine, image_id: str, address: Address, name: str, tag: str, login: Callable[[], Login]
    ) -> None:
        self._engine = engine
        self._image_id = image_id
        self._repository = f"{address.host}/{name}"
        self._tag = tag
        self._login = login
        self._layers: set[str] = set()
        self._digest = ""

    def run(self, progress: Progress, retry_policy: RetryPolicy) -> Sent:
        """Pushes until it is done, `retry_policy` is at its end, or the registry means it. Raises DeployErrors."""
        try:
            with _name(self._engine, self._image_id, self._repository, self._tag):
                retry(retry_policy, lambda attempts: self._attempt(attempts, progress))
                known = self._repository_digests()
        except TransientError as failure:
            raise PushFailedError(
                f"the engine cannot push to {self._repository}: {failure}",
                then="run the same command again; the layers that arrived are not sent again",
            ) from None
        except requests.RequestException as error:
            raise EngineUnavailableError(
                f"the Docker Engine failed in the middle of the push ({type(error).__name__})",
                then="see whether it runs and has the image: docker info, docker images",
            ) from None
        return Sent(self._digest, known, frozenset(self._layers))

    def _attempt(self, attempts: Attempts, progress: Progress) -> None:
        try:
            self._push(attempts, progress)
        except CredentialsError:
            self._push(attempts, progress)

    def _push(self, attempts: Attempts, progress: Progress) -> None:
        login = self._login()
        credentials = {"username": login.user, "password": login.password}
        try:
            told = self._engine.push(self._repository, self._tag, stream=True, decode=True, auth_config=credentials)
            with closing(told):  # the engine gives the push up when nobody listens
                for event in told:
                    attempts.check()
                    self._take(event, progress)
        except (docker.errors.StreamParseError, urllib3.exceptions.HTTPError):
            raise TransientError("the engine ended in the middle of what it said") from None
        except docker.errors.APIError as error:
            raise self._failure(str(error.explanation or error)) from None

    def _take(self, event: Mapping[str, Any], progress: Progress) -> None:
        if "error" in event or "errorDetail" in event:
            raise self._failure(str(event.get("errorDetail", {}).get("message") or event["error"]))
        self._digest = event.get("aux", {}).get("Digest", self._digest)
        status = next((known for said, known in _STATUSES.items() if event.get("status", "").startswith(said)), None)
        if status is None or "id" not in event:
            return
        if status == "uploaded":
            self._layers.add(event["id"])
        detail = event.get("progressDetail") or {}
        progress.layer(event["id"], status, detail.get("current", 0), detail.get("total", 0))

    def _failure(self, said: str) -> Exception:
        """Only what the registry's words do not explain may go away by itself."""
        error = meaning(said, self._repository)
        if type(error) is PushFailedError and not _LASTING.search(said):
            return TransientError(error.what)
        return error

    def _repository_digests(self) -> frozenset[str]:
        """Under which digests the engine now knows the image in that repository."""
        known = self._engine.inspect_image(self._image_id).get("RepoDigests") or []
        return frozenset(item.partition("@")[2] for item in known if item.startswith(f"{self._repository}@"))


@contextmanager
def _name(engine: Engine, image_id: str, repository: str, tag: str) -> Iterator[None]:
    """The engine pushes by name: the image has this one inside the block, and afterwards who had it before.

    The last name of an image stays, as the image would go with it.
    """
    name = f"{repository}:{tag}"
    before = _id(engine, name)
    try:
        engine.tag(image_id, repository, tag)
        yield
    finally:
        with unstoppable():
            if before != image_id and _other_names(engine, image_id, repository, name):
                engine.remove_image(name, noprune=True)
            if before and before != image_id:
                engine.tag(before, repository, tag)


def _id(engine: Engine, name: str) -> str | None:
    try:
        return str(engine.inspect_image(name)["Id"])
    except docker.errors.ImageNotFound:
        return None


def _other_names(engine: Engine, image_id: str, repository: str, name: str) -> bool:
    image = engine.inspect_image(image_id)
    tags = [tag for tag in image.get("RepoTags") or [] if tag != name]
    digests = [item for item in image.get("RepoDigests") or [] if not item.startswith(f"{repository}@")]
    return bool(tags or digests)
