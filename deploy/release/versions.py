"""Published versions of a function, with the images that they run and whether those still exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from deploy.aws import Account
from deploy.registry import ecr
from deploy.registry.ecr import StoredImage
from deploy.release import alias, function
from deploy.release.alias import AliasState
from deploy.release.function import LATEST, FunctionState


def numbers(account: Account, name: str) -> list[str]:
    """Return every version, oldest first and $LATEST last."""
    pages = account.functions.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    return sorted((item["Version"] for page in pages for item in page["Versions"]), key=_age)


def aliases(account: Account, name: str) -> dict[str, AliasState]:
    """Return every alias by its name."""
    pages = account.functions.get_paginator("list_aliases").paginate(FunctionName=name)
    return {item["Name"]: alias.state(item) for page in pages for item in page["Aliases"]}


@dataclass(frozen=True)
class Version:
    """A version, its share (0 to 1) of each alias's traffic, and its image: None if gone, or for a Zip function."""

    state: FunctionState
    shares: Mapping[str, float]
    image: StoredImage | None


def described(account: Account, name: str, *, every: bool) -> list[Version]:
    """Return the versions of aliases and $LATEST, or every version; oldest first and $LATEST last."""
    shares: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for alias_name, where in aliases(account, name).items():
        for version, weight in where.weights.items():
            shares[version][alias_name] = weight
        shares[where.version][alias_name] = round(1 - sum(where.weights.values()), 6)
    wanted = numbers(account, name) if every else sorted({LATEST, *shares}, key=_age)
    seen = [function.read(account.functions, name, number) for number in wanted]
    images = [ecr.image(account.images, one.image_uri) if one.digest else None for one in seen]
    return [Version(one, shares[one.version], image) for one, image in zip(seen, images, strict=True)]


def _age(version: str) -> tuple[bool, int]:
    return version == LATEST, 0 if version == LATEST else int(version)


def document(name: str, found: list[Version]) -> dict[str, Any]:
    """Return the versions for `--json`."""
    return {
        "function": name,
        "versions": [
            {
                "version": version.state.version,
                "aliases": dict(version.shares),
                "digest": version.state.digest or None,
                "image": version.state.image_uri or None,
                "image_status": _status(version),
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


def _status(version: Version) -> str | None:
    """Return ECR's status of the image, or GONE; None for a Zip function."""
    if not version.state.digest:
        return None
    return version.image.status if version.image else "GONE"


def table(name: str, found: list[Version]) -> Table:
    """Show the versions for people."""
    shown = Table(title=f"function {name}", title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("alias", overflow="fold", min_width=8)
    for column in ("version", "image", "in ECR", "for", "size", "age", "state"):
        shown.add_column(column, justify="right" if column in {"size", "age"} else "left", no_wrap=True)
    for version in found:
        seen, image = version.state, version.image
        shown.add_row(
            ", ".join(alias if share == 1 else f"{alias} {share:.0%}" for alias, share in version.shares.items()),
            seen.version,
            seen.digest.removeprefix("sha256:")[:12] or seen.package_type,
            _sign(_status(version)),
            seen.architecture,
            f"{image.size_bytes / 1e6:.1f} MB" if image else "",
            _age_of(seen.modified),
            seen.state if seen.update == "Successful" else f"{seen.state}, update {seen.update}",
        )
    return shown


def _sign(status: str | None) -> Text:
    if status is None:
        return Text("—")
    return Text("✓", "green") if status == "ACTIVE" else Text(f"✗ {status.lower()}", "red")


def _age_of(modified: str) -> str:
    """Format the time since Lambda's last modification, such as 2026-11-24T09:00:00.000+0000."""
    try:
        seconds = (datetime.now(UTC) - datetime.strptime(modified, "%Y-%m-%dT%H:%M:%S.%f%z")).total_seconds()
    except ValueError:
        return ""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
