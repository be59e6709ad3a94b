"""Fixtures of the deploy tool's unit tests."""

from tests.unit.deploy.release_scenario import scenario  # noqa: F401 - a fixture
