"""One hash for a tree: what it counts and what it does not, the same for a directory and an archive of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from maintain import treehash

ROOT = Path(__file__).resolve().parents[3]


def plant(root: Path) -> Path:
    (root / "lib/empty").mkdir(parents=True)
    (root / "lib/thing.so").write_bytes(b"library")
    (root / "lib/thing.so").chmod(0o755)
    (root / "lib/name.so").symlink_to("thing.so")
    (root / "line\nbreak").write_bytes(b"")
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plant(tmp_path / "one")


def test_times_and_order_do_not_count(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "lib").mkdir(parents=True)
    (other / "line\nbreak").write_bytes(b"")
    (other / "lib/name.so").symlink_to("thing.so")
    (other / "lib/thing.so").write_bytes(b"library")
    (other / "lib/thing.so").chmod(0o755)
    (other / "lib/empty").mkdir()
    os.utime(other / "lib/thing.so", (0, 0))
    assert treehash.digest(treehash.read(tree)) == treehash.digest(treehash.read(other))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda root: (root / "lib/thing.so").write_bytes(b"Library"), "differs: lib/thing.so: file 0755 "),
        (lambda root: (root / "lib/thing.so").chmod(0o4755), "and file 4755 "),
        (lambda root: (root / "lib/empty").chmod(0o700), "differs: lib/empty: directory 0755 and directory 0700"),
        (lambda root: (root / "lib/empty").rmdir(), "only in the first: lib/empty"),
        (lambda root: (root / "more").write_bytes(b""), "only in the second: more"),
        (lambda root: (root / "line\nbreak").rename(root / "line"), "only in the first: line\nbreak"),
        (lambda root: os.mkfifo(root / "pipe"), "only in the second: pipe"),
    ],
    ids=["contents", "permissions", "directory's permissions", "gone", "added", "renamed", "fifo"],
)
def test_every_other_change_changes_the_hash(
    tree: Path, tmp_path: Path, change: Callable[[Path], object], said: str
) -> None:
    before, other = treehash.read(tree), plant(tmp_path / "other")
    change(other)
    after = treehash.read(other)
    assert treehash.digest(before) != treehash.digest(after)
    assert said in "\n".join(treehash.differences(before, after))


def test_a_link_is_where_it_leads_and_not_what_is_there(tree: Path) -> None:
    before = treehash.read(tree)
    (tree / "lib/name.so").unlink()
    (tree / "lib/name.so").symlink_to("./thing.so")
    assert treehash.differences(before, treehash.read(tree)) == [
        "differs: lib/name.so: link to 'thing.so' and link to './thing.so'"
    ]


def test_a_directory_and_its_tar_have_the_same_hash(tree: Path, tmp_path: Path) -> None:
    (tree / "lib/second.so").hardlink_to(tree / "lib/thing.so")
    with tarfile.open(tmp_path / "tree.tar", "w") as archive:
        archive.add(tree, ".")
    assert treehash.differences(treehash.read(tree), treehash.read(tmp_path / "tree.tar")) == []


def test_a_zip_is_read_with_its_permissions(tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("bin/run")
    entry.external_attr = 0o755 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(entry, b"x")
    assert treehash.read(tmp_path / "a.zip")["bin/run"].startswith("file 0755 ")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "build_stages/maintain/treehash.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_program_prints_the_hash_and_its_status_says_whether_trees_differ(tree: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "other")
    done = run(tree, other)
    hashes = [line.split()[0] for line in done.stdout.splitlines()]
    assert (done.returncode, len(hashes), hashes[0]) == (0, 2, hashes[1])
    assert run("--diff", tree, other).returncode == 0
    (other / "lib/thing.so").unlink()
    done = run("--diff", tree, other)
    assert (done.returncode, done.stdout) == (1, "only in the first: lib/thing.so\n")


def test_what_is_no_tree_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive")
    done = run(tmp_path / "text")
    assert (done.returncode, done.stderr) == (
        1,
        f"treehash: {tmp_path / 'text'} is neither a directory nor an archive\n",
    )
