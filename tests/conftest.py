"""What all suites share: the head of a run says which code is tested."""

from __future__ import annotations

import signal

import pytest

from local.stack import StackError
from tests.support import tree

IMAGE = "hwang-lambda:latest"
WITH_IMAGE = ("cloud", "deploy", "image", "map", "soak")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "long: slow and rarely broken: run by `make test-long`, not by `make test`")
    config.addinivalue_line("markers", "alone: measures time: run when no other worker is busy")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Names what runs in the containers, if any of the tests that are asked for need them."""
    if not any(f"tests/{suite}" in argument for suite in WITH_IMAGE for argument in config.args):
        return None
    try:
        return f"tested: {tree.described(IMAGE)}"
    except StackError as error:
        return f"tested: nothing yet: {error}"
