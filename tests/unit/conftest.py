from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.clips import make_clip
from tests.unit.build.judging import judge  # noqa: F401 - a fixture

# A failure prints what reproduces it; thousands of small files would cost seconds; a busy machine is slow, not wrong.
settings.register_profile("unit", database=None, print_blob=True, deadline=None)
settings.load_profile("unit")


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
    new = {name for name in set(sys.modules) - before if name.partition(".")[0] in ("hwang", "function")}
    cores = [getattr(sys.modules[name], "_core", None) for name in new if name != "hwang"]
    if any(core is not None and core.__spec__ is None for core in cores):
        for name in new:
            parent, _, child = name.rpartition(".")
            if parent in sys.modules and hasattr(sys.modules[parent], child):
                delattr(sys.modules[parent], child)
        for name in new:
            del sys.modules[name]
