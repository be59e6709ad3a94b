"""Archives that are pinned by their git tree: the id is git's, any packing counts, and nothing but files is taken."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import re
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import git_tree

# Names that sort one way as files and another way as directories, an executable, an empty file, no ASCII.
FILES = {
    "a/b": b"1",
    "a.b": b"2",
    "a0": b"3",
    "a-": b"4",
    "deep/er/still/x": b"5",
    "empty": b"",
    "configure": b"#!/bin/sh\n",
    "für": "ü".encode(),
    "a" * 120: b"a name that needs a header of its own",
}
EXECUTABLE = ("configure", "deep/er/still/x")


def git(directory: Path, *arguments: str) -> bytes:
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    environment |= {
        f"GIT_{who}_{what}": "a@example.invalid" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True, env=environment).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if name in EXECUTABLE else 0o644)
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "A tree")
    return root


def member(
    name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    made = tarfile.TarInfo(name)
    made.type, made.size = kind, len(content)
    for key, value in fields.items():
        setattr(made, key, value)
    return made, content


def tar(
    *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT, headers: Mapping[str, str] | None = None
) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, pax_headers=headers or {}) as archive:
        for made, content in members:
            archive.addfile(made, io.BytesIO(content))
    return buffer.getvalue()


def read(tmp_path: Path, content: bytes) -> git_tree.Tree:
    path = tmp_path / "archive"
    path.write_bytes(content)
    return git_tree.read(path)


def packed_otherwise() -> bytes:
    """The same files, from last to first, with other modes, times, owners and headers, without directories."""
    members = [
        member(
            f"other/{name}",
            content=FILES[name],
            mode=0o4775 if name in EXECUTABLE else 0o600,
            mtime=7,
            uid=9,
            uname="me",
        )
        for name in reversed(FILES)
    ]
    return tar(*members, form=tarfile.GNU_FORMAT)


def test_the_id_is_the_one_that_git_has(repository: Path, tmp_path: Path) -> None:
    wanted = git(repository, "write-tree").decode().strip()
    for form in ("tar", "tar.gz"):
        archive = git(repository, "archive", "--prefix=x-1/", f"--format={form}", "HEAD")
        assert git_tree.tree_id(read(tmp_path, archive)) == wanted, form
    assert git_tree.tree_id(read(tmp_path, packed_otherwise())) == wanted


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_any_compression_is_the_same_tree_and_packs_to_the_same_bytes(
    repository: Path, tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    archive = git(repository, "archive", "--prefix=x-1/", "HEAD")
    git_tree.pack(read(tmp_path, compress(archive)), "x-1", tmp_path / "one.tar")
    git_tree.pack(read(tmp_path, compress(packed_otherwise())), "x-1", tmp_path / "other.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


def test_what_is_packed_is_the_tree_without_accidents(tmp_path: Path) -> None:
    tree = read(tmp_path, packed_otherwise())
    git_tree.pack(tree, "x-1", tmp_path / "packed.tar")
    assert git_tree.read(tmp_path / "packed.tar") == tree
    with tarfile.open(tmp_path / "packed.tar") as archive:
        members = archive.getmembers()
    assert [found.name.split("/")[0] for found in members] == ["x-1"] * len(members)
    assert {(found.mtime, found.uid, found.gid, found.uname) for found in members} == {(0, 0, 0, "")}
    modes = {found.name.removeprefix("x-1/"): found.mode for found in members if found.isfile()}
    assert modes == {name: 0o755 if name in EXECUTABLE else 0o644 for name in FILES}


def test_directories_without_files_are_as_little_there_as_for_git(tmp_path: Path) -> None:
    full, empty = (
        member("x/f", content=b"f"),
        [member(name, tarfile.DIRTYPE) for name in ("x", "x/empty", "x/empty/too")],
    )
    assert read(tmp_path, tar(*empty, full)) == read(tmp_path, tar(full))


NO_FILE = "is not a plain file"
REFUSED = {
    "symbolic link": ([member("x/l", tarfile.SYMTYPE, linkname="f")], f"'x/l' {NO_FILE}"),
    "link to outside": ([member("x/l", tarfile.SYMTYPE, linkname="/etc/passwd")], f"'x/l' {NO_FILE}"),
    "hard link": ([member("x/h", tarfile.LNKTYPE, linkname="x/f")], f"'x/h' {NO_FILE}"),
    "character device": ([member("x/d", tarfile.CHRTYPE)], f"'x/d' {NO_FILE}"),
    "block device": ([member("x/d", tarfile.BLKTYPE)], f"'x/d' {NO_FILE}"),
    "fifo": ([member("x/p", tarfile.FIFOTYPE)], f"'x/p' {NO_FILE}"),
    "unknown type": ([member("x/u", b"Z")], f"'x/u' {NO_FILE}"),
    "sparse file": ([member("x/s", tarfile.GNUTYPE_SPARSE)], "x/s"),
    "beside the top": ([member("y")], f"'y' {NO_FILE}"),
    "parent": ([member("x/../../etc/passwd")], r"'x/\.\./\.\./etc/passwd' is no plain path"),
    "only a parent": ([member("..", tarfile.DIRTYPE)], r"'\.\.' is no plain path"),
    "absolute": ([member("/etc/passwd")], "'/etc/passwd' is no plain path"),
    "empty": ([member("")], "'' is no plain path"),
    "here": ([member("x/./f")], r"'x/\./f' is no plain path"),
    "two slashes": ([member("x//f")], "'x//f' is no plain path"),
    "zero byte": ([member("x/f", pax_headers={"path": "x/f\0g"})], "x/f"),
    "too deep": ([member("x/" + "d/" * 100 + "f")], "is no plain path"),
    "control characters": ([member("x/\x1b[2J", tarfile.FIFOTYPE)], re.escape(r"'x/\x1b[2J' ") + NO_FILE),
}


@pytest.mark.parametrize("case", REFUSED)
def test_members_that_are_no_plain_files_are_refused_by_name(case: str, tmp_path: Path) -> None:
    members, reason = REFUSED[case]
    with pytest.raises(git_tree.ArchiveError, match=reason):
        read(tmp_path, tar(member("x/f", content=b"f"), *members))


@pytest.mark.parametrize(
    "odd",
    [
        [member("x/a0", content=b"other"), member("x/a0/h")],
        [member("x/a0/h"), member("x/a0", content=b"3")],
        [member("y/f")],
        [member("x/a0", content=b"other")],
    ],
)
def test_what_else_is_in_an_archive_shows_in_its_id(
    odd: list[tuple[tarfile.TarInfo, bytes]], repository: Path, tmp_path: Path
) -> None:
    files = [member(f"x/{name}", content=FILES[name], mode=0o755 if name in EXECUTABLE else 0o644) for name in FILES]
    wanted = git(repository, "write-tree").decode().strip()
    assert git_tree.tree_id(read(tmp_path, tar(*files))) == wanted
    assert git_tree.tree_id(read(tmp_path, tar(*files, *odd))) != wanted


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_bomb_is_left_before_it_is_unpacked(
    compress: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_tree, "MAX_UNPACKED", 100_000)
    bomb = compress(tar(member("x/zeros", content=bytes(1_000_000))))
    assert len(bomb) < 2000
    with pytest.raises(git_tree.ArchiveError, match="larger than 100000 bytes unpacked"):
        read(tmp_path, bomb)
    header = member("x/f", pax_headers={"comment": "x" * 1_000_000})
    with pytest.raises(git_tree.ArchiveError, match="larger than 100000 bytes unpacked"):
        read(tmp_path, compress(tar(header)))


def outcome(tmp_path: Path, content: bytes) -> str:
    """Any other exception than ArchiveError would end the build instead of leading to the next address."""
    try:
        return git_tree.tree_id(read(tmp_path, content))
    except git_tree.ArchiveError as error:
        return str(error)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_that_is_cut_is_damaged_or_another_tree(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    whole = compress(packed_otherwise())
    tree = outcome(tmp_path, whole)
    assert len(tree) == 40
    for cut in range(0, len(whole) // 2, 23):
        assert outcome(tmp_path, whole[:cut]) != tree, cut


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_harm_to_any_byte_is_found_or_does_none(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    whole = compress(packed_otherwise())
    chance = random.Random(15)  # noqa: S311
    for _ in range(100):
        harmed = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            harmed[chance.randrange(len(harmed))] = chance.randrange(256)
        assert outcome(tmp_path, bytes(harmed))
