"""The published versions of a function, with the images that they run and whether those are still there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from deploy import alias, ecr, function
from deploy.alias import AliasState
from deploy.aws import Account
from deploy.ecr import StoredImage
from deploy.function import LATEST, FunctionState
from deploy.imageuri import ImageUri


def stored(account: Account, image_uri: str) -> StoredImage | None:
    """None if the image, or its whole repository, is gone."""
    uri = ImageUri.parse(image_uri)
    return ecr.image(account.images, uri.repository, uri.digest, uri.account)


def numbers(account: Account, name: str) -> list[str]:
    """Every version, $LATEST among them, oldest first."""
    pages = account.functions.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    return [item["Version"] for page in pages for item in page["Versions"]]


def aliases(account: Account, name: str) -> dict[str, AliasState]:
    pages = account.functions.get_paginator("list_aliases").paginate(FunctionName=name)
    return {item["Name"]: alias.state(item) for page in pages for item in page["Aliases"]}


@dataclass(frozen=True)
class Version:
    """`image` is None if it is gone, or if the function is a Zip function."""

    state: FunctionState
    aliases: tuple[str, ...]
    image: StoredImage | None


def described(account: Account, name: str, *, every: bool) -> list[Version]:
    """$LATEST and what aliases use, or every version; newest last."""
    named = aliases(account, name)
    users: dict[str, list[str]] = {}
    for alias_name, where in named.items():
        users.setdefault(where.version, []).append(alias_name)
        for version, weight in where.weights.items():
            users.setdefault(version, []).append(f"{alias_name} ({weight:.0%})")
    wanted = numbers(account, name) if every else sorted({LATEST, *users}, key=_age)
    found = []
    for number in wanted:
        seen = function.read(account.functions, name, number)
        image = stored(account, seen.image_uri) if seen.digest else None
        found.append(Version(seen, tuple(users.get(number, ())), image))
    return found


def _age(version: str) -> tuple[bool, int]:
    return version == LATEST, 0 if version == LATEST else int(version)


def document(name: str, found: list[Version]) -> dict[str, Any]:
    """What runs where, for `--json`."""
    return {
        "function": name,
        "versions": [
            {
                "version": version.state.version,
                "aliases": list(version.aliases),
                "digest": version.state.digest or None,
                "image": version.state.image_uri or None,
                "image_is_there": version.image is not None,
                "image_bytes": version.image.size_bytes if version.image else None,
                "image_pushed": version.image.pushed if version.image else None,
                "architecture": version.state.architecture,
                "package_type": version.state.package_type,
                "state": version.state.state,
                "modified": version.state.modified,
                "description": version.state.description,
            }
            for version in found
        ],
    }


def table(name: str, found: list[Version]) -> Table:
    shown = Table(title=f"function {name}", title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("alias", "version", "image", "in the registry", "architecture", "size", "age", "state"):
        shown.add_column(column, justify="right" if column in {"size", "age"} else "left")
    for version in found:
        seen, image = version.state, version.image
        there = (
            "—" if not seen.digest else "[red]✗ gone" if image is None else "✓" if image.is_there else "[red]✗ archived"
        )
        shown.add_row(
            ", ".join(version.aliases),
            seen.version,
            seen.digest.removeprefix("sha256:")[:12] or seen.package_type,
            there,
            seen.architecture,
            f"{image.size_bytes / 1e6:.1f} MB" if image else "",
            _age_of(seen.modified),
            seen.state if seen.update == "Successful" else f"{seen.state}, update {seen.update}",
        )
    return shown


def _age_of(modified: str) -> str:
    """From Lambda's time of the last modification, such as 2026-11-24T09:00:00.000+0000."""
    try:
        seconds = (datetime.now(UTC) - datetime.strptime(modified, "%Y-%m-%dT%H:%M:%S.%f%z")).total_seconds()
    except ValueError:
        return ""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
