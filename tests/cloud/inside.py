"""What is going on inside the function's container, as JSON. Its source is run there with `python3 -c`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def open_files(folder: Path) -> Iterator[str]:
    for link in (folder / "fd").iterdir():
        with suppress(FileNotFoundError):
            yield str(link.readlink())


def process(folder: Path) -> dict[str, Any]:
    status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
    return {
        "name": status["Name"],
        "state": status["State"][0],
        "threads": sorted((task / "comm").read_text().strip() for task in (folder / "task").iterdir()),
        "files": sorted(open_files(folder)),
    }


def main() -> None:
    processes = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            with suppress(FileNotFoundError, ProcessLookupError):
                processes.append(process(folder))
    stored = {str(path): path.stat().st_size for path in Path("/tmp").rglob("*") if path.is_file()}  # noqa: S108
    print(json.dumps({"processes": processes, "stored": stored}))


if __name__ == "__main__":
    main()
