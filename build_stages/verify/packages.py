"""Checks that packages lie where pip put them, whole, and that every Python of the image prefers them to the base's."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from verify.added_files import Addition, Item

SITE = sysconfig.get_path("purelib")
OWN = frozenset({f"{SITE}/search_path.py", f"{SITE}/search_path.pth"})
RUNTIME = "/var/runtime"
_LEFT_OUT = frozenset({"test", "tests"})  # finish.sh
_ASK = """
import importlib.util, json, sys
print(json.dumps({name: importlib.util.find_spec(name).origin for name in sys.argv[1:]}))
"""


def problems(addition: Addition) -> list[str]:
    """Return a problem for each file of a package that is missing or changed, and for each that no package owns."""
    items = {item.path: item for item in addition.items}
    owned, wrong = set(OWN), list[str]()
    for path, item in items.items():
        if path.startswith(f"{SITE}/") and path.endswith(".dist-info/RECORD"):
            for name, digest in recorded(item.place):
                owned.add(name)
                wrong += _compared(name, digest, items.get(name))
    return wrong + [
        f"{path} belongs to no package"
        for path in items
        if path.startswith(f"{SITE}/") and path not in owned and PurePosixPath(path).parent.name != "__pycache__"
    ]


def recorded(record: Path) -> Iterator[tuple[str, str]]:
    """Yield each file of a package, by its path in the image, and its hash as pip writes it, "" if it has none."""
    for name, digest, _ in csv.reader(record.read_text().splitlines()):
        yield os.path.normpath(f"{SITE}/{name}"), digest


def wrong_imports(addition: Addition) -> list[str]:
    """Return a problem for each package that a process started by a handler imports from elsewhere, and pip's own."""
    depth = len(PurePosixPath(SITE).parts)
    names = {
        PurePosixPath(item.path).parts[depth]
        for item in addition.files
        if item.path.startswith(f"{SITE}/") and PurePosixPath(item.path).parts[depth + 1 :] == ("__init__.py",)
    }
    environment = {**os.environ, "PYTHONPATH": RUNTIME}
    ask = [sys.executable, "-c", _ASK, *sorted(names)]
    done = subprocess.run(ask, cwd="/", env=environment, capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    wrong = [f"{name} is imported from {file}" for name, file in found.items() if not file.startswith(f"{SITE}/")]
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    return wrong + (checked.stdout.splitlines() if checked.returncode else [])


def _compared(name: str, digest: str, item: Item | None) -> Iterator[str]:
    if item is None:
        path = PurePosixPath(name)
        if not _LEFT_OUT.intersection(path.parts) and path.suffix not in (".pyi", ".pyc"):
            yield f"{name} is missing"
    elif digest:
        algorithm, _, value = digest.partition("=")
        actual = hashlib.new(algorithm, item.place.read_bytes()).digest()
        if base64.urlsafe_b64encode(actual).rstrip(b"=").decode() != value:
            yield f"{name} is not as its package has it"
