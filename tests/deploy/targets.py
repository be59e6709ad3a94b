"""Where tests push to, beside ECR: a registry that is read by its own protocol alone."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, cast

from deploy.image.oci import StoredManifest
from deploy.registry.address import Address
from deploy.registry.client import Registry
from deploy.registry.ecr import Repository
from tests.deploy.debianregistry import PASSWORD, token


def right() -> str:
    return token(PASSWORD)


def wrong() -> str:
    return token("not the password")


def altered(repository: Repository, **methods: Callable[..., object]) -> Repository:
    """The same repository with other methods."""
    other = copy(repository)
    for name, method in methods.items():
        object.__setattr__(other, name, method)
    return other


class RegistryTarget(Repository):
    """A repository of Debian's registry at `address`, read by its own protocol. `login` is for pushes."""

    def __init__(self, address: Address, name: str, login: Callable[[], str] = right) -> None:
        uri = f"{address.host}/{name}"
        super().__init__(name, "", uri, "IMMUTABLE", scans=False, address=address, client=cast(Any, None))
        object.__setattr__(self, "login", login)

    def manifest(self, reference: str) -> StoredManifest | None:
        with Registry(self.address, self.name, right) as registry:
            return registry.manifest(reference)
