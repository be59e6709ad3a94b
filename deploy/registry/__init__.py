"""Putting images into a registry, and finding what is there; `Progress` is that of layers while they are pushed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

# "there": the registry had the layer already, and nothing was sent.
LayerStatus: TypeAlias = Literal["uploading", "uploaded", "there"]
Progress: TypeAlias = Callable[[str, LayerStatus, int, int], object]
"""Called as often as a layer's state changes: short id, status, bytes sent, bytes in all. It may fall in a retry."""


def silent(*_: object) -> None:
    """Show no progress."""


def short(digest: str) -> str:
    """Return twelve digits of a digest, as engines show layers."""
    return digest.removeprefix("sha256:")[:12]
