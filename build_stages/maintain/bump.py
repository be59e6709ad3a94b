"""Looks for newer versions of everything that is compiled, and of the base image's digest, and pins them.

    bump.py [PRODUCT…] [--dry-run] [--mirror FROM=TO]… [--docker CLIENT]

The [upstream] of each source.toml names where its versions are listed. A newer archive is downloaded, and its size and
digests are written to source.toml; each bump is a commit of its own. `base` is the Dockerfile's LAMBDA_BASE, whose
registry docker buildx asks. A line for each names the version found and the server asked. The status is 0 if every pin
is then the newest one, and 1 if something is not known. `make lock` renews Python packages.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tomlkit

import download
import fetch
import git_tree
import recipe
from maintain.upstream import Mirrors, Rule, UnreachableError, numbers, versions

ROOT = Path(__file__).resolve().parents[2]
BASE = "base"
POLICY = download.DownloadPolicy(attempts=1)
REGISTRY_SECONDS = 60


class BumpError(Exception):
    """A newer version that could not be taken; nothing was changed."""


@dataclass(frozen=True)
class Options:
    """The command's options."""

    mirrors: Mirrors
    dry_run: bool
    docker: str


def newest(rule: Rule, mirrors: Mirrors) -> tuple[str, str]:
    """Return the newest version of the rule's series, and a remark about later ones. Raises UnreachableError."""
    listed = versions(rule, mirrors)
    within = [version for version in listed if rule.branch or rule.admits(version)]
    if not within:
        raise UnreachableError(f"{rule.place} lists nothing of series {rule.series}")
    later = f"; {listed[-1]} is there, beyond series {rule.series}" if listed[-1] != within[-1] else ""
    return within[-1], later


def bump(name: str, options: Options) -> str:
    """Pin the newest version of one product; return what was found. Raises UnreachableError and BumpError."""
    path = recipe.source_file(name)
    facts = tomlkit.parse(path.read_text())
    product, rule = recipe.load(name), Rule(**facts["upstream"].unwrap())
    version, remark = newest(rule, options.mirrors)
    if version == product.version:
        return f"{short(version)} is the newest, says {rule.place}{remark}"
    if not rule.branch and numbers(version) < numbers(product.version):
        return f"{product.version} is newer than {version}, the newest of {rule.place}{remark}"
    change = f"{short(product.version)} -> {short(version)}, says {rule.place}{remark}"
    if options.dry_run:
        return change
    try:
        pinned = "\n".join(_repin(facts, product, version, options.mirrors))
    except (BumpError, git_tree.ArchiveError) as error:
        raise BumpError(f"{change}: {error}") from error
    about = f"Found at {rule.place}.\n\n{pinned}"
    _write(path, tomlkit.dumps(facts), f"Bump {name} to {short(version)}", about)
    return change


def _repin(facts: tomlkit.TOMLDocument, product: recipe.Recipe, version: str, mirrors: Mirrors) -> list[str]:
    """Put the version and its archives into the facts; return addresses and digests. Raises BumpError, ArchiveError.

    An archive whose addresses have no version, as Debian's own of a commit, is removed: it is of the former one.
    """
    facts["version"] = version
    if "debian" in facts and facts["debian"]["version"] == product.version:
        facts["debian"]["version"] = version
    pinned: list[str] = []
    for entry, archive in zip(tuple(facts["archive"]), product.archives, strict=True):
        if not any(product.version in url for url in archive.urls):
            facts["archive"].remove(entry)
            continue
        urls = [url.replace(product.version, version) for url in archive.urls]
        with tempfile.TemporaryDirectory() as scratch:
            path = _first(urls, Path(scratch) / recipe.file_name(urls[0]), mirrors)
            renewed = {"size": path.stat().st_size, "digest": fetch.identify(path, archive.digest.partition(":")[0])}
        entry |= {key: value for key, value in renewed.items() if key in entry}
        if "url" in entry:
            entry["url"] = urls.pop(0)
        for place, url in enumerate(urls):
            entry["urls"][place] = url
        pinned += [*urls, str(entry["digest"])]
    if not pinned:
        raise BumpError(f"no archive of {version} has an address")
    return pinned


