"""Deleting what nobody needs: versions that `deploy` published, and images of a repository that no version runs.

An alias points to versions, so it cannot run any other image. Everything that belongs to an image that stays (children
of an index, signatures) stays with it; so do new images, which may be on their way to a function.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from deploy.aws import Account, tolerated
from deploy.console import Reporter
from deploy.errors import AwsRefusedError, FunctionNotFoundError, UsageError
from deploy.registry import short
from deploy.registry.ecr import Repository, StoredImage, batched
from deploy.release import alias, function
from deploy.release.versions import aliases

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import ImageFailureTypeDef

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_OF_IMAGE: Final = re.compile(r"sha256-([0-9a-f]{64})\.\w+")  # cosign's tags


@dataclass(frozen=True)
class Use:
    """A version of a function, or $LATEST, and the digest of the image that it runs."""

    function: str
    version: str
    digest: str
    description: str = field(compare=False)
    modified: datetime = field(compare=False)

    @property
    def is_ours(self) -> bool:
        """True if `deploy` published it."""
        return self.version.isdecimal() and self.description.startswith(f"{alias.MARK}sha256:")

    @property
    def order(self) -> tuple[str, int]:
        """Key of an order by function and version."""
        return self.function, int(self.version)


@dataclass(frozen=True)
class Plan:
    """Versions to delete; images that stay, with the reason, and images that nobody needs then, newest first."""

    versions: tuple[Use, ...]
    kept: tuple[tuple[StoredImage, str], ...]
    unneeded: tuple[StoredImage, ...]
    relations: Relations = field(repr=False)

    def __str__(self) -> str:
        images = f"{len(self.unneeded)} images"
        return f"{len(self.versions)} versions and {images}" if self.versions else images


@dataclass(frozen=True)
class Keeping:
    """Rules beside what is in use: the `newest` images and versions stay, and everything younger than `youngest`.

    The number counts for each function's versions, and for each alias's history.
    """

    newest: int
    youngest: timedelta
    now: datetime

    def is_young(self, moment: datetime) -> bool:
        """Return whether what was made then stays for its age."""
        return self.now - moment < self.youngest


class Relations:
    """Ownership of images: an index owns its children, an image the artifacts about it, such as signatures.

    `documents`: the manifests and indexes by their digests. `tags`: digests by tag, which name the image in older
    signatures.
    """

    def __init__(self, documents: Mapping[str, Mapping[str, Any]], tags: Mapping[str, str]) -> None:
        self._owners: defaultdict[str, set[str]] = defaultdict(set)
        self._parts: defaultdict[str, set[str]] = defaultdict(set)
        for digest, document in documents.items():
            for child in document.get("manifests") or ():
                self._add(digest, child["digest"])
            subject = (document.get("subject") or {}).get("digest")
            if subject and subject in documents:
                self._add(subject, digest)
        for tag, digest in tags.items():
            if found := _OF_IMAGE.fullmatch(tag):
                self._add(f"sha256:{found[1]}", digest)

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


def plan(account: Account, repository: Repository, keeping: Keeping) -> Plan:
    """Keep images in use, the newest ones that stand alone, and young ones; see `Keeping`.

    The images are listed before the functions are: one that is pushed and deployed meanwhile is not in the list.
    """
    images = sorted(repository.images(), key=lambda image: image.pushed, reverse=True)
    tags = {tag: image.digest for image in images for tag in image.tags}
    documents = {found.digest: json.loads(found.data) for found in repository.manifests([one.digest for one in images])}
    relations = Relations(documents, tags)
    newest = [image.digest for image in images if relations.stands_alone(image.digest)][: keeping.newest]
    uses = list(_uses(account, {image.digest for image in images}))
    versions = tuple(sorted(_unneeded_versions(account, uses, keeping), key=lambda use: use.order))
    reasons = dict.fromkeys(newest, f"one of the {keeping.newest} newest")
    young = f"younger than {keeping.youngest}"
    reasons |= {image.digest: young for image in images if keeping.is_young(image.pushed)}
    reasons |= {use.digest: f"in use: {use.function} {use.version}" for use in uses if use not in versions}
    relations.keep(reasons)
    return Plan(
        versions=versions,
        kept=tuple((image, reasons[image.digest]) for image in images if image.digest in reasons),
        unneeded=tuple(image for image in images if image.digest not in reasons),
        relations=relations,
    )


def _uses(account: Account, digests: set[str]) -> Iterator[Use]:
    """Yield every version of a function that runs one of these images.

    A version's CodeSha256 is its image's digest. Lambda's documentation does not promise that, so a function none of
    whose versions runs an image known here is asked which one it runs. Raises AwsRefusedError if it does not say.
    """
    pages = account.functions.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    listed = pages.search("Functions[?PackageType=='Image']")
    by_name = itemgetter("FunctionName")
    for _, group in groupby(sorted(listed, key=by_name), by_name):
        items = list(group)
        named: list[str | None] = [f"sha256:{item.get('CodeSha256')}" for item in items]
        holds = not digests.isdisjoint(named) or _asked(account, items[0]) in {None, named[0]}
        for item, digest in zip(items, named, strict=True):
            if not (holds and _DIGEST.fullmatch(str(digest))):
                digest = _asked(account, item)
            if digest in digests:
                modified = datetime.fromisoformat(item["LastModified"])
                yield Use(item["FunctionName"], item["Version"], digest, item.get("Description", ""), modified)


def _asked(account: Account, item: Mapping[str, Any]) -> str | None:
    """Return the digest that a version runs; None if it was deleted since it was listed."""
    name, version = item["FunctionName"], item["Version"]
    try:
        digest = function.read(account.functions, name, version).digest
    except FunctionNotFoundError:
        return None
    if not digest:
        raise AwsRefusedError(
            f"Lambda does not say which image version {version} of {name} runs, so it may be any",
            then="delete that version or function, or deploy to it; then prune again",
        )
    return digest


def _unneeded_versions(account: Account, uses: Sequence[Use], keeping: Keeping) -> Iterator[Use]:
    """Yield the versions that `deploy` published and nobody needs any more."""
    ours = sorted((use for use in uses if use.is_ours), key=lambda use: use.order)
    triggered: set[str] | None = None
    for name, group in groupby(ours, lambda use: use.function):
        old = [use for use in list(group)[: -keeping.newest or None] if not keeping.is_young(use.modified)]
        if not old:
            continue
        if triggered is None:
            pages = account.functions.get_paginator("list_event_source_mappings").paginate()
            triggered = {item.get("FunctionArn", "") for item in pages.search("EventSourceMappings[]")}
        needed = _needed(account, name, triggered, keeping.newest)
        yield from (use for use in old if use.version not in needed and not _is_shared(account, use))


def _needed(account: Account, name: str, triggered: set[str], newest: int) -> set[str]:
    """Return the versions that aliases, their latest history, triggers or provisioned concurrency need."""
    needed = {arn.rpartition(":")[2] for arn in triggered if f":function:{name}:" in arn}
    for state in aliases(account, name).values():
        needed |= {state.version, *state.weights, *state.history[:newest]}
    pages = account.functions.get_paginator("list_provisioned_concurrency_configs").paginate(FunctionName=name)
    return needed | {arn.rpartition(":")[2] for arn in pages.search("ProvisionedConcurrencyConfigs[].FunctionArn")}


def _is_shared(account: Account, use: Use) -> bool:
    """Return whether the version has a policy of its own, by which others may invoke it."""
    with tolerated("ResourceNotFoundException"):
        return bool(account.functions.get_policy(FunctionName=use.function, Qualifier=use.version)["Policy"])
    return False


def require_seen(account: Account, repository: Repository) -> None:
    """Raises UsageError if functions of other accounts may run these images: no reading of this one shows them."""
    text = ""
    with tolerated("RepositoryPolicyNotFoundException"):
        text = account.images.get_repository_policy(repositoryName=repository.name)["policyText"]
    statements = json.loads(text or "{}").get("Statement", [])
    others = sorted(set().union(*(_others(one, repository.arn.split(":")[4]) for one in _listed(statements))))
    if others:
        raise UsageError(
            f"the policy of {repository.name} lets {', '.join(others)} pull, whose functions cannot be seen from here",
            then="see which images they run, then --other-accounts checked",
            accounts=others,
        )


def _others(statement: Mapping[str, Any], own: str) -> set[str]:
    """Return the other accounts that a statement lets pull."""
    actions = [str(action).lower() for action in _listed(statement.get("Action", "*"))]
    if statement.get("Effect") != "Allow" or not any(fnmatchcase("ecr:batchgetimage", action) for action in actions):
        return set()
    principal = statement.get("Principal", "*")
    named = set(re.findall(r"\b\d{12}\b", json.dumps([principal, statement.get("Condition", {})])))
    anyone = "*" in _listed(principal.get("AWS", []) if isinstance(principal, dict) else principal)
    return {"any account"} if anyone and not named else named - {own}


def _listed(value: Any) -> Sequence[Any]:
    """Return a list: IAM's JSON leaves the brackets out around a single value."""
    return value if isinstance(value, list) else [value]


