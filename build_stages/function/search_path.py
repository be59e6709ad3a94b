"""Puts the function's directory before packages, and Lambda's own packages last, in every Python of the image.

search_path.pth beside it in site-packages imports this when Python starts. Lambda's bootstrap does the same for the
handler, but gives processes that the handler starts PYTHONPATH=/var/runtime, where packages have other versions.
"""

from __future__ import annotations

import os
import sys

TASK = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
RUNTIME = os.environ.get("LAMBDA_RUNTIME_DIR", "/var/runtime")


def ordered(path: list[str], site: str) -> list[str]:
    """Return a search path in that order. `site`: the directory of packages in it."""
    anchor = RUNTIME if RUNTIME in path else site
    places: list[str] = []
    for place in path:
        places += [TASK] * (place == anchor) + [place] * (place not in (TASK, RUNTIME))
    return places + [RUNTIME] * (RUNTIME in path)


sys.path[:] = ordered(sys.path, os.path.dirname(__file__))  # noqa: PTH120 - pathlib would slow every start
