#!/usr/bin/env python3
"""Put a container image onto AWS Lambda: check it, push it, deploy it, and take it back.

The commands stand here, step by step, in their order; the package `deploy` carries out each step. A command imports its
own modules, so that `--help` answers at once.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a system's own python3 may be older; 3.7 can still parse this file
    print(f"Library: Python 3.11 or later is needed, and {sys.executable} is older", file=sys.stderr)
    print("  next: give this file to a newer one, such as python3.12", file=sys.stderr)
    sys.exit(4)

import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from deploy import cli, suggestions
from deploy.console import Reporter, take_any_text
from deploy.errors import (
    DefectError,
    DeployError,
    FunctionFailedError,
    ImageRefusedError,
    JournalError,
    RepositoryNotFoundError,
    StoppedError,
    UsageError,
)
from deploy.journal import Journal
from deploy.signals import stoppable

if TYPE_CHECKING:
    from deploy.aws import Account
    from deploy.image import Finding, Image
    from deploy.image.oci import ContainerConfig
    from deploy.registry.ecr import Repository
    from deploy.registry.push import Pushed, Stored
    from deploy.release.canary import Canary
    from deploy.release.function import Settings
    from deploy.release.smoke import Smoke
    from deploy.release.transaction import Release


def check(options: Any, report: Reporter) -> None:
    """Judge whether Lambda would take the image."""
    from deploy import image as images

    with images.open_image(options.image, options.architecture) as image:
        findings = images.findings(image, options.architecture)
        if options.run:
            with report.step(f"Run {options.image} under its emulator"):
                findings += _tried(image, image.start)
        report.result(images.document(image, findings), images.table(image, findings))
        images.require_acceptable(image, *findings)


def push(options: Any, report: Reporter) -> None:
    """Put the image into its repository."""
    from deploy.image import open_image
    from deploy.registry import attach, ecr

    account = _account(options, report)
    with open_image(options.image, options.architecture) as image:
        _require_acceptable(image, image.start, options, report)
        documents = attach.documents(image) if options.attach else []
        repository = ecr.create(account.images, options.repository) if options.create else _repository(account, options)
        pushed = _pushed(image, repository, options, report)
        attached: dict[str, str | None] = {"attached": None, "attached_vex": None}
        for name, found in zip(attached, documents, strict=False):
            with report.step(f"Attach {found.name}, {len(found.data) / 1e3:.0f} kB"):
                if options.dry_run:
                    report.plan(f"attach {found.name} ({len(found.data):,} bytes) to {pushed.uri}")
                else:
                    attached[name] = attach.attach(found, pushed, repository)
        document = asdict(pushed)
        document.pop("bytes_uploaded")
        report.result(document | attached, pushed.uri)


def deploy(options: Any, report: Reporter) -> None:
    """Move the alias to the image, or leave everything as it was; in several regions, all of them or none."""
    from deploy.image import open_image
    from deploy.release import canary as canaries

    limits = (options.canary_errors, options.canary_invocations, options.metrics_lag, options.alarm)
    canary = canaries.Canary(options.canary, options.canary_for, *limits) if options.canary else None
    regions = options.region.split(",") if options.region else [None]

    def each(places: list[_Place]) -> Iterator[_Place]:
        for place in places:
            options.region = place.region  # what an error suggests is for this one
            if len(regions) > 1:
                report.say(f"  in {place.region}")
            yield place

    with open_image(options.image, options.architecture) if options.image else nullcontext() as image:
        places = [_place(region, image, options, report) for region in regions]
        with ExitStack() as transactions:
            for place in places:
                transactions.enter_context(place.release)
            transactions.enter_context(stoppable())
            for place in each(places):
                if canary:
                    canary.require_quiet(place.account)
                _prepare(place, options, report)
            moved = [place for place in places if not place.release.is_live(place.uri)]
            for place in each(moved):
                _pass_gates(place, options, report)
            for place in each(moved):
                place.release.require_free_alias(place.uri, canary)
                place.release.update(place.uri)
                place.release.publish()
                if place.smoke:
                    place.release.ask_version(place.smoke)
            for place in each(moved if canary else []):
                place.release.send_shares(cast("Canary", canary))
            for place in each(moved):
                place.release.move_alias()
                place.release.check_alias(place.smoke)
    documents = {place.region: place.release.document(place.uri, changed=place in moved) for place in places}
    lines = [
        f"alias {options.alias} of {options.function} is at version {place.release.version}, {place.uri}"
        if place in moved
        else "nothing to do: this image is live already"
        for place in places
    ]
    report.result({"regions": documents} if len(places) > 1 else next(iter(documents.values())), *lines)


def _pass_gates(place: _Place, options: Any, report: Reporter) -> None:
    """Require what --max-severity and --require-signature want of the image in ECR."""
    from deploy.release import gates

    digest = place.uri.partition("@")[2]
    if options.dry_run and place.repository.manifest(digest or "-") is None:
        return
    if options.max_severity:
        with report.step("Look at the scan's findings") as note:
            note(gates.require_scanned(place.repository, digest, options.max_severity, options.wait))
    if options.require_signature:
        with report.step("Look for signatures") as note:
            note(gates.require_signed(place.repository, place.uri, options.cosign))


@dataclass(eq=False)
class _Place:
    """A region that is deployed to. `uri` and `smoke` are known once it is prepared."""

    region: str | None
    account: Account
    repository: Repository
    found: Image | Stored
    release: Release
    uri: str = ""
    smoke: Smoke | None = None


def _place(region: str | None, image: Image | None, options: Any, report: Reporter) -> _Place:
    """Find repository and image, and begin a release that has done nothing yet."""
    from deploy.registry.push import resolve
    from deploy.release.transaction import Release, ReleaseTarget

    options.region = region
    account = _account(options, report)
    repository = _repository(account, options)
    found = image or resolve(repository, options.digest, options.architecture)
    target = ReleaseTarget(
        options.function,
        options.alias,
        found.architecture,
        _settings(options),
        options.role,
        options.wait,
        tags=dict(options.function_tag),
        moves=options.architecture is not None,
        from_live=options.settings_from == "live",
        force=options.force,
    )
    return _Place(region, account, repository, found, Release(account, report, target))


def _prepare(place: _Place, options: Any, report: Reporter) -> None:
    """Read the function and push the image, unless it is there."""
    from deploy.registry.push import Stored, find_pushed

    place.release.read()
    place.release.require_place(place.repository.arn)
    start = place.found.start.overridden(place.release.image_config)
    place.smoke = _smoke(options, start)
    if isinstance(place.found, Stored):
        place.uri = place.found.uri
        return
    there = find_pushed(place.found, place.repository, options.tag)
    if not there:
        _require_acceptable(place.found, start, options, report, run=place.smoke is not None)
    place.uri = (there or _pushed(place.found, place.repository, options, report)).uri


def rollback(options: Any, report: Reporter) -> None:
    """Move the alias back to an earlier version that can still run."""
    from deploy.release.rollback import Rollback

    account, smoke = _account(options, report), _smoke(options, None)
    with Rollback(account, report, options.function, options.alias, options.wait) as back, stoppable():
        found = back.read(str(options.to) if options.to else None)
        version, before = found.version, str(back.before)
        document = {"function": options.function, "alias": options.alias, "version": version, "before": before}
        if back.is_at(version):
            report.result({**document, "changed": False}, f"nothing to do: alias {options.alias} is at {before}")
            return
        if smoke:
            back.ask(version, smoke, found)
        back.move_alias(version)
    report.result(
        {**document, "changed": True},
        f"alias {options.alias} of {options.function} is at version {version} again; it was at {before}",
    )


def status(options: Any, report: Reporter) -> None:
    """Show the versions of aliases, and whether their images still exist."""
    from deploy.release import versions

    found = versions.described(_account(options, report), options.function, every=options.all)
    shown = versions.table(options.function, found)
    report.result(versions.document(options.function, found), shown, *versions.remarks(found))


def prune(options: Any, report: Reporter) -> None:
    """Delete versions that nobody needs, and images that no version of any function runs."""
    from deploy import retention

    account = _account(options, report)
    repository = _repository(account, options)
    keeping = retention.Keeping(options.keep, timedelta(seconds=options.younger), datetime.now(UTC))
    plan = retention.plan(account, repository, keeping)
    report.show(retention.table(plan))
    gone = retention.Deleted()
    if plan.versions or plan.unneeded:
        if options.other_accounts != "checked":
            retention.require_seen(account, repository)
        if not (options.yes or options.dry_run):
            _confirm(f"Delete {plan} for good?")
        gone = retention.delete(account, report, repository, plan, keeping)
    deleted = f"deleted: versions {len(gone.versions)}, images {len(gone.images)}; images kept: {len(plan.kept)}"
    report.result(retention.document(plan, gone), deleted)


def logs(options: Any, report: Reporter) -> None:
    """Show the function's log."""
    from deploy import logs as log
    from deploy.release import function

    account = _account(options, report)
    group = function.read(account.functions, options.function).log_group
    for line in log.lines(account, group, options.since, follow=options.follow, pattern=options.filter):
        if not report.log(line):
            break


