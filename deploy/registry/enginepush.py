"""Push by the Docker Engine, which has the layers and sends them; its stream of events is read to the end.

The engine answers 200 at once and puts errors into the stream. It keeps no credentials: they come with each push.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import docker.errors
import requests
import urllib3.exceptions

from deploy.errors import CredentialsError, EngineUnavailableError, PushFailedError
from deploy.image.localimage import EngineHandle
from deploy.registry.address import Address, Login
from deploy.registry.progress import LayerStatus, Progress
from deploy.registry.registry_errors import error_of_message
from deploy.registry.retry import Attempts, RetryPolicy, TransientError, retry
from deploy.signals import unstoppable

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
    """Report of a push: the manifest's digest, all digests that the sender knows it by, short ids of the layers sent.

    An engine with containerd's store does not report the digest, and may have sent an index.
    """

    digest: str
    known: frozenset[str]
    layers: frozenset[str]


class EnginePush:
    """Push of the engine's image to HOST/NAME:TAG."""

    def __init__(self, image: EngineHandle, address: Address, name: str, tag: str, login: Callable[[], Login]) -> None:
        self._engine = image.api
        self._image_id = image.id
        self._repository = f"{address.host}/{name}"
        self._tag = tag
        self._login = login
        self._layers: set[str] = set()
        self._digest = ""

    def run(self, progress: Progress, retry_policy: RetryPolicy) -> Sent:
        """Push until it is done, no attempt is left, or the registry refuses for good. Raises DeployErrors."""
        try:
            with self._named():
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
            events = self._engine.push(self._repository, self._tag, stream=True, decode=True, auth_config=credentials)
            with closing(events):  # the engine gives the push up when nobody reads
                for event in events:
                    attempts.check()
                    self._take(event, progress)
        except (docker.errors.StreamParseError, urllib3.exceptions.HTTPError):
            raise TransientError("the engine's stream ended in the middle") from None
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

    def _failure(self, message: str) -> Exception:
        """Return a TransientError for a message that neither explains itself nor is known to stay."""
        error = error_of_message(message, self._repository)
        if type(error) is PushFailedError and not _LASTING.search(message):
            return TransientError(error.what)
        return error

    def _repository_digests(self) -> frozenset[str]:
        """Return the digests by which the engine now knows the image in that repository."""
        known = self._engine.inspect_image(self._image_id).get("RepoDigests") or []
        return frozenset(item.partition("@")[2] for item in known if item.startswith(f"{self._repository}@"))

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Give the image the name that the engine pushes by; afterwards the name is back at its former image.

        The last name of an image stays, because the image would go with it.
        """
        name = f"{self._repository}:{self._tag}"
        try:
            before = self._engine.inspect_image(name)["Id"]
        except docker.errors.ImageNotFound:
            before = None
        try:
            self._engine.tag(self._image_id, self._repository, self._tag)
            yield
        finally:
            with unstoppable():
                if before != self._image_id and self._has_other_names(name):
                    self._engine.remove_image(name, noprune=True)
                if before and before != self._image_id:
                    self._engine.tag(before, self._repository, self._tag)

    def _has_other_names(self, name: str) -> bool:
        image = self._engine.inspect_image(self._image_id)
        digests = [item for item in image.get("RepoDigests") or [] if not item.startswith(f"{self._repository}@")]
        return bool(digests or set(image.get("RepoTags") or []) - {name})
