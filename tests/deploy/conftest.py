"""A registry that runs, with a proxy in front that breaks what a test tells it to."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from deploy.address import Address
from deploy.patience import Patience
from tests.deploy import debianregistry
from tests.deploy.debianregistry import DebianRegistry
from tests.faults import running
from tests.faults.client import Faults
from tests.faults.running import Proxy


@pytest.fixture(scope="session")
def debian_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRegistry]:
    """Without TLS, with a password."""
    with debianregistry.running(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def registry_proxy(debian_registry: DebianRegistry) -> Iterator[Proxy]:
    with running.proxy(debian_registry.port) as proxy:
        yield proxy


@pytest.fixture
def faults(registry_proxy: Proxy) -> Iterator[Faults]:
    """What is between here and the registry, with no rule and an empty log."""
    registry_proxy.faults.clear()
    yield registry_proxy.faults
    registry_proxy.faults.clear()


@pytest.fixture
def address(registry_proxy: Proxy, faults: Faults) -> Address:  # noqa: ARG001
    """Of the registry, through the proxy."""
    return Address(f"127.0.0.1:{registry_proxy.port}", plain=True)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository that is this test's own."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:100]


@pytest.fixture
def patience() -> Patience:
    """Little, so that what is given up is given up soon."""
    return Patience(failures=4, first_pause=0.01, longest_pause=0.05, connect=2, read=2, total=20)