def delete(account: Account, report: Reporter, repository: Repository, plan: Plan, keeping: Keeping) -> Deleted:
    """Delete what nobody needs, except what came into use since the plan was made.

    Raises AwsRefusedError if ECR keeps an image, after all others are deleted.
    """
    versions = _delete_versions(account, report, repository, plan.versions, keeping)
    uses = _uses(account, {image.digest for image, _ in plan.kept} | {image.digest for image in plan.unneeded})
    spared = {use.digest: "in use" for use in uses if use not in versions}
    plan.relations.keep(spared)
    left = [image.digest for image in plan.unneeded if image.digest not in spared]
    return Deleted(versions, _delete_images(account, report, repository, left))


@dataclass(frozen=True)
class Deleted:
    """Versions and digests of images that are gone."""

    versions: list[Use] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


def _delete_versions(
    account: Account, report: Reporter, repository: Repository, versions: Sequence[Use], keeping: Keeping
) -> list[Use]:
    """Delete versions that still are unneeded, and that run this repository's images."""
    gone: list[Use] = []
    for name, group in groupby(versions, lambda use: use.function):
        with report.step(f"Delete versions of {name}") as note:
            before = len(gone)
            for use in _unneeded_versions(account, list(group), replace(keeping, newest=0)):
                with suppress(FunctionNotFoundError), tolerated("ResourceConflictException"):
                    seen = function.read(account.functions, name, use.version)
                    if f"/{repository.name}@" in seen.image_uri:
                        account.functions.delete_function(FunctionName=name, Qualifier=use.version)
                        gone.append(use)
            note(", ".join(use.version for use in gone[before:]) or "none any more")
    return gone


