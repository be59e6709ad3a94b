"""Upload of one blob, in chunks; after a cut it goes on at the byte that the registry names."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from deploy.errors import PermissionDeniedError
from deploy.image.streams import StoredBlob
from deploy.registry.progress import LayerStatus, Progress
from deploy.registry.registry_errors import error_of_answer
from deploy.registry.retry import Attempts, TransientError
from deploy.registry.transport import Answer, Transport

CHUNK_BYTES: Final = 16 * 1024 * 1024  # ECR takes parts of 5 to 20 MiB
_OCTETS: Final = "application/octet-stream"


def short(digest: str) -> str:
    """Return twelve digits of a digest, as engines show layers."""
    return digest.removeprefix("sha256:")[:12]


@dataclass
class Upload:
    """Upload of a blob, whose bytes are in `data`, to the repository of this URL (…/v2/NAME)."""

    transport: Transport
    repository: str
    blob: StoredBlob
    data: BinaryIO
    progress: Progress
    chunk_bytes: int = CHUNK_BYTES
    _location: str = ""  # of the upload while there is one
    _offset: int = 0  # how many bytes the registry has of it
    _furthest: int = 0

    def attempt(self, attempts: Attempts) -> int:
        """Send the blob and return how many bytes that took: 0 if the registry has it already.

        May be called again after a TransientError.
        """
        if not self._resumed(attempts):
            if self._is_there(attempts):
                sent = self.blob.size if self._furthest == self.blob.size else 0  # an answer was lost
                self._report("uploaded" if sent else "there", self.blob.size)
                return sent
            self._begin(attempts)
        while self._offset < self.blob.size:
            self._send_chunk(attempts)
        self._finish(attempts)
        self._report("uploaded", self.blob.size)
        return self.blob.size

    def _resumed(self, attempts: Attempts) -> bool:
        """Return whether the upload that was begun is still there, and go on where the registry says."""
        if not self._location:
            return False
        answer = self.transport.once(attempts, "GET", self._location)
        received = _received(answer)
        if answer.status != 204 or received is None or received > self._furthest + self.chunk_bytes:
            self._location = ""
            return False
        self._moved(answer)
        self._offset = received
        return True

    def _is_there(self, attempts: Attempts) -> bool:
        answer = self.transport.once(attempts, "HEAD", f"{self.repository}/blobs/{self.blob.digest}")
        if answer.status == 403:  # the answer to HEAD has no message
            raise PermissionDeniedError(
                f"the registry {self._place} does not show its layers; ECR wants ecr:BatchCheckLayerAvailability",
                then="`ecr_push.py policy push` prints the rights that the user or role needs",
            )
        if answer.status not in (200, 404):
            raise self._error(answer)
        return answer.status == 200

    def _begin(self, attempts: Attempts) -> None:
        answer = self.transport.once(attempts, "POST", f"{self.repository}/blobs/uploads/")
        if answer.status != 202 or "Location" not in answer.headers:
            raise self._error(answer)
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        if least.isdecimal():
            self.chunk_bytes = max(self.chunk_bytes, int(least))
        self._location = f"{self.repository}/blobs/uploads/"
        self._moved(answer)
        self._offset = 0

    def _send_chunk(self, attempts: Attempts) -> None:
        self.data.seek(self._offset)
        chunk = self.data.read(min(self.chunk_bytes, self.blob.size - self._offset))
        start, end = self._offset, self._offset + len(chunk)

        def taken(size: int) -> None:
            attempts.check()
            self._report("uploading", start + size)

        body = _Counted(chunk, taken)
        headers = {"Content-Type": _OCTETS, "Content-Range": f"{start}-{end - 1}"}
        answer = self.transport.once(attempts, "PATCH", self._location, headers, body)
        if answer.status in (404, 416):
            self._location = ""
            raise TransientError("it has lost the upload")
        if answer.status != 202:
            raise self._error(answer)
        received = _received(answer)
        self._moved(answer)
        self._offset = end if received is None else received
        if not start < self._offset <= end:
            self._location = ""
            raise TransientError("it counts other bytes than were sent")
        if self._offset > self._furthest:
            self._furthest = self._offset
            attempts.progressed()

    def _finish(self, attempts: Attempts) -> None:
        mark = "&" if "?" in self._location else "?"
        url = f"{self._location}{mark}digest={self.blob.digest}"
        answer = self.transport.once(attempts, "PUT", url, {"Content-Type": _OCTETS}, io.BytesIO())
        if answer.status == 404:
            self._location = ""
            raise TransientError("it has lost the upload")
        if answer.status != 201:
            raise self._error(answer)

    def _moved(self, answer: Answer) -> None:
        """Follow an answer that moves the upload to another address."""
        if location := answer.headers.get("Location"):
            self._location = self.transport.url(location, base=self._location)

    def _error(self, answer: Answer) -> Exception:
        return error_of_answer(answer.status, answer.body, self._place)

    @property
    def _place(self) -> str:
        return self.repository.partition("://")[2].replace("/v2/", "/", 1)

    def _report(self, status: LayerStatus, done: int) -> None:
        self.progress.layer(short(self.blob.digest), status, done, self.blob.size)


class _Counted(io.BytesIO):
    """Body of a request that reports how much of it has been read."""

    def __init__(self, data: bytes, taken: Callable[[int], None]) -> None:
        super().__init__(data)
        self._taken = taken

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self._taken(self.tell())
        return piece


def _received(answer: Answer) -> int | None:
    """Return how many bytes the registry has; None if it does not say. For one byte it writes the same as for none."""
    match = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("Range", ""))
    if not match:
        return None
    return int(match[1]) + 1 if int(match[1]) else 0
