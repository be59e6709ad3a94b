"""Python and commands on the pages, carried out on the real clip: each page from its top, in a folder of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from local import clip as real_clip
from tests.support.pages import ROOT, Block, every_block

EVENT: Final = {"video": "clip.mp4", "frames": [0, 50], "size": {"max_side": 64}, "format": "inline"}
SECONDS: Final = 120
PAGES: Final = sorted({block.page for block in every_block("python", "console") if not block.mark})


def shown_here(page: Path) -> list[Block]:
    """The blocks of a page that need neither an account nor the network nor other packages."""
    return [
        block
        for block in every_block("python", "console")
        if block.page == page and not block.mark and "ecr-push" not in block.text
    ]


def file_named_before(block: Block) -> str | None:
    """The file that a block is the content of: a line such as `my_frames.py`: stands before it."""
    before = block.page.read_text().splitlines()[: block.line - 2]
    match = re.fullmatch(r"`([\w.]+)`:", before[-2]) if len(before) > 1 else None
    return match[1] if match else None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `clip.mp4`, `event.json`."""
    shutil.copyfile(real_clip.fetch(), tmp_path / "clip.mp4")
    (tmp_path / "event.json").write_text(json.dumps(EVENT))
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page: Path, folder: Path) -> None:
    names: dict[str, object] = {"__name__": "page"}
    for block in shown_here(page):
        if name := file_named_before(block):
            (folder / name).write_text(block.text)
        if block.language == "python":
            exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - that is the test
        for command in block.commands if block.language == "console" else ():
            done = subprocess.run(
                ["bash", "-c", f'python() {{ {sys.executable} "$@"; }}\n{command}'],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
                cwd=folder,
            )
            assert done.returncode == 0, (str(block), command, done.stdout[-500:], done.stderr[-2000:])


def test_enough_is_carried_out() -> None:
    blocks = [block for page in PAGES for block in shown_here(page)]
    assert len([block for block in blocks if block.language == "python"]) >= 10
    assert sum(len(block.commands) for block in blocks if block.language == "console") >= 10
