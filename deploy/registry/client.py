"""Client of one repository of a registry, by the OCI distribution protocol; manifests and blobs are verified."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from urllib3.exceptions import HTTPError

from deploy.errors import DeployError, DigestMismatchError, PermissionDeniedError
from deploy.image.blobs import StoredBlob
from deploy.image.oci import INDEXES, MANIFESTS, OCI_INDEX, Descriptor, Index, StoredManifest, digest_of, parse
from deploy.registry import LayerStatus, Progress, short
from deploy.registry.address import Address
from deploy.registry.transport import Answer, RetryPolicy, Transport

CHUNK_BYTES: Final = 16 * 1024 * 1024  # ECR takes parts of 5 to 20 MiB
_OCTETS: Final = {"Content-Type": "application/octet-stream"}
_ACCEPT: Final = {"Accept": ", ".join(sorted(MANIFESTS | INDEXES))}


class Registry:
    """The repository `name` at `address`; `login` returns a token for basic authentication, and is called again
    if that is refused.

    Every method tries as often as `retry_policy` allows and raises DeployErrors only: CredentialsError,
    PermissionDeniedError, RepositoryNotFoundError or PushFailedError. Not for several threads at once.
    """

    def __init__(
        self,
        address: Address,
        name: str,
        login: Callable[[], str],
        retry_policy: RetryPolicy = RetryPolicy(),  # noqa: B008 - it is frozen
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._chunk_bytes = chunk_bytes
        self._transport = Transport(address, name, login, retry_policy)

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def manifest(self, reference: str) -> StoredManifest | None:
        """Return the manifest of a tag or digest, its bytes verified; None if there is none.

        Raises DigestMismatchError.
        """
        answer = self._transport.request("GET", f"manifests/{reference}", _ACCEPT, wanted=(200, 404))
        if answer.status == 404:
            return None
        found = StoredManifest(answer.data, answer.headers.get("Content-Type", "").partition(";")[0])
        said = reference if ":" in reference else answer.headers.get("Docker-Content-Digest", found.digest)
        self._same(f"the manifest of {reference}", said, found.digest)
        return found

    def put_manifest(self, manifest: StoredManifest, reference: str) -> None:
        """Store a manifest under a tag or its digest. Raises TagTakenError, DigestMismatchError."""
        headers = {"Content-Type": manifest.media_type}
        answer = self._transport.request("PUT", f"manifests/{reference}", headers, manifest.data, wanted=(201,))
        said = answer.headers.get("Docker-Content-Digest", manifest.digest)
        self._same(f"the manifest of {reference}", manifest.digest, said)

    def referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """Return the artifacts about a manifest: signatures, bills of materials."""
        answer = self._transport.request("GET", f"referrers/{digest}", {"Accept": OCI_INDEX}, wanted=(200,))
        return parse(Index, answer.data, f"the list of artifacts about {digest}").manifests

    def blob(self, digest: str) -> bytes:
        """Return a small blob, such as a configuration. Raises DigestMismatchError."""
        data = self._transport.request("GET", f"blobs/{digest}", wanted=(200,)).data
        self._same("a blob", digest, digest_of(data))
        return data

    def upload(self, blob: StoredBlob, progress: Progress) -> int:
        """Store a blob unless it is there, and return how many bytes were sent: 0 or its size.

        Raises DigestMismatchError if its bytes are not what its digest says.
        """
        return _Upload(self._transport, blob, progress, self._chunk_bytes).run()

    def _same(self, what: str, wanted: str, found: str) -> None:
        if wanted != found:
            said = f"{what} in {self._transport.place} should be {wanted}, and the registry has {found}"
            then = "something between here and the registry changes bytes; look for a proxy"
            raise DigestMismatchError(said, then=then, wanted=wanted, found=found)


@dataclass
class _Upload:
    """Upload of one blob, in chunks; after a cut it goes on at the byte that the registry names."""

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
