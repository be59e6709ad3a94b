"""Client of one repository of a registry, by the OCI distribution protocol; manifests and blobs are verified."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from deploy.errors import DigestMismatchError
from deploy.image.blobs import StoredBlob
from deploy.image.oci import INDEXES, MANIFESTS, OCI_INDEX, Descriptor, Index, StoredManifest, digest_of, parse
from deploy.registry import Progress
from deploy.registry.address import Address
from deploy.registry.transport import RetryPolicy, Transport
from deploy.registry.upload import CHUNK_BYTES, Upload

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
        return Upload(self._transport, blob, progress, self._chunk_bytes).run()

    def _same(self, what: str, wanted: str, found: str) -> None:
        if wanted != found:
            said = f"{what} in {self._transport.place} should be {wanted}, and the registry has {found}"
            then = "something between here and the registry changes bytes; look for a proxy"
            raise DigestMismatchError(said, then=then, wanted=wanted, found=found)