def invoke(options: Any, report: Reporter) -> None:
    """Send the function an event and show its answer."""
    from deploy import invocation

    event = _json_file(options.event)
    answer = invocation.invoke(_account(options, report), options.function, options.qualifier, event)
    report.result(asdict(answer), json.dumps(answer.payload, indent=2))
    if answer.function_error:
        report.show(answer.log.rstrip())
        what = f"version {answer.version} failed ({answer.function_error})"
        raise FunctionFailedError(what, then="its answer is shown above")


def policy(options: Any, report: Reporter) -> None:
    """Print the least IAM policy for a command."""
    from deploy.policy import POLICIES, Scope

    scope = Scope(**{field.name: getattr(options, field.name) for field in fields(Scope)})
    document = POLICIES[options.of](scope)
    report.result(document, json.dumps(document, indent=2))


COMMANDS: dict[str, Callable[[Any, Reporter], None]] = {
    command.__name__: command for command in (check, push, deploy, rollback, status, prune, logs, invoke, policy)
}


def _account(options: Any, report: Reporter) -> Account:
    from deploy.aws import Account

    return Account(
        profile=options.profile,
        region=options.region,
        endpoint_url=options.endpoint_url,
        dry_run=options.dry_run,
        listener=report.called,
    )


def _repository(account: Account, options: Any) -> Repository:
    """Find the repository. Raises RepositoryNotFoundError, also if its URI names another account's."""
    from deploy.registry import ecr

    repository = ecr.find(account.images, options.repository)
    owner = options.repository.account
    if owner and f":{owner}:" not in repository.arn:
        what = (
            f"{options.repository} of account {owner} is out of reach: these credentials are those of {repository.arn}"
        )
        raise RepositoryNotFoundError(
            what, then="give --profile for that account, or the name of a repository of this one"
        )
    return repository


