"""make bump: the program of the tree, in a git repository of its own, against an upstream on the loopback interface."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.build.upstreamserver import Upstream, serve

ROOT = Path(__file__).resolve().parents[3]
DAV1D = "https://downloads.videolan.org/pub/videolan/dav1d/"
FFMPEG = "https://ffmpeg.org/releases/"
X264 = "https://code.videolan.org/videolan/"
GITHUB = "https://github.com/mirror/"


@dataclass(frozen=True)
class Tree:
    """A repository with the build's facts and programs alone."""

    root: Path
    environment: dict[str, str]

    def bump(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Every address that no mirror is named for leads to nobody."""
        nowhere = ["--mirror", f"https://={nobody()}"]
        command = [sys.executable, "-m", "maintain.bump", *arguments, *nowhere]
        environment = self.environment | {"PYTHONPATH": str(self.root / "build_stages")}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=self.environment).stdout

    def text(self, product: str) -> str:
        return (self.root / f"build_stages/{product}/source.toml").read_text()

    def facts(self, product: str) -> dict[str, Any]:
        return tomllib.loads(self.text(product))

    def subjects(self) -> list[str]:
        return self.git("log", "--format=%s").splitlines()[:-1]

    def changed_lines(self) -> list[str]:
        """Of the last commit."""
        shown = self.git("show", "--format=", "--unified=0").splitlines()
        return [line for line in shown if line[:1] in "+-" and not line.startswith(("+++", "---"))]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    root = tmp_path / "tree"
    for path in [*ROOT.glob("build_stages/**/*.py"), *ROOT.glob("build_stages/**/source.toml"), ROOT / "Dockerfile"]:
        copy = root / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(str(shutil.which("git")))
    person = {
        f"GIT_{role}_{part}": "tester@example.invalid" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
    }
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    made = Tree(root, {"PATH": str(programs), "HOME": str(tmp_path), "no_proxy": "*", **person, **quiet})
    made.git("init", "--quiet")
    made.git("add", ".")
    made.git("commit", "--quiet", "--message", "The tree")
    return made


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    (tmp_path / "upstream").mkdir()
    with serve(tmp_path / "upstream") as serving:
        yield serving


def archive(name: str, compression: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as packed:  # type: ignore[call-overload]
        entry = tarfile.TarInfo(f"{name}/COPYING")
        entry.size = len(name)
        packed.addfile(entry, io.BytesIO(name.encode()))
    return buffer.getvalue()


def release_dav1d(upstream: Upstream, version: str) -> bytes:
    return upstream.put(f"dav1d/{version}/dav1d-{version}.tar.xz", archive(f"dav1d-{version}", "xz"))


def nobody() -> str:
    """An address of this machine where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/"


def test_a_newer_release_is_pinned_with_its_size_and_digest_in_one_commit(tree: Tree, upstream: Upstream) -> None:
    release_dav1d(upstream, "1.5.4")
    content = release_dav1d(upstream, "1.5.10")
    release_dav1d(upstream, "1.5.9")
    done = tree.bump("dav1d", "--mirror", f"{DAV1D}={upstream.url}/dav1d/")
    assert (done.returncode, done.stdout) == (0, f"dav1d: 1.5.4 -> 1.5.10, says {DAV1D}\n")
    digest = hashlib.sha256(content).hexdigest()
    added = [
        '+version = "1.5.10"',
        '+debian = { source = "dav1d", version = "1.5.10" }',
        f'+    "{DAV1D}1.5.10/dav1d-1.5.10.tar.xz",',
        f'+    "{DAV1D.replace("downloads", "download")}1.5.10/dav1d-1.5.10.tar.xz",',
        f"+size = {len(content)}",
        f'+digest = "sha256:{digest}"',
    ]
    changed = tree.changed_lines()
    assert [line for line in changed if line[0] == "+"] == added
    assert len(changed) == 2 * len(added)
    assert tree.subjects() == ["Bump dav1d to 1.5.10"]
    assert digest in tree.git("log", "-1", "--format=%b")
    assert tree.git("status", "--porcelain") == ""


def test_what_is_pinned_anew_is_what_fetch_takes(tree: Tree, upstream: Upstream, tmp_path: Path) -> None:
    release_dav1d(upstream, "1.6.0")
    assert tree.bump("dav1d", "--mirror", f"{DAV1D}={upstream.url}/dav1d/").returncode == 0
    kept = tmp_path / "cache/dav1d-1.6.0.tar.xz"
    kept.parent.mkdir()
    shutil.copyfile(upstream.root / "dav1d/1.6.0/dav1d-1.6.0.tar.xz", kept)
    command = [sys.executable, str(tree.root / "build_stages/fetch.py"), "dav1d", str(tmp_path / "source")]
    done = subprocess.run([*command, "--cache", str(kept.parent)], capture_output=True, text=True, env=tree.environment)
    assert (done.returncode, "from the cache" in done.stdout) == (0, True), done.stderr


def test_the_newest_stays_and_nothing_is_downloaded(tree: Tree, upstream: Upstream) -> None:
    release_dav1d(upstream, "1.5.4")
    release_dav1d(upstream, "1.4.9")
    done = tree.bump("dav1d", "--mirror", f"{DAV1D}={upstream.url}/dav1d/")
    assert (done.returncode, done.stdout) == (0, f"dav1d: 1.5.4 is the newest, says {DAV1D}\n")
    assert upstream.asked == ["/dav1d/"]
    assert tree.subjects() == []


def test_each_bump_is_a_commit_of_its_own(tree: Tree, upstream: Upstream) -> None:
    release_dav1d(upstream, "1.6.0")
    upstream.put("ffmpeg/ffmpeg-9.0.3.tar.xz", archive("ffmpeg-9.0.3", "xz"))
    mirrors = ["--mirror", f"{DAV1D}={upstream.url}/dav1d/", "--mirror", f"{FFMPEG}={upstream.url}/ffmpeg/"]
    assert tree.bump("dav1d", "ffmpeg", *mirrors).returncode == 0
    assert tree.subjects() == ["Bump ffmpeg to 9.0.3", "Bump dav1d to 1.6.0"]
    assert tree.git("show", "--format=", "--name-only").split() == ["build_stages/ffmpeg/source.toml"]
    assert "# 9.0.2 or later: it has fixes that earlier releases lack. " in tree.text("ffmpeg")


def test_candidates_are_no_releases_and_other_series_are_told_of_but_not_taken(tree: Tree, upstream: Upstream) -> None:
    for name in ("ffmpeg-9.0.2.tar.xz", "ffmpeg-9.0.3-rc1.tar.xz", "ffmpeg-9.0.9.tar.gz", "ffmpeg-9.1.tar.xz", "x.asc"):
        upstream.put(f"ffmpeg/{name}", b"")
    done = tree.bump("ffmpeg", "--mirror", f"{FFMPEG}={upstream.url}/ffmpeg/")
    assert done.returncode == 0
    assert done.stdout == f"ffmpeg: 9.0.2 is the newest, says {FFMPEG}; 9.1 is there, beyond series 9.0\n"


def test_a_dry_run_changes_and_downloads_nothing(tree: Tree, upstream: Upstream) -> None:
    release_dav1d(upstream, "1.6.0")
    done = tree.bump("dav1d", "--mirror", f"{DAV1D}={upstream.url}/dav1d/", "--dry-run")
    assert "1.5.4 -> 1.6.0" in done.stdout
    assert tree.subjects() == []
    assert tree.git("status", "--porcelain") == ""
    assert "/dav1d/1.6.0/dav1d-1.6.0.tar.xz" not in upstream.asked


@dataclass(frozen=True)
class Encoder:
    """A repository of x264, and what its hosts make of a commit."""

    repository: Path
    commit: str
    tree: str

    @property
    def mirror(self) -> list[str]:
        return ["--mirror", f"{X264}x264.git=file://{self.repository}"]

    def packed(self, form: str) -> bytes:
        command = ["git", "-C", str(self.repository), "archive", f"--prefix=x264-{self.commit}/", f"--format={form}"]
        return subprocess.run([*command, "HEAD"], capture_output=True, check=True).stdout


@pytest.fixture
def encoder(tree: Tree, tmp_path: Path) -> Encoder:
    repository = tmp_path / "x264.git"
    other = Tree(repository, tree.environment)
    repository.mkdir()
    other.git("init", "--quiet", "--initial-branch", "stable")
    (repository / "configure").write_text("#!/bin/sh\n")
    (repository / "configure").chmod(0o755)
    (repository / "COPYING").write_text("GPL")
    other.git("add", ".")
    other.git("commit", "--quiet", "--message", "An encoder")
    return Encoder(repository, *other.git("rev-parse", "HEAD", "HEAD^{tree}").split())


@pytest.mark.parametrize("host", ["gitlab", "github"])
def test_a_commit_is_pinned_by_the_tree_of_whichever_archive_of_it_is_to_be_had(
    tree: Tree, upstream: Upstream, encoder: Encoder, tmp_path: Path, host: str
) -> None:
    commit, before = encoder.commit, tree.facts("x264")
    if host == "gitlab":
        content = upstream.put(f"videolan/x264/-/archive/{commit}/x264-{commit}.tar.gz", encoder.packed("tar.gz"))
    else:
        content = upstream.put(f"github/x264/archive/{commit}.tar.gz", encoder.packed("tar.gz"))
    mirrors = [f"{X264}={upstream.url}/videolan/", f"{GITHUB}={upstream.url}/github/"]
    done = tree.bump("x264", *encoder.mirror, *(word for mirror in mirrors for word in ("--mirror", mirror)))
    assert done.returncode == 0, done.stdout + done.stderr
    facts = tree.facts("x264")
    assert facts["version"] == commit
    urls = [url.replace(before["version"], commit) for url in before["archive"][0]["urls"]]
    assert facts["archive"] == [{"urls": urls, "digest": f"git-tree:{encoder.tree}"}]  # Debian has not this commit
    assert tree.subjects() == [f"Bump x264 to {commit[:8]}"]
    assert tree.bump("x264", *encoder.mirror).stdout.startswith(f"x264: {commit[:8]} is the newest")
    kept = tmp_path / f"cache/{urls[0].rpartition('/')[2]}"
    kept.parent.mkdir()
    kept.write_bytes(content)
    command = [sys.executable, str(tree.root / "build_stages/fetch.py"), "x264", str(tmp_path / "source")]
    fetched = subprocess.run(
        [*command, "--cache", str(kept.parent)], capture_output=True, text=True, env=tree.environment
    )
    assert (fetched.returncode, "from the cache" in fetched.stdout) == (0, True), fetched.stderr


@pytest.mark.parametrize("harm", ["link", "page", "missing"])
def test_a_commit_whose_archive_is_not_to_be_trusted_is_not_pinned(
    tree: Tree, upstream: Upstream, encoder: Encoder, harm: str
) -> None:
    if harm != "missing":
        (encoder.repository / "link").symlink_to("COPYING")
        Tree(encoder.repository, tree.environment).git("add", "link")
        Tree(encoder.repository, tree.environment).git("commit", "--quiet", "--message", "A link")
        content = encoder.packed("tar.gz") if harm == "link" else b"<html>Making sure you're not a bot!</html>"
        commit = Tree(encoder.repository, tree.environment).git("rev-parse", "HEAD").strip()
        upstream.put(f"videolan/x264/-/archive/{commit}/x264-{commit}.tar.bz2", content)
    before = tree.text("x264")
    done = tree.bump("x264", *encoder.mirror, "--mirror", f"{X264}={upstream.url}/videolan/")
    assert (done.returncode, done.stdout.startswith("x264: FAILED: ")) == (1, True), done.stdout
    assert {"link": "is not a plain file", "page": "an HTML page", "missing": "HTTP 404"}[harm] in done.stdout
    assert (tree.text("x264"), tree.subjects()) == (before, [])


@pytest.mark.parametrize("harm", ["page", "text", "short", "missing"])
def test_what_is_no_whole_archive_is_not_pinned(tree: Tree, upstream: Upstream, harm: str) -> None:
    release_dav1d(upstream, "1.6.0")
    path = "dav1d/1.6.0/dav1d-1.6.0.tar.xz"
    if harm == "page":
        upstream.put(path, b"<html>Please log in</html>")
    elif harm == "text":
        upstream.put(path, b"Please log in")
    elif harm == "short":
        upstream.truncated.add(f"/{path}")
    else:
        (upstream.root / path).unlink()
    before = tree.text("dav1d")
    done = tree.bump("dav1d", "--mirror", f"{DAV1D}={upstream.url}/dav1d/")
    assert (done.returncode, done.stdout.startswith("dav1d: FAILED: ")) == (1, True), done.stdout
    assert {"page": "an HTML page", "text": "is no archive", "short": "bytes early", "missing": "HTTP 404"}[
        harm
    ] in done.stdout
    assert (tree.text("dav1d"), tree.subjects()) == (before, [])


def test_a_file_with_changes_of_its_own_is_left_alone(tree: Tree, upstream: Upstream) -> None:
    release_dav1d(upstream, "1.6.0")
    path = tree.root / "build_stages/dav1d/source.toml"
    path.write_text("# mine\n" + path.read_text())
    done = tree.bump("dav1d", "--mirror", f"{DAV1D}={upstream.url}/dav1d/")
    assert (done.returncode, "changes that are not committed" in done.stdout) == (1, True), done.stdout
    assert (tree.facts("dav1d")["version"], tree.subjects()) == ("1.5.4", [])


def test_who_does_not_answer_is_named(tree: Tree) -> None:
    done = tree.bump("--mirror", f"https://={nobody()}")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        *(
            "cpython",
            "dav1d",
            "fdk-aac",
            "ffmpeg",
            "lame",
            "nasm",
            "ogg",
            "opus",
            "theora",
            "vorbis",
            "vpx",
            "x264",
            "xvid",
        ),
        "base",
    ]
    for line in lines:
        assert "NOT KNOWN" in line
        assert "https://" in line or "its registry does not answer" in line
    assert (tree.subjects(), tree.git("status", "--porcelain")) == ([], "")


