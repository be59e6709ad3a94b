"""Fetches the pinned source archive of one product and proves that it is the pinned one.

    fetch.py PRODUCT DIRECTORY [--cache DIRECTORY]…

Tried in this order: each cache, each address, and on a Debian base the same package's source through apt (signed by
Debian). An archive counts only if the digest of its bytes, or the git tree of its files, is a pinned one. One
exception, for stand-in builds alone: where Debian no longer has the pinned release, another patch release of the same
series is taken as apt verified it, and said so. DIRECTORY receives the archive as `source.tar` (of a pinned tree: its
files, packed so that the bytes are the same whoever served it) and a line about its origin as `origin`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import download
import git_tree
import recipe

MAX_ARCHIVE = 64 << 20  # bytes, of an archive whose size is not pinned
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class FetchError(Exception):
    """No way to the source led to a pinned archive."""


@dataclass(frozen=True)
class Source:
    """An archive on this machine, the pin that it fulfils (None: a stand-in for it), and its origin."""

    path: Path
    pin: recipe.Archive | None
    origin: str


def fetch(product: recipe.Recipe, caches: list[Path], policy: download.DownloadPolicy | None = None) -> Source:
    """Return the archive, from the first cache that has it; from elsewhere it is put into the first cache."""
    for cache in caches:
        for archive in product.archives:
            for name in archive.names:
                path = cache / name
                if path.is_file() and is_pinned(path, archive):
                    return Source(path, archive, f"{name} from the cache, {archive.digest}")
    tried: list[str] = []
    for archive in product.archives:
        for url in archive.urls:
            try:
                path = from_address(archive, url, caches[0], policy or download.DownloadPolicy())
                return Source(path, archive, f"{url}, {archive.digest}")
            except download.AddressError as error:
                tried.append(f"{url}: {error}")
                print(f"fetch: {tried[-1]}", file=sys.stderr)
    if product.debian and shutil.which("apt-get"):
        try:
            return from_debian(product, product.debian, caches[0])
        except (FetchError, OSError) as error:
            tried.append(f"Debian's source package {product.debian.source}: {error}")
    failure = f"{product.product} {product.version} is not to be had:"
    raise FetchError("\n  ".join([failure, *tried, *_remedies(product, tried)]))


def _remedies(product: recipe.Recipe, tried: Iterable[str]) -> list[str]:
    names = " or ".join(dict.fromkeys(name for archive in product.archives for name in archive.names))
    remedies = [
        f"Without these: put the archive ({names}) into a folder DIR of this machine, and build with `make image"
        " SOURCES=DIR`, or with `docker build --build-context sources=DIR`."
    ]
    if any("certificate" in line for line in tried):
        remedies.append(
            "Behind a proxy that inspects TLS, name its CA bundle: `SSL_CERT_FILE=FILE make image`, or `docker build"
            " --secret id=ca,src=FILE`."
        )
    return remedies


def identify(path: Path, algorithm: str) -> str:
    """Return the file's digest as a pin has it: "sha256:…", "git-tree:…". Raises git_tree.ArchiveError."""
    if algorithm == "git-tree":
        return f"git-tree:{git_tree.tree_id(git_tree.read(path))}"
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def mismatch(path: Path, archive: recipe.Archive) -> str:
    """Return why the file is not the pinned archive; an empty string if it is."""
    if archive.size not in (None, path.stat().st_size):
        return f"{path.stat().st_size} bytes instead of the {archive.size} that are pinned"
    try:
        found = identify(path, archive.digest.partition(":")[0])
    except git_tree.ArchiveError as error:
        return str(error)
    return "" if found == archive.digest else f"it is {found}, not the pinned {archive.digest}"


def is_pinned(path: Path, archive: recipe.Archive) -> bool:
    """Return True if the file is the pinned archive."""
    return not mismatch(path, archive)


def from_address(archive: recipe.Archive, url: str, into: Path, policy: download.DownloadPolicy) -> Path:
    """Download to a temporary name; rename the archive once it is proved. Raises AddressError."""
    with tempfile.NamedTemporaryFile(dir=into, prefix=".partial-", delete=False) as partial:
        try:
            download.retrieve(url, partial, archive.size, MAX_ARCHIVE, policy)
            partial.close()
            if reason := mismatch(Path(partial.name), archive):
                raise download.AddressError(reason)
            return Path(partial.name).rename(into / recipe.file_name(url))
        finally:
            Path(partial.name).unlink(missing_ok=True)


