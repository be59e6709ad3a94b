"""The function in its container, and everything that can go wrong around it."""

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("asked", "function", "postconditions")))
