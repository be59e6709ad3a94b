from __future__ import annotations

from collections.abc import Callable

import pytest

from local.stack import StackError, docker
from tests.browser.showing import Visit, show_page

Show = Callable[..., Visit]


@pytest.fixture(scope="session")
def show() -> Show:
    """Shows a page in views. Without an engine or the browser's image these tests fail."""
    try:
        docker()
    except StackError as error:
        pytest.fail(f"no Docker Engine answers ({error}): start one with `make engine`", pytrace=False)
    return show_page