def _require_acceptable(
    image: Image, start: ContainerConfig, options: Any, report: Reporter, *, run: bool = False
) -> None:
    """Raises ImageRefusedError if Lambda would not take the image; with `run`, also if its own event shows a fault."""
    from deploy import image as images

    with report.step(f"Check {options.image}") as note:
        images.require_acceptable(image, *images.findings(image, options.architecture, start))
        note(f"{image.architecture}, {image.unpacked_bytes / 1e6:.0f} MB")
    if run and options.dry_run:
        report.plan(f"run {options.image} under its emulator")
    elif run:
        with report.step(f"Run {options.image} under its emulator") as note:
            found = _tried(image, start)
            images.require_acceptable(image, *found)
            note("; ".join(finding.what for finding in found))


def _tried(image: Image, start: ContainerConfig) -> tuple[Finding, ...]:
    """Run the image and send it its own event, or one for any function."""
    from deploy import image as images
    from deploy.release.smoke import PROBE, event_of

    try:
        event = event_of(start)
    except ImageRefusedError:  # the label is not for this handler
        event = PROBE
    return images.tried(image, start, event, is_own=event != PROBE)


def _pushed(image: Image, repository: Repository, options: Any, report: Reporter) -> Pushed:
    from deploy.registry import push as pushing

    tag = options.tag or image.default_tag
    if options.dry_run:
        there = pushing.find_pushed(image, repository, tag)
        if there is None:
            report.plan(f"push {image.reference} to {repository.uri}:{tag}")
        return there or pushing.foreseen(image, repository, tag)
    with report.step(f"Push {image.reference} to {repository.uri}:{tag}") as note, report.layers() as progress:
        pushed = pushing.push(image, repository, tag, progress=progress)
        note("it was there already" if pushed.already_there else f"{pushed.bytes_uploaded / 1e6:.1f} MB")
    return pushed


