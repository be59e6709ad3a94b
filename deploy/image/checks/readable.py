"""Files that the function's user cannot read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

from deploy.image.checks.command import GIDS, UID, Command
from deploy.image.checks.finding import Finding
from deploy.image.checks.pythonpath import runtime_directory, task_root
from deploy.image.filesystem import Filesystem
from deploy.image.localimage import Image

_NAMED: Final = 3
_COUNTED: Final = 100_000


def readable(image: Image, command: Command, files: Filesystem) -> Iterator[Finding]:
    """Where code lies: the task root, the runtime, layers' /opt, and the working directory unless it is /."""
    roots = {task_root(image), runtime_directory(image), "/opt", command.directory} - {"/"}
    places = sorted({found.path for root in roots if (found := files.find(root))})
    places = [place for place in places if not any(place.startswith(f"{other}/") for other in places)]
    closed = list(islice((path for place in places for path in files.unreadable(place, UID, GIDS)), _COUNTED))
    if not closed:
        yield Finding("ok", "files", f"readable by the function's user in {', '.join(places) or 'no directory'}")
        return
    more = f" and {len(closed) - _NAMED:,} more" if len(closed) > _NAMED else ""
    yield Finding(
        "refused",
        "files",
        f"{len(closed):,} cannot be read by the function's user: {', '.join(closed[:_NAMED])}{more}",
        why=f"it has the uid {UID}, and is not root (PermissionDenied)",
        then=f"RUN chmod -R a+rX {' '.join(place for place in places if any(_within(path, place) for path in closed))}",
    )


def _within(path: str, place: str) -> bool:
    return path == place or path.startswith(f"{place}/")
