"""Deleting images of a repository, but none that a version of a function of the account and region runs.

An alias points to versions, so it cannot run any other image. Everything that belongs to an image that stays (children
of an index, signatures) stays with it; so do new images, which may be on their way to a function.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rich.table import Table

from deploy.aws import Account
from deploy.console import Reporter
from deploy.errors import AwsRefusedError, FunctionNotFoundError
from deploy.registry.ecr import MAX_IMAGES_AT_ONCE, Repository, StoredImage
from deploy.registry.upload import short
from deploy.release import function

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import ImageFailureTypeDef


@dataclass(frozen=True)
class Plan:
    """Images that stay, with the reason, and images that nobody needs; newest first."""

    kept: tuple[tuple[StoredImage, str], ...]
    unneeded: tuple[StoredImage, ...]
    relations: Relations = field(repr=False)


class Relations:
    """Ownership of images: an index owns its children, an image the artifacts about it, such as signatures.

    `documents`: the manifests and indexes by their digests.
    """

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self._owners: defaultdict[str, set[str]] = defaultdict(set)
        self._parts: defaultdict[str, set[str]] = defaultdict(set)
        for digest, document in documents.items():
            for child in document.get("manifests") or ():
                self._add(digest, child["digest"])
            subject = (document.get("subject") or {}).get("digest")
            if subject and subject in documents:
                self._add(subject, digest)

    def _add(self, owner: str, part: str) -> None:
        self._owners[part].add(owner)
        self._parts[owner].add(part)

    def stands_alone(self, digest: str) -> bool:
        """Return whether nothing owns it."""
        return not self._owners[digest]

    def keep(self, reasons: dict[str, str]) -> None:
        """Add the owners of the digests that have a reason to stay, and then everything that any of these own."""
        self._spread(reasons, self._owners, "holds")
        self._spread(reasons, self._parts, "belongs to")

    @staticmethod
    def _spread(reasons: dict[str, str], related: Mapping[str, set[str]], how: str) -> None:
        left = [*reasons]
        while left:
            one = left.pop()
            for other in related.get(one, set()) - reasons.keys():
                reasons[other] = f"{how} {short(one)}"
                left.append(other)


def plan(account: Account, repository: Repository, keep: int, youngest: timedelta, now: datetime) -> Plan:
    """Keep images in use, the `keep` newest ones that stand alone, and those that are younger than `youngest`.

    The images are listed before the functions are: one that is pushed and deployed meanwhile is not in the list.
    """
    images = sorted(repository.images(), key=lambda image: image.pushed, reverse=True)
    relations = Relations(_documents(repository, [image.digest for image in images]))
    newest = [image.digest for image in images if relations.stands_alone(image.digest)][:keep]
    reasons = dict.fromkeys(newest, f"one of the {keep} newest")
    reasons |= {image.digest: f"younger than {youngest}" for image in images if now - image.pushed < youngest}
    reasons |= _used(account)
    relations.keep(reasons)
    return Plan(
        kept=tuple((image, reasons[image.digest]) for image in images if image.digest in reasons),
        unneeded=tuple(image for image in images if image.digest not in reasons),
        relations=relations,
    )


def _documents(repository: Repository, digests: list[str]) -> dict[str, Any]:
    parsed = {manifest.digest: json.loads(manifest.data) for manifest in repository.manifests(digests)}
    return {digest: document for digest, document in parsed.items() if isinstance(document, dict)}


def _used(account: Account) -> dict[str, str]:
    """Return every digest that a version of a function runs, with that version's name.

    Raises AwsRefusedError if Lambda does not name a version's image.
    """
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
            if not seen.digest:
                raise AwsRefusedError(
                    f"Lambda does not say which image version {version} of {name} runs, so it may be any",
                    then="delete that version or function, or deploy to it; then prune again",
                )
            used[seen.digest] = f"in use: {name} {version}"
    return used


def delete(account: Account, report: Reporter, repository: Repository, plan: Plan) -> list[str]:
    """Delete the images that nobody needs, except those in use since the plan was made; return the deleted digests.

    Raises AwsRefusedError if ECR keeps one, after all others are deleted.
    """
    spared = _used(account)
    plan.relations.keep(spared)
    left = [image.digest for image in plan.unneeded if image.digest not in spared]
    gone: list[str] = []
    while left:
        refused: list[ImageFailureTypeDef] = []
        for start in range(0, len(left), MAX_IMAGES_AT_ONCE):
            part = left[start : start + MAX_IMAGES_AT_ONCE]
            with report.step(f"Delete {len(part)} images from {repository.name}"):
                answer = account.images.batch_delete_image(
                    repositoryName=repository.name, imageIds=[{"imageDigest": digest} for digest in part]
                )
            refused += [item for item in answer.get("failures", []) if item.get("failureCode") != "ImageNotFound"]
        kept = {item["imageId"]["imageDigest"]: item for item in refused}
        gone += [digest for digest in left if digest not in kept]
        # children of an index can be deleted once the index is gone
        again = [digest for digest in kept if kept[digest].get("failureCode") == "ImageReferencedByManifestList"]
        if len(again) < len(kept) or len(again) == len(left):
            digest, reason = next((digest, item.get("failureReason")) for digest, item in kept.items())
            what = f"ECR kept {len(kept)} images: {digest}: {reason}"
            raise AwsRefusedError(what, then="see these in ECR's console; the others are deleted", deleted=gone)
        left = again
    return gone


def document(plan: Plan, gone: list[str]) -> dict[str, Any]:
    """Return the kept and the deleted images for `--json`."""
    return {
        "kept": [{"digest": image.digest, "tags": list(image.tags), "why": why} for image, why in plan.kept],
        "unneeded": [{"digest": image.digest, "tags": list(image.tags)} for image in plan.unneeded],
        "deleted": gone,
        "bytes": sum(image.size_bytes for image in plan.unneeded if image.digest in gone),
    }


def table(plan: Plan) -> Table:
    """Show the plan for people."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("", "image", "tags", "pushed", "size", "why"):
        folds = column in {"tags", "why"}
        shown.add_column(column, justify="right" if column == "size" else "left", overflow="fold", no_wrap=not folds)
    rows = [("keep", image, why) for image, why in plan.kept] + [("delete", image, "") for image in plan.unneeded]
    for what, image, why in rows:
        shown.add_row(
            what,
            short(image.digest),
            ", ".join(image.tags),
            f"{image.pushed:%Y-%m-%d %H:%M}",
            f"{image.size_bytes / 1e6:.1f} MB",
            why,
            style="red" if what == "delete" else "",
        )
    return shown