def deliver(source: Source, product: recipe.Recipe, directory: Path) -> None:
    """Write `source.tar` and `origin`."""
    if source.pin and source.pin.tree:
        git_tree.pack(git_tree.read(source.path), f"{product.product}-{product.version}", directory / "source.tar")
    else:
        shutil.copyfile(source.path, directory / "source.tar")
    (directory / "origin").write_text(f"{source.origin}\n")


def from_debian(product: recipe.Recipe, debian: recipe.Debian, into: Path) -> Source:
    """Return the upstream archive in a Debian source package: the pinned release, else the newest of its series.

    Raises FetchError if apt is missing or fails, or has neither.
    """
    with tempfile.TemporaryDirectory() as scratch:
        options = _apt_options(Path(scratch))
        run(["apt-get", *options, "update", "--quiet"])
        listed = run(["apt-cache", *options, "showsrc", "--only-source", debian.source])
        releases = re.findall(r"^Version: (\S+)$", listed, re.MULTILINE)
        upstream = {release: re.sub(r"^\d+:|-[^-]*$", "", release) for release in releases}
        series = debian.version.rpartition(".")[0] + "."
        wanted = [r for r in releases if upstream[r] == debian.version]
        wanted += sorted((r for r in releases if r not in wanted and upstream[r].startswith(series)), reverse=True)
        for release in wanted:
            command = ["apt-get", *options, "source", "--download-only", "--tar-only", f"{debian.source}={release}"]
            subprocess.run(command, cwd=scratch, capture_output=True, check=False)  # mirrors lag: it may not be there
            found = Path(scratch).glob(f"{debian.source}_{upstream[release]}.orig.tar.*")
            for path in (path for path in found if path.suffix != ".asc"):
                pin = next((archive for archive in product.archives if is_pinned(path, archive)), None)
                if pin:
                    origin = f"Debian {debian.source} {release}, {pin.digest}"
                    return Source(Path(shutil.move(path, into / pin.name)), pin, origin)
                if os.environ.get("HWANG_STAND_IN"):
                    origin = f"Debian {debian.source} {release}, NOT the pinned {debian.version} (stand-in build)"
                    return Source(Path(shutil.move(path, into / path.name)), None, origin)
        listed = ", ".join(releases) or "no release"
        raise FetchError(f"it has {listed}; nothing of it is the pinned archive")


def _apt_options(scratch: Path) -> list[str]:
    """Return options for apt to know sources of the system's own mirror alone: of its own suite and of sid."""
    try:
        own_suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
        index = re.search(rf"'(\S+)/dists/{own_suite}/InRelease'", run(["apt-get", "--print-uris", "update"]))
    except (OSError, KeyError) as error:
        raise FetchError(f"no apt here ({error})") from error
    if index is None:
        raise FetchError(f"apt knows no mirror of {own_suite}")
    lines = [f"deb-src [signed-by={DEBIAN_KEYRING}] {index[1]} {suite} main non-free\n" for suite in (own_suite, "sid")]
    (scratch / "sources.list").write_text("".join(lines))
    (scratch / "lists/partial").mkdir(parents=True)
    return [
        f"-oDir::Etc::sourcelist={scratch}/sources.list",
        "-oDir::Etc::sourceparts=/dev/null",
        f"-oDir::State::lists={scratch}/lists",
        "-oAPT::Sandbox::User=root",
        "-oAcquire::Retries=3",
        "-oAcquire::Check-Valid-Until=false",  # a mirror may lag behind; the digest decides
    ]


def run(command: list[str]) -> str:
    """Return a program's output. Raises FetchError, with the end of its messages, if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FetchError(f"{command[0]} failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def main() -> None:
    """Fetch a product and write its source and origin, or end with the reasons why there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("product", choices=list(recipe.products()))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cache", type=Path, action="append", help="where archives are kept; the first is written to")
    arguments = parser.parse_args()
    caches = arguments.cache or [arguments.directory]
    for directory in (arguments.directory, caches[0]):
        directory.mkdir(parents=True, exist_ok=True)
    product = recipe.load(arguments.product)
    try:
        source = fetch(product, caches)
    except (FetchError, download.StorageError, OSError) as error:
        sys.exit(f"fetch: {error}")
    deliver(source, product, arguments.directory)
    print(f"fetch: {arguments.product}: {source.origin}")


if __name__ == "__main__":
    main()
