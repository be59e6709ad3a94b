"""Looks for newer versions of everything that is compiled, and of the base image's digest, and pins them.

    bump.py [PRODUCT…] [--dry-run] [--no-commit] [--mirror FROM=TO]…

The [upstream] of each source.toml names where its versions are listed; if that does not answer, Debian's index of
sources is asked, whose archives are upstream's own. A newer archive is downloaded, and its size and digests are written
to source.toml; each bump is a commit of its own. `base` is the Dockerfile's LAMBDA_BASE. A line for each names the
version found and the server asked. The status is 0 if every pin is then the newest one, and 1 if something is not
known. `make lock` renews Python packages.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

import download
import fetch
import git_tree
import recipe
from maintain import base_image, pins
from maintain.upstream import Mirrors, Rule, UnreachableError, numbers, versions

ROOT = Path(__file__).resolve().parents[2]
BASE = "base"
Apt: TypeAlias = Callable[[], fetch.AptSources]  # which fetches Debian's index when it is first called
POLICY = download.DownloadPolicy(attempts=1)


class BumpError(Exception):
    """A newer version that could not be taken; nothing was changed."""


@dataclass(frozen=True)
class Found:
    """The newest version within the rule's series, where it was found, and a remark for the line about it."""

    version: str
    place: str
    remark: str = ""
    release: str | None = None  # of Debian, where its archive is to be had and upstream's is not


@dataclass(frozen=True)
class Options:
    """The command's options."""

    mirrors: Mirrors
    dry_run: bool
    commit: bool


def newest(product: recipe.Recipe, rule: Rule, mirrors: Mirrors, apt: Apt) -> Found:
    """Return the newest version. Raises UnreachableError if neither upstream nor Debian lists any."""
    try:
        listed = versions(rule, mirrors)
    except UnreachableError as silence:
        return _newest_of_debian(product, rule, apt, str(silence))
    if rule.branch:
        return Found(listed[-1], rule.place)
    within = [version for version in listed if rule.admits(version)]
    if not within:
        raise UnreachableError(f"{rule.place} lists nothing of series {rule.series}")
    later = f"; {listed[-1]} is there, beyond series {rule.series}" if listed[-1] != within[-1] else ""
    return Found(within[-1], rule.place, later)


def _newest_of_debian(product: recipe.Recipe, rule: Rule, apt: Apt, silence: str) -> Found:
    said = f"upstream does not answer ({silence})"
    if product.debian is None:
        raise UnreachableError(said)
    try:
        listed = {fetch.upstream_version(release): release for release in apt().releases(product.debian.source)}
    except fetch.FetchError as error:
        raise UnreachableError(f"{said}, nor does Debian ({error})") from error
    if rule.branch:
        others = ", ".join(version for version in listed if version != product.debian.version)
        raise UnreachableError(f"{said}; Debian has {others or 'the same'}, but only upstream tells whole commits")
    numbered = [v for v in listed if re.fullmatch(r"\d+(?:\.\d+)+", v) and rule.admits(v)]
    if not numbered:
        raise UnreachableError(f"{said}; Debian has nothing of series {rule.series}")
    best = max(numbered, key=numbers)
    return Found(best, f"Debian's {product.debian.source} {listed[best]}", f"; {said}", listed[best])


def bump(name: str, options: Options, apt: Apt) -> str:
    """Pin the newest version of one product; return what was found. Raises UnreachableError and BumpError."""
    path = recipe.source_file(name)
    text = path.read_text()
    product, rule = recipe.load(name), Rule(**tomllib.loads(text)["upstream"])
    found = newest(product, rule, options.mirrors, apt)
    if found.version == product.version:
        return f"{short(product.version)} is the newest, says {found.place}{found.remark}"
    if not rule.branch and numbers(found.version) < numbers(product.version):
        return f"{product.version} is newer than {found.version}, the newest of {found.place}{found.remark}"
    change = f"{short(product.version)} -> {short(found.version)}, says {found.place}{found.remark}"
    if options.dry_run:
        return change
    try:
        archives = [_renewed(archive, product, found, options.mirrors, apt) for archive in product.archives]
        if not any(archives):
            raise BumpError(f"no archive of {found.version} has an address")
        debian_name = found.version if product.debian and not rule.branch else None
        renewed = pins.rewrite(text, found.version, debian_name, archives)
    except (BumpError, fetch.FetchError, git_tree.ArchiveError, pins.PinError) as error:
        raise BumpError(f"{change}: {error}") from error
    pinned = "\n".join("\n".join([*archive.urls, archive.digest]) for archive in archives if archive)
    _write(path, renewed, f"Bump {name} to {short(found.version)}", f"Found at {found.place}.\n\n{pinned}", options)
    return change


