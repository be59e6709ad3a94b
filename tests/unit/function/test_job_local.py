"""A job on this machine: its processes do not get into each other's way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from function.jobs.local import Environment

_PROCESS = """
import json, sys, tempfile
from function import scratch
for line in sys.stdin:
    event = json.loads(line)["event"]
    if event == "clean":
        scratch.clean()
    else:
        scratch.folder().__enter__()
    print(json.dumps({"result": {"folder": tempfile.gettempdir()}}), flush=True)
"""


def test_what_one_process_leaves_behind_is_not_removed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = subprocess.Popen

    processes: list[Any] = []

    def popen(_command: object, **options: Any) -> Any:
        processes.append(begin([sys.executable, "-c", _PROCESS], **options))
        return processes[-1]

    monkeypatch.setattr("function.jobs.local.subprocess.Popen", popen)
    first, second = (Environment(tmp_path / name, {}, subprocess.DEVNULL) for name in ("local-0", "local-1"))
    try:
        begun: Any = "begin"
        clean: Any = "clean"
        mine = Path(first.invoke(begun, 5)["folder"])
        second.invoke(clean, 5)
        assert mine.is_dir()
        assert mine.is_relative_to(tmp_path / "local-0")
        first.invoke(clean, 5)
        assert list((tmp_path / "local-1").iterdir()) == []
    finally:
        first.stop()
        second.stop()
        for process in processes:
            process.stdin.close()
            process.stdout.close()
