"""What is told while layers travel."""

from __future__ import annotations

from typing import Final, Literal, Protocol, TypeAlias

LayerStatus: TypeAlias = Literal["preparing", "waiting", "uploading", "uploaded", "there"]
ARRIVED: Final[dict[str, str]] = {"uploaded": "pushed", "there": "is there already"}


class Progress(Protocol):
    """Takes the state of each layer, as often as it changes.

    `id` tells layers apart, short enough to be shown. `done` and `total` are bytes, `total` 0 while unknown; in a retry
    `done` may fall. "there" means that the registry had the layer and nothing was sent.
    """

    def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None: ...  # noqa: A002


class Silent:
    """A Progress that nobody sees."""

    def layer(self, id: str, status: LayerStatus, done: int, total: int) -> None:  # noqa: A002
        pass
