"""Finds the versions of a product that its upstream lists, by the rule in source.toml's [upstream].

    index = "https://…/", entry = "thing-{version}.tar.xz"     a page that links to each release
    git = "https://….git", tag = "v{version}"                  a repository with a tag for each release
    git = "https://….git", branch = "stable"                   one without releases: the branch's last commit

`series = "9.0"` keeps to versions that begin so. Candidates and betas do not count as versions.
"""

from __future__ import annotations

import os
import re
import subprocess
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException

TIMEOUT_SECONDS = 20
MAX_ANSWER = 64 << 20  # bytes


class UnreachableError(Exception):
    """A server does not answer, or not as it should."""


@dataclass(frozen=True)
class Rule:
    """The list of a product's versions: `index` with `entry`, or `git` with `tag` or `branch`."""

    index: str = ""
    entry: str = ""
    git: str = ""
    tag: str = ""
    branch: str = ""
    series: str = ""

    @property
    def place(self) -> str:
        """The address that is asked."""
        return self.index or self.git

    def admits(self, version: str) -> bool:
        """Return True for a version of the series."""
        return not self.series or f"{version}.".startswith(f"{self.series}.")


@dataclass(frozen=True)
class Mirrors:
    """Addresses to ask instead of upstream's own: the first prefix that fits is replaced."""

    prefixes: Mapping[str, str] = field(default_factory=dict)

    def of(self, url: str) -> str:
        """Return the address to ask for this one."""
        for prefix, mirror in self.prefixes.items():
            if url.startswith(prefix):
                return mirror + url.removeprefix(prefix)
        return url

    def read(self, url: str, body: bytes | None = None, **headers: str) -> bytes:
        """Return the answer to a GET, or to a POST of `body`. Raises UnreachableError from the error that caused it."""
        request = urllib.request.Request(self.of(url), body, headers)  # noqa: S310 - from source.toml, or a constant
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                content: bytes = answer.read(MAX_ANSWER)
                if answer.length:
                    raise OSError(f"{answer.length} bytes of its answer are missing")
                return content
        except (OSError, HTTPException, ValueError) as error:
            raise UnreachableError(f"{url}: {error}") from error


def versions(rule: Rule, mirrors: Mirrors) -> list[str]:
    """Return all versions that upstream lists, oldest first; of a branch its last commit. Raises UnreachableError."""
    if rule.branch:
        return [_references(rule.git, f"refs/heads/{rule.branch}", mirrors)[0][0]]
    if rule.tag:
        listed = [name.removeprefix("refs/tags/") for _, name in _references(rule.git, "refs/tags/*", mirrors)]
        template = rule.tag
    else:
        page = mirrors.read(rule.index).decode(errors="replace")
        listed = re.findall(r"""href=["']?(?:[^"'> ]*/)?([^"'/> ]+/?)["'> ]""", page)
        template = rule.entry
    pattern = re.compile(re.escape(template).replace(r"\{version\}", r"(\d+(?:\.\d+)+)"))
    found = {match[1] for name in listed if (match := pattern.fullmatch(name))}
    if not found:
        raise UnreachableError(f"{rule.place} lists nothing like {template}")
    return sorted(found, key=numbers)


def numbers(version: str) -> tuple[int, ...]:
    """Return a key that orders versions: 2.16.03 comes before 2.16.10."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _references(repository: str, pattern: str, mirrors: Mirrors) -> list[tuple[str, str]]:
    """Return commits and names of a repository's references, without cloning it."""
    command = ["git", "ls-remote", "--refs", "--exit-code", "--", mirrors.of(repository), pattern]
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=3 * TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnreachableError(f"{repository}: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it has no {pattern}"])[-1]
        raise UnreachableError(f"{repository}: {last}")
    return [(commit, name) for commit, _, name in (line.partition("\t") for line in done.stdout.splitlines())]
