"""Containers of their own for the fault tests: up once, the function anew where a test gives it other limits."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local import clip as real_clip
from tests.cloud.function import Function, Good
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, VIDEOS, FaultStack, Limits
from tests.cloud.state import State
from tests.image.conftest import engine  # noqa: F401 - a fixture
from tests.support.clips import BY_NAME, linear_decode, make_clip
from tests.support.faults.client import Faults
from tests.support.log_lines import container_log, not_json

SMALL = "h264-faststart"
GOOD_ROW = 17


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "limits(**fields): what the function is given, see stack.Limits")
    config.addinivalue_line("markers", "prints: own code writes to the log what it likes")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts tests of equal limits beside each other, and on one worker, as others need another container."""

    def limits(item: pytest.Item) -> str:
        marker = item.get_closest_marker("limits")
        return repr(sorted(marker.kwargs.items())) if marker else ""

    for item in items:
        if limits(item):
            item.add_marker(pytest.mark.xdist_group(limits(item)))
    items.sort(key=lambda item: (limits(item) == "", limits(item)))


@dataclass
class Beds:
    """The running containers. `current` changes when another function takes the place of the first."""

    current: FaultStack
    good: Good

    def function(self, limits: Limits) -> Function:
        if limits != self.current.limits:
            self.current = self.current.with_limits(limits)
            self.current.up()
        return Function(self.current, self.good)


@pytest.fixture(scope="session")
def beds(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beds]:  # noqa: ARG001, F811
    scratch = tmp_path_factory.mktemp("stack")
    small = make_clip(SMALL, scratch)
    stack = FaultStack(f"hwang-cloud-{os.getpid()}", scratch=scratch)
    try:
        stack.up()
        stack.s3.put_object(Bucket=VIDEOS, Key="small.mp4", Body=small.read_bytes())
        stack.s3.put_object(Bucket=VIDEOS, Key="clip.mp4", Body=real_clip.fetch().read_bytes())
        stack.s3.put_object(Bucket="versioned", Key="clip.mp4", Body=small.read_bytes())
        event = {"video": f"s3://{VIDEOS}/small.mp4", "frames": [GOOD_ROW], "output": f"s3://{RESULTS}/good/frame.npy"}
        good = Good(event, linear_decode(small, BY_NAME[SMALL].size)[[GOOD_ROW]])
        yield Beds(stack, good)
    finally:
        stack.down()


@pytest.fixture
def function(beds: Beds, request: pytest.FixtureRequest) -> Iterator[Function]:
    """The function, warm, with the limits that the test is marked with. Its log must be JSON, line by line."""
    since = time.time()
    marker = request.node.get_closest_marker("limits")
    function = beds.function(Limits(**marker.kwargs) if marker else Limits())
    function.check_good()
    yield function
    if not request.node.get_closest_marker("prints"):
        assert list(not_json(container_log(beds.current.container("function"), since))) == []


@pytest.fixture
def stack(beds: Beds) -> FaultStack:
    return beds.current


@pytest.fixture
def faults(beds: Beds) -> Iterator[Faults]:
    """The proxy, with no rule and an empty log."""
    faults = beds.current.faults
    faults.clear()
    yield faults
    faults.clear()


_numbers = itertools.count(1)


@pytest.fixture
def prefix(beds: Beds, request: pytest.FixtureRequest) -> Iterator[str]:
    """What the keys of this test's results begin with; they are gone after it."""
    name = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
    prefix = f"{next(_numbers):03d}-{name}/"
    yield prefix
    s3 = beds.current.s3
    for item in s3.list_objects_v2(Bucket=RESULTS, Prefix=prefix).get("Contents", []):
        s3.delete_object(Bucket=RESULTS, Key=item["Key"])
    for upload in s3.list_multipart_uploads(Bucket=RESULTS).get("Uploads", []):
        s3.abort_multipart_upload(Bucket=RESULTS, Key=upload["Key"], UploadId=upload["UploadId"])


@pytest.fixture
def after(function: Function, prefix: str, faults: Faults) -> Postconditions:
    """What must hold when the test's request has been answered. Taken before it, so ask for it in the arguments."""
    before = State.of(function.stack)
    faults.clear()
    return Postconditions(function, before, prefix)


@pytest.fixture
def put(beds: Beds) -> Iterator[Callable[[str, bytes], str]]:
    """Puts a video and gives its URI; gone after the test. Before `after` in the arguments, or it counts as touched."""
    keys = []

    def put_video(key: str, content: bytes) -> str:
        beds.current.s3.put_object(Bucket=VIDEOS, Key=key, Body=content)
        keys.append(key)
        return f"s3://{VIDEOS}/{key}"

    yield put_video
    for key in keys:
        beds.current.s3.delete_object(Bucket=VIDEOS, Key=key)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the function logged and what the proxy saw."""
    report = yield
    beds: Any = getattr(item, "funcargs", {}).get("beds")
    if report.when == "call" and report.failed and isinstance(beds, Beds):
        since = f"{time.time() - report.duration - 1:.0f}"
        logs = beds.current.compose("logs", "--no-color", "--no-log-prefix", "--since", since, "function")
        report.sections.append(("function", logs[-4000:]))
        report.sections.append(("proxy", "\n".join(map(str, beds.current.faults.log()[-40:]))))
    return report