def _delete_images(account: Account, report: Reporter, repository: Repository, left: list[str]) -> list[str]:
    gone: list[str] = []
    while left:
        refused: list[ImageFailureTypeDef] = []
        for part in batched(left):
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


def document(plan: Plan, gone: Deleted) -> dict[str, Any]:
    """Return the kept and the deleted versions and images for `--json`."""
    return {
        "kept": [{"digest": image.digest, "tags": list(image.tags), "why": why} for image, why in plan.kept],
        "unneeded": [{"digest": image.digest, "tags": list(image.tags)} for image in plan.unneeded],
        "unneeded_versions": [_of_version(use) for use in plan.versions],
        "deleted": gone.images,
        "deleted_versions": [_of_version(use) for use in gone.versions],
        "bytes": sum(image.size_bytes for image in plan.unneeded if image.digest in gone.images),
    }


def _of_version(use: Use) -> dict[str, str]:
    return {"function": use.function, "version": use.version, "digest": use.digest}


def table(plan: Plan) -> Table:
    """Show the plan for people."""
    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("", "image", "tags", "pushed", "size", "why"):
        folds = column in {"tags", "why"}
        shown.add_column(column, justify="right" if column == "size" else "left", overflow="fold", no_wrap=not folds)
    for use in plan.versions:
        version = f"version {use.version} of {use.function}"
        shown.add_row("delete", short(use.digest), version, f"{use.modified:%Y-%m-%d %H:%M}", "", "", style="red")
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