def _first(urls: Sequence[str], path: Path, mirrors: Mirrors) -> Path:
    """Return the archive from the first address that has it. Raises BumpError, with all reasons."""
    failed = []
    for url in urls:
        try:
            with path.open("wb") as file:
                download.retrieve(mirrors.of(url), file, None, fetch.MAX_ARCHIVE, POLICY)
            if tarfile.is_tarfile(path):
                return path
            failed.append(f"{url} is no archive ({path.stat().st_size} bytes)")
        except download.AddressError as error:
            failed.append(f"{url}: {error}")
    raise BumpError("; ".join(failed))


def bump_base(options: Options) -> str:
    """Pin the digest that the base image's registry has for its tag. Raises UnreachableError and BumpError."""
    path = ROOT / "Dockerfile"
    text = path.read_text()
    pinned: str = re.findall(r"^ARG LAMBDA_BASE=(\S+)$", text, re.MULTILINE)[0]
    tag = pinned.partition("@")[0]
    ask = [options.docker, "buildx", "imagetools", "inspect", "--raw", tag]
    try:
        manifest = subprocess.run(ask, capture_output=True, check=True, timeout=REGISTRY_SECONDS).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        raise UnreachableError(f"its registry does not answer ({said.decode().strip()}); {pinned} stays") from error
    now = f"{tag}@sha256:{hashlib.sha256(manifest).hexdigest()}"
    if now == pinned:
        return f"{pinned} is what the tag names"
    if not options.dry_run:
        renewed = text.replace(f"ARG LAMBDA_BASE={pinned}\n", f"ARG LAMBDA_BASE={now}\n")
        _write(path, renewed, "Bump the base image", f"{tag} names\n{now.partition('@')[2]}")
    return f"{pinned} -> {now}"


def _write(path: Path, text: str, subject: str, body: str) -> None:
    """Replace the file and commit it alone. Raises BumpError for a file with changes of its own, which stay."""
    git = ["git", "-C", str(ROOT)]
    if subprocess.run([*git, "diff", "--quiet", "HEAD", "--", str(path)]).returncode:
        raise BumpError(f"{path.relative_to(ROOT)} has changes that are not committed (or this is no git repository)")
    path.write_text(text)
    command = [*git, "commit", "--quiet", "--message", subject, "--message", body, "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BumpError(f"written, but not committed: {(done.stderr or done.stdout).strip()}")


def short(version: str) -> str:
    """Return the beginning of a commit, and any other version as it is."""
    return version[:8] if re.fullmatch(r"[0-9a-f]{40}", version) else version


def bumpable() -> list[str]:
    """Return the names of all products with a pin of their own, and the base."""
    return [*(name for name in recipe.products() if "of" not in recipe.facts(name)), BASE]


def main() -> int:
    """Look for everything that is asked for, a line each; return the status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("product", nargs="*", metavar="PRODUCT", help=f"of {', '.join(bumpable())}; all by default")
    parser.add_argument("--dry-run", action="store_true", help="look, download nothing, change nothing")
    parser.add_argument("--mirror", action="append", default=[], metavar="FROM=TO", help="ask TO instead of FROM")
    parser.add_argument("--docker", default="docker", metavar="CLIENT", help="the docker client")
    arguments = parser.parse_args()
    if unknown := set(arguments.product) - set(bumpable()):
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(bumpable())}")
    mirrors = Mirrors(dict(mirror.split("=", 1) for mirror in arguments.mirror))
    options = Options(mirrors, arguments.dry_run, arguments.docker)
    status = 0
    for name in arguments.product or bumpable():
        try:
            said = bump_base(options) if name == BASE else bump(name, options)
        except UnreachableError as problem:
            status, said = 1, f"NOT KNOWN: {problem}"
        except BumpError as problem:
            status, said = 1, f"FAILED: {problem}"
        print(f"{name}: {said}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
