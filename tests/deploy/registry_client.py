"""A registry client under test: its logins, and a small image to put."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from deploy.image.oci import StoredManifest
from deploy.registry import silent
from deploy.registry.address import Address
from deploy.registry.client import Registry
from deploy.registry.transport import RetryPolicy
from tests.deploy.debianregistry import PASSWORD, token
from tests.deploy.parts import Bytes, manifest_of

CHUNK_BYTES = 100_000
CONFIG = Bytes(b"{}")
EXPIRED = json.dumps(
    {"errors": [{"code": "DENIED", "message": "Your authorization token has expired. Reauthenticate and try again."}]}
)


class Logins:
    """A login callback: the passwords one after the other, the last for ever."""

    def __init__(self, *passwords: str) -> None:
        self._passwords = passwords or (PASSWORD,)
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        return token(self._passwords[min(self.count, len(self._passwords)) - 1])


@pytest.fixture
def logins() -> Logins:
    return Logins()


@pytest.fixture
def registry(address: Address, name: str, retry_policy: RetryPolicy, logins: Logins) -> Iterator[Registry]:
    with Registry(address, name, logins, retry_policy, CHUNK_BYTES) as registry:
        yield registry


def put_image(registry: Registry, *layers: Bytes, tag: str = "tag") -> StoredManifest:
    manifest = manifest_of(CONFIG, *layers)
    for blob in (*layers, CONFIG):
        registry.upload(blob, silent)
    registry.put_manifest(manifest, tag)
    return manifest
