"""Progress of layers while they are pushed."""

from __future__ import annotations

from typing import Final, Literal, Protocol, TypeAlias

LayerStatus: TypeAlias = Literal["uploading", "uploaded", "there"]
ARRIVED: Final[dict[str, str]] = {"uploaded": "pushed", "there": "is there already"}


class Progress(Protocol):
    """Receiver of the state of each layer, as often as it changes."""

    def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
        """Show a layer by its short id.

        `done` and `total` are bytes, `total` 0 while unknown; in a retry `done` may fall. "there" means that the
        registry had the layer and nothing was sent.
        """


class Silent:
    """Progress that is not shown."""

    def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
        """Show nothing."""
