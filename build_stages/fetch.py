"""Fetches the pinned source archive of one product and proves that it is the pinned one.

    fetch.py PRODUCT DIRECTORY [--cache DIRECTORY]…

Tried in this order: each cache, each upstream URL, and on a Debian base the same package's source through apt
(signed by Debian). Bytes count only when their digest is a pinned one. One exception, for stand-in builds alone:
where Debian no longer has the pinned release, another patch release of the same series is taken as apt verified it,
and said so. DIRECTORY receives the archive as `source.tar` and a line about its origin as `origin`.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import recipe

CONNECT_SECONDS = 15
DEBIAN_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class FetchError(Exception):
    """No way to the source led to the pinned bytes."""


def fetch(product: recipe.Recipe, caches: list[Path]) -> tuple[Path, str]:
    """The archive in the first cache (put there if it came from elsewhere), and where it came from."""
    tried: list[str] = []
    for cache in caches:
        for archive in product.archives:
            path = cache / archive.name
            if path.is_file() and is_pinned(path, archive):
                return path, f"{archive.name} from the cache, {archive.digest}"
    for archive in product.archives:
        if archive.url is None:
            continue
        try:
            return download(archive, archive.url, caches[0]), f"{archive.url}, {archive.digest}"
        except (OSError, http.client.HTTPException, FetchError) as error:
            tried.append(f"{archive.url}: {error}")
    if product.debian and shutil.which("apt-get"):
        try:
            return from_debian(product, product.debian, caches[0])
        except (FetchError, OSError) as error:
            tried.append(f"Debian's source package {product.debian.source}: {error}")
    raise FetchError("\n  ".join([f"{product.product} {product.version} is not to be had:", *tried]))


def is_pinned(path: Path, archive: recipe.Archive) -> bool:
    if archive.size not in (None, path.stat().st_size):
        return False
    algorithm, _, expected = archive.digest.partition(":")
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest() == expected


def download(archive: recipe.Archive, url: str, into: Path) -> Path:
    """Downloads to a temporary name; the archive gets its own name only once it is proved."""
    with tempfile.NamedTemporaryFile(dir=into, delete=False) as partial:
        try:
            with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer:  # noqa: S310 - pinned https
                shutil.copyfileobj(answer, partial)
            partial.close()
            if not is_pinned(Path(partial.name), archive):
                raise FetchError(f"the bytes received are not those pinned ({archive.digest})")
            return Path(partial.name).rename(into / archive.name)
        finally:
            Path(partial.name).unlink(missing_ok=True)


def from_debian(product: recipe.Recipe, debian: recipe.Debian, into: Path) -> tuple[Path, str]:
    """The upstream archive in a Debian source package: the pinned release, else the newest one of its series."""
    with tempfile.TemporaryDirectory() as scratch:
        apt = AptSources(Path(scratch))
        releases = apt.releases(debian.source)
        upstream = {release: re.sub(r"^\d+:|-[^-]*$", "", release) for release in releases}
        series = debian.version.rpartition(".")[0] + "."
        wanted = [r for r in releases if upstream[r] == debian.version]
        wanted += sorted((r for r in releases if r not in wanted and upstream[r].startswith(series)), reverse=True)
        for release in wanted:
            for path in apt.archives(debian.source, release):
                pin = next((archive for archive in product.archives if is_pinned(path, archive)), None)
                if pin:
                    return Path(shutil.move(path, into / pin.name)), f"Debian {debian.source} {release}, {pin.digest}"
                if os.environ.get("HWANG_STAND_IN"):
                    origin = f"Debian {debian.source} {release}, NOT the pinned {debian.version} (stand-in build)"
                    return Path(shutil.move(path, into / path.name)), origin
        found = ", ".join(releases) or "no release"
        raise FetchError(f"it has {found}; nothing of it is the pinned archive")


class AptSources:
    """Source packages of the image's own mirror: those of its own suite and of sid, in an apt state of their own."""

    def __init__(self, scratch: Path) -> None:
        own_suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
        index = re.search(rf"'(\S+)/dists/{own_suite}/InRelease'", run(["apt-get", "--print-uris", "update"]))
        if index is None:
            raise FetchError(f"apt knows no mirror of {own_suite}")
        lines = [
            f"deb-src [signed-by={DEBIAN_KEYRING}] {index[1]} {suite} main non-free\n" for suite in (own_suite, "sid")
        ]
        (scratch / "sources.list").write_text("".join(lines))
        (scratch / "lists/partial").mkdir(parents=True)
        self._scratch = scratch
        self._options = [
            f"-oDir::Etc::sourcelist={scratch}/sources.list",
            "-oDir::Etc::sourceparts=/dev/null",
            f"-oDir::State::lists={scratch}/lists",
            "-oAPT::Sandbox::User=root",
            "-oAcquire::Retries=3",
            "-oAcquire::Check-Valid-Until=false",  # a mirror may lag behind; the digest decides
        ]
        run(["apt-get", *self._options, "update", "--quiet"])

    def releases(self, source: str) -> list[str]:
        listed = run(["apt-cache", *self._options, "showsrc", "--only-source", source])
        return re.findall(r"^Version: (\S+)$", listed, re.MULTILINE)

    def archives(self, source: str, release: str) -> list[Path]:
        """Upstream's archives of one release, as far as the mirror gives them (mirrors lag)."""
        command = ["apt-get", *self._options, "source", "--download-only", "--tar-only", f"{source}={release}"]
        subprocess.run(command, cwd=self._scratch, capture_output=True, check=False)
        return [path for path in self._scratch.glob("*.orig.tar.*") if path.suffix != ".asc"]


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FetchError(f"{command[0]} failed: {done.stderr.strip()[-400:]}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("product", choices=list(recipe.products()))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cache", type=Path, action="append", help="where archives are kept; the first is written to")
    arguments = parser.parse_args()
    caches = arguments.cache or [arguments.directory]
    for directory in (arguments.directory, caches[0]):
        directory.mkdir(parents=True, exist_ok=True)
    try:
        archive, origin = fetch(recipe.load(arguments.product), caches)
    except FetchError as error:
        sys.exit(f"fetch: {error}")
    shutil.copyfile(archive, arguments.directory / "source.tar")
    (arguments.directory / "origin").write_text(f"{origin}\n")
    print(f"fetch: {arguments.product}: {origin}")


if __name__ == "__main__":
    main()
