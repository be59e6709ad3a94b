"""Pages as a browser shows them: headless Chromium in a container without a network."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from PIL import Image

from local.stack import docker

IMAGE: Final = "hwang-lambda:browser"
PATIENCE_SECONDS: Final = 150


@dataclass(frozen=True)
class View:
    """A window, in pixels; `clip` cuts the page's height."""

    width: int = 1280
    height: int = 900
    dark: bool = False
    phone: bool = False
    clip: int | None = None

    @property
    def document(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value is not None}


LIGHT: Final = View()
DARK: Final = View(dark=True)
PHONE: Final = View(390, 844, phone=True)


@dataclass(frozen=True)
class Look:
    """What a view shows. `screenshot` is of the whole page, RGB."""

    screenshot: Image.Image
    png: bytes
    scroll_width: int
    client_width: int
    pictures: int
    broken: int


@dataclass(frozen=True)
class Visit:
    """`console` is everything that the browser says of the page, `requests` all that it asks for beside it."""

    views: tuple[Look, ...]
    console: list[str]
    requests: list[str]


class NothingShown(Exception):  # noqa: N818
    """The browser has ended before it has shown everything; the message is its last words."""


def show_page(page: bytes, *views: View) -> Visit:
    """Shows the page in the views, one after another. Raises NothingShown, StackError without an engine."""
    command = [docker(), "run", "--rm", "--init", "--interactive", "--network", "none", "--memory", "1g", IMAGE]
    asked = json.dumps({"page": page.decode(), "views": [view.document for view in views]})
    done = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    if done.returncode:
        raise NothingShown(
            f"{done.stderr.decode()[-2000:]}\n(BASE=standin local/image.sh browser {IMAGE} builds the browser)"
        )
    told = json.loads(done.stdout)
    return Visit(tuple(map(_look, told["views"])), told["console"], told["requests"])


def _look(seen: dict[str, Any]) -> Look:
    png = base64.b64decode(seen["png"])
    sizes = {name: seen[name] for name in ("scroll_width", "client_width", "pictures", "broken")}
    return Look(Image.open(io.BytesIO(png)).convert("RGB"), png, **sizes)