def stub_docker(tree: Tree, script: str) -> None:
    """A docker client of this script. What buildx says of a real registry is its own affair."""
    docker = Path(tree.environment["PATH"]) / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)


def test_the_base_image_is_pinned_by_the_digest_of_its_tag(tree: Tree) -> None:
    manifest = '{"mediaType": "application/vnd.oci.image.index.v1+json"}'
    tag = "public.ecr.aws/lambda/python:3.13"
    stub_docker(tree, f'[ "$*" = "buildx imagetools inspect --raw {tag}" ] && printf %s \'{manifest}\'')
    done = tree.bump("base")
    pinned = f"{tag}@sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"
    assert (done.returncode, done.stdout.endswith(f" -> {pinned}\n")) == (0, True), done.stdout
    assert tree.changed_lines()[1] == f"+ARG LAMBDA_BASE={pinned}"
    assert tree.subjects() == ["Bump the base image"]
    assert tree.bump("base").stdout == f"base: {pinned} is what the tag names\n"


@pytest.mark.parametrize("script", ["echo 'ERROR: not found' >&2; exit 1", ""])
def test_a_tag_that_the_registry_does_not_have_leaves_the_base_as_it_is(tree: Tree, script: str) -> None:
    if script:
        stub_docker(tree, script)
    done = tree.bump("base")
    assert (done.returncode, "ERROR: not found" in done.stdout or "No such file" in done.stdout) == (1, True)
    assert tree.subjects() == []