def _settings(options: Any) -> Settings:
    """Return the settings that are given, by Lambda's names."""
    from deploy.release.function import Settings

    image = {"EntryPoint": options.entrypoint, "Command": options.command_line, "WorkingDirectory": options.workdir}
    image = {name: value for name, value in image.items() if value is not None}
    values = {
        "MemorySize": options.memory,
        "Timeout": options.timeout,
        "EphemeralStorage": options.ephemeral_storage and {"Size": options.ephemeral_storage},
        "SnapStart": options.snapstart and {"ApplyOn": "PublishedVersions" if options.snapstart == "on" else "None"},
        "KMSKeyArn": options.kms_key,
        "ImageConfig": image or None,
    }
    given = {name: value for name, value in values.items() if value is not None}
    return Settings(given, {**options.env_file, **dict(options.env)}, frozenset(options.unset_env))


def _smoke(options: Any, start: ContainerConfig | None) -> Smoke | None:
    """Return the smoke test: the user's event, or the one that the image brings along, or one for any function."""
    from deploy.release.smoke import PROBE, Smoke, event_of

    if options.no_smoke:
        return None
    event = _json_file(options.smoke) if options.smoke else event_of(start) if start else PROBE
    return Smoke(event, _json_file(options.expect) if options.expect else None)


def _json_file(path: Path) -> Any:
    """Read a document in UTF-8, UTF-16 or UTF-32, with a byte-order mark or without, as shells and editors write it."""
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return json.loads(data, parse_constant=_no_json)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}", then="give a JSON file, or - for standard input") from error


def _no_json(constant: str) -> None:
    raise ValueError(f"JSON has no {constant}")


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask on", then="--yes deletes without asking, --dry-run only shows")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise StoppedError("nothing was deleted", then="--dry-run shows what would be deleted")


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or the error's own (docs/deploy.md)."""
    take_any_text()
    given = sys.argv[1:] if arguments is None else arguments
    report = Reporter(as_json="--json" in given)
    try:
        options = cli.parse(given)
        report = Reporter(as_json=options.json, dry_run=options.dry_run, verbose=options.verbose)
        with Journal.at(options.journal) as report.journal:
            return _run(options, report)
    except (UsageError, JournalError) as error:
        error.then = suggestions.runnable(error.then, None)
        return report.failed(error)


def _run(options: Any, report: Reporter) -> int:
    try:
        with stoppable():
            COMMANDS[options.command](options, report)
            report.finish()
    except Exception as error:
        failure = _explained(error)
        failure.then = suggestions.runnable(failure.then, options)
        return report.failed(failure)
    return 0


def _explained(error: Exception) -> DeployError:
    """Return this tool's error for one of the SDK's, for a package that is missing or too old, or for a defect."""
    from deploy import libraries

    if isinstance(error, DeployError):
        return error
    lacking = libraries.lacking(error)
    if lacking:
        return lacking
    aws = sys.modules.get("deploy.aws")  # imported by every command that can raise an error of the SDK
    found = aws.explained(error) if aws else error
    if isinstance(found, DeployError):
        return found
    then = "report it, with the traceback that --json and --journal FILE have"
    return DefectError(f"{type(error).__name__}: {error}", then=then, traceback=traceback.format_exception(error))


if __name__ == "__main__":
    sys.exit(main())
