"""Which images of a repository may go: never one that a version of a function of the account and region runs.

An alias points to versions, so what versions run is all that any alias can run. Images that belong to one that stays,
as the children of an index do, stay with it; so do new ones, which may be on their way to a function.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from rich.table import Table

from deploy import function
from deploy.aws import Account
from deploy.console import Reporter
from deploy.ecr import Repository, StoredImage
from deploy.errors import AwsRefusedError, FunctionNotFoundError

_AT_ONCE: Final = 100  # ECR's limit


class _Child(BaseModel):
    digest: str


class _Document(BaseModel):
    """What of a manifest or an index matters here: what it lists, and what it is about."""

    manifests: list[_Child] = []
    subject: _Child | None = None

    @property
    def relatives(self) -> list[str]:
        return [child.digest for child in (*self.manifests, *([self.subject] if self.subject else []))]


@dataclass(frozen=True)
class Plan:
    """What stays, with why, and what may go; newest first."""

    kept: tuple[tuple[StoredImage, str], ...]
    unneeded: tuple[StoredImage, ...]


def plan(account: Account, repository: Repository, keep: int, youngest: timedelta, now: datetime) -> Plan:
    """Keeps what is in use, the `keep` newest images and what is younger than `youngest`.

    The images are listed before the functions are: one that is pushed and deployed meanwhile is not in the list.
    """
    images = sorted(repository.images(), key=lambda image: image.pushed, reverse=True)
    reasons = {image.digest: f"one of the {keep} newest" for image in images[:keep]}
    reasons |= {image.digest: f"younger than {youngest}" for image in images if now - image.pushed < youngest}
    reasons |= _used(account)
    _keep_relatives(repository, [image.digest for image in images], reasons)
    return Plan(
        kept=tuple((image, reasons[image.digest]) for image in images if image.digest in reasons),
        unneeded=tuple(image for image in images if image.digest not in reasons),
    )


def _used(account: Account) -> dict[str, str]:
    """Every digest that a version of any function runs, with who that is."""
    used = {}
    for page in account.functions.get_paginator("list_functions").paginate(FunctionVersion="ALL"):
        for item in page["Functions"]:
            if item.get("PackageType") != "Image":
                continue
            name, version = item["FunctionName"], item["Version"]
            try:
                seen = function.read(account.functions, name, version)
            except FunctionNotFoundError:  # deleted since it was listed
                continue
            used[seen.digest] = f"in use: {name} {version}"
    return used


def _keep_relatives(repository: Repository, digests: list[str], reasons: dict[str, str]) -> None:
    """An index and its children, and what is about an image (a signature, a list of its parts), go together."""
    documents = dict(_documents(repository, digests))
    again = True
    while again:
        again = False
        for digest, document in documents.items():
            for relative in document.relatives:
                for one, other in ((digest, relative), (relative, digest)):
                    if one in reasons and other not in reasons:
                        reasons[other] = f"belongs to {one[:19]}…, {reasons[one]}"
                        again = True


def _documents(repository: Repository, digests: list[str]) -> Iterator[tuple[str, _Document]]:
    for manifest in repository.manifests(digests):
        try:
            yield manifest.digest, _Document.model_validate_json(manifest.data)
        except ValidationError:  # an artifact of another kind
            continue


def delete(account: Account, report: Reporter, repository: Repository, unneeded: tuple[StoredImage, ...]) -> list[str]:
    """The digests that are gone now; what has come into use since the plan was made is spared.

    Raises AwsRefusedError if ECR keeps one, after all others are gone.
    """
    used = _used(account)
    digests = [image.digest for image in unneeded if image.digest not in used]
    gone: list[str] = []
    refused: list[Any] = []
    for start in range(0, len(digests), _AT_ONCE):
        part = digests[start : start + _AT_ONCE]
        with report.step(f"Delete {len(part)} images from {repository.name}"):
            answer = account.images.batch_delete_image(
                repositoryName=repository.name, imageIds=[{"imageDigest": digest} for digest in part]
            )
        gone += sorted({image["imageDigest"] for image in answer.get("imageIds", [])})
        refused += answer.get("failures", [])
    if refused:
        first = refused[0]
        raise AwsRefusedError(
            f"ECR kept {len(refused)} images: {first['imageId'].get('imageDigest')}: {first.get('failureReason')}",
            then="what an index refers to goes after the index: run prune again",
            deleted=gone,
        )
    return gone


def document(plan: Plan, gone: list[str]) -> dict[str, Any]:
    """What stays and what went, for `--json`."""
    return {
        "kept": [{"digest": image.digest, "tags": list(image.tags), "why": why} for image, why in plan.kept],
        "unneeded": [{"digest": image.digest, "tags": list(image.tags)} for image in plan.unneeded],
        "deleted": gone,
        "bytes": sum(image.size_bytes for image in plan.unneeded if image.digest in gone),
    }


def table(plan: Plan) -> Table:
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("", "image", "tags", "pushed", "size", "why"):
        shown.add_column(column, justify="right" if column == "size" else "left")
    rows = [("keep", image, why) for image, why in plan.kept] + [("delete", image, "") for image in plan.unneeded]
    for what, image, why in rows:
        shown.add_row(
            what,
            image.digest.removeprefix("sha256:")[:12],
            ", ".join(image.tags),
            f"{image.pushed:%Y-%m-%d %H:%M}",
            f"{image.size_bytes / 1e6:.1f} MB",
            why,
            style="red" if what == "delete" else "",
        )
    return shown
