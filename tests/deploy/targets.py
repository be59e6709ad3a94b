"""Where tests push to, beside ECR: any registry, of which push.Target is all that is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy.image.oci import StoredManifest
from deploy.registry.address import Address
from deploy.registry.client import Registry
from deploy.registry.login import Login
from tests.deploy.debianregistry import PASSWORD, USER


def right() -> Login:
    return Login(USER, PASSWORD)


def wrong() -> Login:
    return Login(USER, "not the password")


@dataclass(frozen=True)
class RegistryTarget:
    """A repository of Debian's registry at `address`, read by its own protocol. `login` is for pushes."""

    address: Address
    name: str
    login: Callable[[], Login] = right

    @property
    def uri(self) -> str:
        return f"{self.address.host}/{self.name}"

    def manifest(self, reference: str) -> StoredManifest | None:
        with Registry(self.address, self.name, right) as registry:
            return registry.manifest(reference)
