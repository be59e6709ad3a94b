"""AWS for the deploy tool's tests: tests/support/aws/__init__.py tells what can be asked of it.

`aws` is an account of the test's own, without any container, made in milliseconds. `live_aws` is one whose functions
really run, as containers of the images that were pushed, beside an S3; it needs an engine and the image of `make demo`.
Both fail a test that made AWS say what AWS would not say, or asked what no client would ask.

`address` is Debian's registry, with a proxy in front that breaks what `faults` is told to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from deploy.registry.address import Address
from deploy.registry.transport import RetryPolicy
from tests.deploy import debianregistry
from tests.deploy.debianregistry import DebianRegistry
from tests.deploy.registry_client import logins, registry  # noqa: F401 - fixtures
from tests.deploy.tool import Tool
from tests.deploy.trial import Trial
from tests.image.conftest import engine  # noqa: F401 - a fixture
from tests.support.aws import StrictAws
from tests.support.aws.cloud import Cloud, Runner
from tests.support.faults import running
from tests.support.faults.client import Faults
from tests.support.faults.running import Proxy

# Tests of these modules share a set-up, or measure how long something takes: they run on one worker.
ON_ONE_WORKER = {
    "test_live_aws": "live",
    "test_live_deploy": "live",
    "test_check_engine": "engine",
    "test_check_containerd": "engine",
    "test_push_engine": "engine",
    "test_unavailable": "unavailable",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups what belongs on one worker, and puts it first, so that no worker is left alone with it at the end."""
    groups = {item: ON_ONE_WORKER.get(item.path.stem) for item in items if item.path.parent == Path(__file__).parent}
    for item, group in groups.items():
        if group:
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: groups.get(item) is None)


@pytest.fixture
def aws() -> Iterator[StrictAws]:
    with StrictAws() as account:
        yield account
    assert not account.violations


@pytest.fixture(scope="session")
def cloud(engine: str) -> Iterator[Cloud]:  # noqa: ARG001, F811
    """The emulator that is behind `live_aws`."""
    running = Cloud(f"hwang-deploy-{os.getpid()}")
    try:
        running.up()
        yield running
    finally:
        running.down()


@pytest.fixture
def live_aws(cloud: Cloud) -> Iterator[StrictAws]:
    with StrictAws(s3=cloud.host) as account, Runner(cloud, account.registry) as runner:
        account.invocations.backend = runner
        yield account
    assert not account.violations


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
    return re.sub(r"[^a-z0-9]+", "-", request.node.nodeid.lower())[-100:].strip("-")


@pytest.fixture
def retry_policy() -> RetryPolicy:
    """Little, so that what is given up is given up soon."""
    return RetryPolicy(attempts=4, first_pause=0.01, max_pause=0.05, connect=2, read=2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what was asked of AWS."""
    report = yield
    funcargs = getattr(item, "funcargs", {})
    account = funcargs.get("aws") or funcargs.get("live_aws")
    if report.failed and isinstance(account, StrictAws):
        report.sections.append(("AWS", "\n".join(map(str, account.calls()[-60:]))))
    return report


@pytest.fixture
def tool(aws: StrictAws, tmp_path: Path) -> Tool:
    """The tool, for `aws`, with an empty home."""
    return Tool(aws.environment(), tmp_path)


@pytest.fixture
def trial(aws: StrictAws, tool: Tool, tmp_path: Path) -> Trial:
    """Runs of the tool, each held against what must be so after any."""
    return Trial(aws, tool, tmp_path / "journal.jsonl")
