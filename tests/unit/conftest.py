from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clips import make_clip
from tests.unit.build.judging import judge  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a generated clip by name, once."""
    directory = tmp_path_factory.mktemp("clips")
    return lambda name: make_clip(name, directory)
