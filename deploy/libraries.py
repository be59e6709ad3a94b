"""Python packages that the tool needs, and those of them that are missing here or too old."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from deploy.errors import LibraryError

# The oldest versions with everything that is used; deploy/pyproject.toml says the same to pip.
MINIMUM: Final = {"boto3": "1.42", "pydantic": "2.10", "rich": "13.7", "urllib3": "2"}
_PROJECT: Final = Path(__file__).resolve().parent.parent / "pyproject.toml"  # not there in a wheel


def lacking(error: Exception) -> LibraryError | None:
    """Return the error for packages that are missing, too old, or cannot be imported, as `error` says; None if none."""
    found = [f"{name} {version} or later" for name, version in MINIMUM.items() if _installed(name) < _parts(version)]
    if not found and (not isinstance(error, ImportError) or (error.name or "").startswith("deploy")):
        return None
    what = f"{sys.executable} has no {', '.join(found)}" if found else str(error)
    packages = " ".join(f"'{name}>={version}'" for name, version in MINIMUM.items())
    return LibraryError(what, then=f"{sys.executable} -m pip install {packages}")


def own_version() -> str:
    """Return the version of this tool."""
    if _PROJECT.is_file():
        return str(tomllib.loads(_PROJECT.read_text())["project"]["version"])
    return metadata.version("ecr-push")


def _installed(name: str) -> list[int]:
    try:
        return _parts(metadata.version(name))
    except metadata.PackageNotFoundError:
        return [sys.maxsize] if find_spec(name) else []  # a copy without its metadata is taken as it is


def _parts(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
