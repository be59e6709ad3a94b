"""Published versions of a function, with the images that they run and whether those still exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError
from rich.table import Table
from rich.text import Text

from deploy.aws import Account, explained_refusal
from deploy.errors import PermissionDeniedError
from deploy.registry import ecr
from deploy.registry.ecr import StoredImage
from deploy.release import alias, function
from deploy.release.alias import AliasState
from deploy.release.function import LATEST, FunctionState, changed

UNSEEN: Final = "UNSEEN"


def numbers(account: Account, name: str) -> list[str]:
    """Return every version, oldest first and $LATEST last."""
    pages = account.functions.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    return sorted(pages.search("Versions[].Version"), key=_age)


def aliases(account: Account, name: str) -> dict[str, AliasState]:
    """Return every alias by its name."""
    pages = account.functions.get_paginator("list_aliases").paginate(FunctionName=name)
    return {item["Name"]: alias.state(item) for item in pages.search("Aliases[]")}


@dataclass(frozen=True)
class Version:
    """A version and its share (0 to 1) of each alias's traffic.

    `image` is None if it is gone or cannot be seen. `status`: ECR's, or GONE, UNSEEN, or None for a Zip function.
    `drift`: settings in which $LATEST differs, and `image`, for a version of an alias.
    """

    state: FunctionState
    shares: Mapping[str, float]
    image: StoredImage | None
    status: str | None
    drift: tuple[str, ...] = ()


def described(account: Account, name: str, *, every: bool) -> list[Version]:
    """Return the versions of aliases and $LATEST, or every version; oldest first and $LATEST last."""
    shares: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for alias_name, where in aliases(account, name).items():
        for version, weight in where.weights.items():
            shares[version][alias_name] = weight
        shares[where.version][alias_name] = round(1 - sum(where.weights.values()), 6)
    wanted = numbers(account, name) if every else sorted({LATEST, *shares}, key=_age)
    seen = [function.read(account.functions, name, number) for number in wanted]
    latest = next(one for one in seen if one.version == LATEST)
    return [
        Version(one, shares[one.version], *image_of(account, one), _drift(one, latest) if shares[one.version] else ())
        for one in seen
    ]


def image_of(account: Account, seen: FunctionState) -> tuple[StoredImage | None, str | None]:
    """Return the image of a version, if it can be seen, and its status."""
    if not seen.digest:
        return None, None
    try:
        image = ecr.image(account.images, seen.image_uri)
    except ClientError as error:
        if isinstance(explained_refusal(error), PermissionDeniedError):
            return None, UNSEEN
        raise
    return image, image.status if image else "GONE"


def _drift(version: FunctionState, latest: FunctionState) -> tuple[str, ...]:
    """Return what a deploy of the version's own image would publish from $LATEST."""
    image = ("image",) if version.digest != latest.digest else ()
    return (*image, *changed(version.published, latest.published))


def _age(version: str) -> tuple[bool, int, str]:
    """Return the key of an order: numbers first. $LATEST is not the only name."""
    return not version.isdecimal(), int(version) if version.isdecimal() else 0, version


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
                "image_status": version.status,
                "image_bytes": version.image.size_bytes if version.image else None,
                "image_pushed": version.image.pushed if version.image else None,
                "architecture": version.state.architecture,
                "package_type": version.state.package_type,
                "state": version.state.state,
                "modified": version.state.modified,
                "description": version.state.description,
                "differs_from_latest": list(version.drift),
            }
            for version in found
        ],
    }


def remarks(found: list[Version]) -> Iterator[str]:
    """Yield sentences about what the table does not show."""
    for version in found:
        if version.drift:
            names = f"version {version.state.version} ({', '.join(version.shares)})"
            yield f"$LATEST differs from {names}: {', '.join(version.drift)}; a deploy publishes its settings"
    if any(version.status == UNSEEN for version in found):
        yield "these credentials may not do ecr:DescribeImages: whether all images are there could not be seen"


def table(name: str, found: list[Version]) -> Table:
    """Show the versions for people."""
    shown = Table(title=f"function {name}", title_justify="left", box=None, padding=(0, 2, 0, 0), header_style="bold")
    shown.add_column("alias", overflow="fold", min_width=8)
    for column in ("version", "image", "in ECR", "for", "size", "state"):
        shown.add_column(column, justify="right" if column == "size" else "left", no_wrap=True)
    for version in found:
        seen, image = version.state, version.image
        shown.add_row(
            ", ".join(alias if share == 1 else f"{alias} {share:.0%}" for alias, share in version.shares.items()),
            seen.version,
            seen.digest.removeprefix("sha256:")[:12] or seen.package_type,
            _sign(version.status),
            seen.architecture,
            f"{image.size_bytes / 1e6:.1f} MB" if image else "",
            seen.state if seen.update == "Successful" else f"{seen.state}, update {seen.update}",
        )
    return shown


def _sign(status: str | None) -> Text:
    if status is None:
        return Text("—")
    if status == UNSEEN:
        return Text("? not seen", "yellow")
    return Text("✓", "green") if status == "ACTIVE" else Text(f"✗ {status.lower()}", "red")
