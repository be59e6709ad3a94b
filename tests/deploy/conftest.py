"""AWS for the deploy tool's tests: tests/aws/__init__.py tells what can be asked of it.

`aws` is an account of the test's own, without any container, made in milliseconds. `live_aws` is one whose functions
really run, as containers of the images that were pushed, beside an S3; it needs an engine and the image of `make demo`.
Both fail a test that made AWS say what AWS would not say, or asked what no client would ask.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests.aws import StrictAws
from tests.aws.cloud import Cloud, Runner
from tests.image.conftest import engine  # noqa: F401 - a fixture


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what was asked of AWS."""
    report = yield
    funcargs = getattr(item, "funcargs", {})
    account = funcargs.get("aws") or funcargs.get("live_aws")
    if report.failed and isinstance(account, StrictAws):
        report.sections.append(("AWS", "\n".join(map(str, account.calls()[-60:]))))
    return report
