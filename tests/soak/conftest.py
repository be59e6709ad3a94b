"""The containers of the cloud tests, and a place for figures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cloud.conftest import (  # noqa: F401 - fixtures and hooks
    after,
    beds,
    faults,
    function,
    prefix,
    put,
    pytest_configure,
    pytest_runtest_makereport,
    stack,
)
from tests.image.conftest import engine  # noqa: F401 - a fixture

FULL = os.environ.get("SOAK") == "1"
Report = Callable[..., None]


def times(full: int) -> int:
    """How often something is done: that often in full, else a tenth of it."""
    return full if FULL else full // 10


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Tells the figures of a run in one line, and keeps them in the file that SOAK_RESULTS names."""

    def tell(**figures: object) -> None:
        line = json.dumps({"test": request.node.name, "full": FULL, **figures})
        terminal = request.config.pluginmanager.get_plugin("terminalreporter")
        assert terminal
        terminal.ensure_newline()
        terminal.write_line(line)
        kept = os.environ.get("SOAK_RESULTS")
        if kept:
            with Path(kept).open("a") as file:
                file.write(line + "\n")

    return tell
