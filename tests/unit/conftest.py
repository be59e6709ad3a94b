from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.clips import make_clip
from tests.unit.build.judging import judge  # noqa: F401 - a fixture


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a generated clip by name, once."""
    directory = tmp_path_factory.mktemp("clips")
    return lambda name: make_clip(name, directory)


@pytest.fixture(autouse=True)
def no_replaced_core_stays() -> Iterator[None]:
    """Forgets the modules that a test has imported over a stand-in for hwang's compiled core: others do without."""
    before = set(sys.modules)
    yield
    new = {name for name in sys.modules if name not in before and name.partition(".")[0] in ("hwang", "function")}
    cores = [getattr(sys.modules[name], "_core", None) for name in new if name != "hwang"]
    if any(core is not None and core.__spec__ is None for core in cores):
        for name in new:
            parent, _, child = name.rpartition(".")
            if parent in sys.modules and hasattr(sys.modules[parent], child):
                delattr(sys.modules[parent], child)
        for name in new:
            del sys.modules[name]