def _renewed(
    archive: recipe.Archive, product: recipe.Recipe, found: Found, mirrors: Mirrors, apt: Apt
) -> recipe.Archive | None:
    """Return the same archive of the other version; None if it has no address, as Debian's own of a commit."""
    if not any(product.version in url for url in archive.urls):
        return None
    urls = tuple(url.replace(product.version, found.version) for url in archive.urls)
    name = recipe.file_name(urls[0])
    with tempfile.TemporaryDirectory() as scratch:
        if product.debian and found.release:
            paths = apt().archives(product.debian.source, found.release)
            if not paths:  # mirrors lag
                raise BumpError(f"Debian's mirror lists {product.debian.source} {found.release} without its archive")
            path = paths[0]
            if path.suffix != Path(name).suffix:
                raise BumpError(f"Debian has {path.name}, which is not upstream's {name}")
        else:
            path = _first(urls, Path(scratch) / name, mirrors)
        digest = fetch.identify(path, archive.digest.partition(":")[0])
        return replace(archive, urls=urls, name=name, size=path.stat().st_size, digest=digest)


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
    pinned = base_image.parse(re.findall(r"^ARG LAMBDA_BASE=(\S+)$", text, re.MULTILINE)[0])
    try:
        now = replace(pinned, digest=base_image.digest(pinned, options.mirrors))
    except UnreachableError as error:
        state = "stays at its digest" if pinned.digest else "is not pinned by digest"
        raise UnreachableError(f"its registry does not answer ({error}); {pinned} {state}") from error
    if now == pinned:
        return f"{pinned} is what the tag names"
    if not options.dry_run:
        renewed = text.replace(f"ARG LAMBDA_BASE={pinned}\n", f"ARG LAMBDA_BASE={now}\n")
        _write(path, renewed, "Bump the base image", f"{now.host} has for {now.name}:{now.tag}\n{now.digest}", options)
    return f"{pinned} -> {now}"


def _write(path: Path, text: str, subject: str, body: str, options: Options) -> None:
    """Replace the file and commit it alone. Raises BumpError for a file with changes of its own, which stay."""
    git = ["git", "-C", str(ROOT)]
    if options.commit and subprocess.run([*git, "diff", "--quiet", "HEAD", "--", str(path)]).returncode:
        raise BumpError(f"{path.relative_to(ROOT)} has changes that are not committed (or this is no git repository)")
    path.write_text(text)
    if options.commit:
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
    parser.add_argument("--no-commit", action="store_true", help="change the files, commit nothing")
    parser.add_argument("--mirror", action="append", default=[], metavar="FROM=TO", help="ask TO instead of FROM")
    arguments = parser.parse_args()
    if unknown := set(arguments.product) - set(bumpable()):
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(bumpable())}")
    mirrors = Mirrors(dict(mirror.split("=", 1) for mirror in arguments.mirror))
    options = Options(mirrors, arguments.dry_run, not arguments.no_commit)
    status = 0
    with tempfile.TemporaryDirectory() as scratch:
        apt = cache(lambda: fetch.AptSources(Path(scratch)))
        for name in arguments.product or bumpable():
            try:
                said = bump_base(options) if name == BASE else bump(name, options, apt)
            except UnreachableError as problem:
                status, said = 1, f"NOT KNOWN: {problem}"
            except BumpError as problem:
                status, said = 1, f"FAILED: {problem}"
            print(f"{name}: {said}", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
