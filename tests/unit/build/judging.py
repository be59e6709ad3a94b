"""Images that are judged, and what was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from deploy.errors import ImageRefusedError
from deploy.image import Finding, document, findings, open_image, require_acceptable
from tests.deploy.images import (
    Built,
    layout_of,
    write_directory,
)

Judge: TypeAlias = Callable[..., "Judged"]


class Judged:
    """What was found, by subject."""

    def __init__(self, found: Sequence[Finding]) -> None:
        self.found = found

    def __getitem__(self, subject: str) -> Finding:
        """The worst there is of it."""
        order = ["refused", "warning", "ok", "note"]
        return min((item for item in self.found if item.subject == subject), key=lambda item: order.index(item.level))

    @property
    def refused(self) -> list[str]:
        return [item.subject for item in self.found if item.level == "refused"]

    @property
    def warned(self) -> list[str]:
        return [item.subject for item in self.found if item.level == "warning"]

    @property
    def subjects(self) -> set[str]:
        return {item.subject for item in self.found}


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Judges an image that is kept in a layout."""

    def judged(built: Built, architecture: str | None = None) -> Judged:
        with open_image(str(write_directory(layout_of(built), tmp_path / "layout"))) as image:
            found = findings(image, architecture)
            if all(item.level != "refused" for item in found):
                require_acceptable(image, *found)
            else:
                with pytest.raises(ImageRefusedError):
                    require_acceptable(image, *found)
            json.dumps(document(image, found))
            return Judged(found)

    return judged
