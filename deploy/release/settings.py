"""Settings that a release may change beside the code, by the names of the command line and of Lambda."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Wanted settings. None, and variables that are not named, mean no change."""

    memory_mb: int | None = None
    timeout_seconds: int | None = None
    ephemeral_storage_mb: int | None = None
    snapstart: bool | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    unset: frozenset[str] = frozenset()

    def over(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """Lay these over the current settings and return all, by the names of UpdateFunctionConfiguration."""
        kept = {k: v for k, v in current["Environment"]["Variables"].items() if k not in self.unset}
        wanted: dict[str, Any] = {**current, "Environment": {"Variables": {**kept, **self.environment}}}
        if self.memory_mb is not None:
            wanted["MemorySize"] = self.memory_mb
        if self.timeout_seconds is not None:
            wanted["Timeout"] = self.timeout_seconds
        if self.ephemeral_storage_mb is not None:
            wanted["EphemeralStorage"] = {"Size": self.ephemeral_storage_mb}
        if self.snapstart is not None:
            wanted["SnapStart"] = {"ApplyOn": "PublishedVersions" if self.snapstart else "None"}
        return wanted


def changed(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that differ, with their wanted values."""
    return {name: value for name, value in wanted.items() if value != current.get(name)}
