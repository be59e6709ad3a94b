"""Upload of one blob, in chunks; after a cut it goes on at the byte that the registry names."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass
from typing import Final

from urllib3.exceptions import HTTPError

from deploy.errors import DeployError, PermissionDeniedError
from deploy.image.blobs import StoredBlob
from deploy.registry import LayerStatus, Progress
from deploy.registry.transport import Answer, Transport

CHUNK_BYTES: Final = 16 * 1024 * 1024  # ECR takes parts of 5 to 20 MiB
_OCTETS: Final = {"Content-Type": "application/octet-stream"}


def short(digest: str) -> str:
    """Return twelve digits of a digest, as engines show layers."""
    return digest.removeprefix("sha256:")[:12]


@dataclass
class Upload:
    """Upload of a blob to the transport's repository."""

    transport: Transport
    blob: StoredBlob
    progress: Progress
    chunk_bytes: int
    _location: str = ""

    def run(self) -> int:
        """Send the blob unless it is there, and return how many bytes that took. A blob that gets on is not given up.

        Raises PushFailedError after so many failures without one more byte, and what the registry's refusals mean.
        """
        if self._is_there():
            self._report("there", self.blob.size)
            return 0
        offset, furthest, failures, policy = self._begin(), 0, 0, self.transport.policy
        with self.blob.open() as data:
            while offset < self.blob.size:
                data.seek(offset)
                failure, offset = self._send(data.read(self.chunk_bytes), offset)
                if offset > furthest:
                    furthest, failures = offset, 0
                elif failure:
                    failures += 1
                    if failures == policy.attempts:
                        raise failure
                    pause = min(policy.max_pause, policy.first_pause * 2**failures)
                    time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - it hides nothing
        self._finish()
        self._report("uploaded", self.blob.size)
        return self.blob.size

    def _is_there(self) -> bool:
        answer = self.transport.request("HEAD", f"blobs/{self.blob.digest}", wanted=(200, 403, 404))
        if answer.status == 403:  # the answer to HEAD has no message
            place = self.transport.place
            what = f"the registry {place} does not show its layers; ECR wants ecr:BatchCheckLayerAvailability"
            raise PermissionDeniedError(what, then="`ecr_push.py policy push` prints the rights that it takes")
        return answer.status == 200

    def _begin(self) -> int:
        """Begin at the first byte."""
        answer = self.transport.request("POST", "blobs/uploads/", wanted=(202,))
        if "Location" not in answer.headers:
            raise self.transport.refusal(answer)
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        self.chunk_bytes = max(self.chunk_bytes, int(least) if least.isdecimal() else 0)
        self._location = self.transport.url("blobs/uploads/")
        self._moved(answer)
        return 0

    def _send(self, chunk: bytes, start: int) -> tuple[DeployError | None, int]:
        """Send a chunk. Returns the failure, if there was one, and the byte to go on at."""
        end = start + len(chunk)
        self._report("uploading", start)
        headers = {**_OCTETS, "Content-Range": f"{start}-{end - 1}", "Content-Length": str(len(chunk))}
        try:
            answer = self.transport.once("PATCH", self._location, headers, chunk)
        except HTTPError as error:
            return self.transport.failure(error), self._resumed(end)
        if answer.status == 202:
            received = _received(answer)
            self._moved(answer)
            return None, end if received is None else received
        failure = self.transport.refusal(answer)
        if answer.status in (404, 416):
            return failure, self._begin()
        if answer.status == 429 or answer.status >= 500:
            return failure, self._resumed(end)
        raise failure

    def _resumed(self, furthest: int) -> int:
        """Return the byte at which the upload goes on: the first one if the registry has lost it."""
        answer = self.transport.request("GET", self._location, wanted=range(600))
        received = _received(answer)
        if answer.status != 204 or received is None or received > furthest:
            return self._begin()
        self._moved(answer)
        return received

    def _finish(self) -> None:
        mark = "&" if "?" in self._location else "?"
        url = f"{self._location}{mark}digest={self.blob.digest}"
        answer = self.transport.request("PUT", url, {**_OCTETS, "Content-Length": "0"}, wanted=(201, 404))
        if answer.status == 404 and not self._is_there():  # else an answer was lost
            raise self.transport.refusal(answer)

    def _moved(self, answer: Answer) -> None:
        """Follow an answer that moves the upload to another address."""
        if location := answer.headers.get("Location"):
            self._location = self.transport.url(location, base=self._location)

    def _report(self, status: LayerStatus, done: int) -> None:
        self.progress(short(self.blob.digest), status, done, self.blob.size)


def _received(answer: Answer) -> int | None:
    """Return how many bytes the registry has; None if it does not say. For one byte it writes the same as for none."""
    match = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range", ""))
    if not match:
        return None
    return int(match[1]) + 1 if int(match[1]) else 0
