"""The command line: commands and their options."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any, Final, NoReturn

from deploy import arguments
from deploy.errors import UsageError

DESCRIPTION: Final = "Put container images onto AWS Lambda: check, push, deploy, roll back."
EPILOG: Final = """\
The first time:    ecr_push.py push IMAGE --repository NAME --create
                   ecr_push.py deploy IMAGE --repository NAME --function NAME --create --role ARN
From then on:      ecr_push.py deploy IMAGE --repository NAME --function NAME
If it was wrong:   ecr_push.py rollback --function NAME

Credentials and region are the AWS SDK's: its environment variables, profiles, single sign-on, roles.
Exit codes and all else: docs/deploy.md."""


class _Parser(argparse.ArgumentParser):
    """Parser that raises UsageError instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.partition(" ")[2]
        raise UsageError(message, then=f"`ecr_push.py {command} --help`".replace("  ", " ") + " shows what it takes")


class _Version(argparse.Action):
    """Option that prints the version and ends the program."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from deploy.libraries import own_version

        print(f"ecr-push {own_version()}")
        parser.exit()


def _parents() -> tuple[_Parser, _Parser]:
    """Return the options of every command, and those of every command that calls AWS."""
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="the result as one JSON document on standard output")
    common.add_argument("--dry-run", action="store_true", help="only read, and show the calls that it would make")
    common.add_argument("--verbose", action="store_true", help="show every API call")
    common.add_argument("--journal", type=Path, metavar="FILE", help="append every step to this file, a JSON line each")
    aws = _Parser(add_help=False, parents=[common])
    aws.add_argument("--profile", help="a profile of the AWS configuration")
    aws.add_argument("--region", help="the AWS region; deploy takes several, with commas")
    aws.add_argument("--endpoint-url", metavar="URL", help="another address of AWS, such as an emulator's")
    return common, aws


def _image_options(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "image",
        nargs="?" if optional else None,
        metavar="IMAGE",
        help="an image of Docker or Podman, or what they, buildx, skopeo or kaniko saved (a tar or a directory)",
    )
    parser.add_argument("--architecture", choices=("x86_64", "arm64"), help="the image's; chooses one from an index")


def _function_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--function", required=True, type=arguments.function, metavar="NAME", help="name, NAME:ALIAS or ARN"
    )


def _alias_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--alias", type=arguments.alias, help="alias that gets the traffic (default: live)")
    parser.add_argument(
        "--wait", type=arguments.duration, default=600, metavar="TIME", help="limit for each change (10m)"
    )


def _smoke_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--smoke",
        type=Path,
        metavar="FILE",
        help="event of the smoke test (default: the image's own, or S3's test event, which asks for no work)",
    )
    parser.add_argument("--expect", type=Path, metavar="FILE", help="members that the answer must have, as JSON")
    parser.add_argument("--no-smoke", action="store_true", help="skip the smoke test")


def _deploy_options(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    _image_options(parser, optional=True)
    option("--digest", type=arguments.digest, help="instead of IMAGE: an image in the repository")
    option("--repository", required=True, type=arguments.repository, metavar="NAME", help="name or URI")
    option("--tag", help="another tag than the one made from the image's content")
    _function_options(parser)
    _alias_options(parser)
    option("--create", action="store_true", help="make the function if it is missing; needs --role")
    option("--role", metavar="ARN", help="role of a new function")
    option("--memory", type=arguments.within(128, 10240, "MB"), metavar="MB", help="new function: 3008")
    option("--timeout", type=arguments.within(1, 900, "seconds"), metavar="SECONDS", help="new: 300")
    option("--ephemeral-storage", type=arguments.within(512, 10240, "MB"), metavar="MB", help="size of /tmp")
    option("--env", type=arguments.variable, action="append", default=[], metavar="NAME=VALUE", help="repeatable")
    option("--unset-env", action="append", default=[], metavar="NAME", help="repeatable")
    option("--env-file", type=arguments.variables, default={}, metavar="FILE", help="lines NAME=VALUE, or JSON")
    option("--snapstart", choices=("on", "off"))
    option("--kms-key", metavar="ARN", help="key that encrypts the variables; '' for Lambda's own")
    image = parser.add_argument_group("instead of the image's own ('' for the image's again)").add_argument
    image("--command", type=shlex.split, dest="command_line", metavar="HANDLER", help="instead of CMD")
    image("--entrypoint", type=shlex.split, metavar="WORDS", help="instead of ENTRYPOINT")
    image("--workdir", metavar="PATH", help="instead of WORKDIR")
    option("--function-tag", type=arguments.pair, action="append", default=[], metavar="NAME=VALUE")
    option(
        "--settings-from",
        choices=("latest", "live"),
        default="latest",
        help="settings that are not given are those of $LATEST (the default) or of the live version",
    )
    option("--force", action="store_true", help="publish another version, even if nothing differs")
    option(
        "--max-severity",
        choices=("none", "informational", "low", "medium", "high", "critical"),
        help="the worst that ECR's scan of the image may report",
    )
    option("--require-signature", action="store_true", help="deploy only what is signed")
    option("--cosign", metavar="WORDS", help="options of `cosign verify`, such as '--key cosign.pub'")
    _smoke_options(parser)
    option("--canary", type=arguments.shares, metavar="SHARES", help="its first shares of traffic, as 10%% or 5%%,25%%")
    option("--for", type=arguments.duration, default=300, dest="canary_for", metavar="TIME", help="time per share (5m)")
    option("--canary-errors", type=arguments.within(0, 10**9, ""), default=0, metavar="N", help="errors tolerated")
    option(
        "--canary-invocations", type=arguments.within(0, 10**9, ""), default=1, metavar="N", help="at least so many (1)"
    )
    option("--metrics-lag", type=arguments.duration, default=120, metavar="TIME", help="how late metrics come (2m)")
    option("--alarm", action="append", default=[], metavar="NAME", help="alarm that ends a canary; repeatable")


def parser() -> _Parser:
    """Return the parser of all commands."""
    top = _Parser(description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common, aws = _parents()

    def command(name: str, text: str, parent: _Parser = aws) -> _Parser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[parent])

    check = command("check", "judge whether Lambda would take an image; calls neither AWS nor a registry", common)
    _image_options(check)
    check.add_argument("--run", action="store_true", help="also run it in its engine, and send it its own event")

    push = command("push", "put an image into an ECR repository")
    _image_options(push)
    push.add_argument("--repository", required=True, type=arguments.repository, metavar="NAME", help="name or URI")
    push.add_argument("--tag", help="another tag than the one made from the image's content")
    push.add_argument("--create", action="store_true", help="make the repository if it is missing")
    push.add_argument("--attach", action="store_true", help="also store its bill of materials and CVE answers")

    deploy = command("deploy", "push an image and move a function's alias to it, or leave everything as it was")
    _deploy_options(deploy)

    rollback = command("rollback", "move a function's alias back to an earlier version that can still run")
    _function_options(rollback)
    _alias_options(rollback)
    rollback.add_argument(
        "--to", metavar="VERSION", type=arguments.within(1, 10**9, ""), help="default: the one before"
    )
    _smoke_options(rollback)

    status = command("status", "show versions and aliases, and whether their images still exist")
    _function_options(status)
    status.add_argument("--all", action="store_true", help="every version, not only those of aliases")

    prune = command(
        "prune", "delete old versions that deploy made, and images of a repository that no version of any function runs"
    )
    prune.add_argument("--repository", required=True, type=arguments.repository, metavar="NAME", help="name or URI")
    prune.add_argument(
        "--keep", type=arguments.within(0, 10**6, "images"), required=True, metavar="N", help="newest N to keep"
    )
    prune.add_argument(
        "--younger", type=arguments.duration, default=86400, metavar="TIME", help="keep what is younger (1d)"
    )
    prune.add_argument(
        "--other-accounts",
        choices=("refuse", "checked"),
        default="refuse",
        help="checked: you know that no function of another account runs what is deleted",
    )
    prune.add_argument("--yes", action="store_true", help="do not ask")

    logs = command("logs", "show the function's log")
    _function_options(logs)
    logs.add_argument("--since", type=arguments.duration, default=600, metavar="TIME", help="start this long ago (10m)")
    logs.add_argument("--follow", action="store_true", help="continue until Ctrl-C")
    logs.add_argument("--filter", default="", metavar="PATTERN", help="CloudWatch's filter pattern")

    invoke = command("invoke", "send the function an event and show its answer")
    _function_options(invoke)
    invoke.add_argument("event", type=Path, metavar="EVENT", help="a file with JSON, or - for standard input")
    invoke.add_argument("--qualifier", metavar="ALIAS|VERSION", help="alias or version (default: live)")

    policy = command("policy", "print the least IAM policy for a command", common)
    policy.add_argument("of", choices=("push", "deploy", "prune", "observe"))
    policy.add_argument("--repository", default="*", metavar="NAME")
    policy.add_argument("--function", default="*", metavar="NAME")
    policy.add_argument("--region", default="*")
    policy.add_argument("--account", default="*", metavar="NUMBER")
    policy.add_argument("--create", action="store_true", help="add the rights that --create needs")
    policy.add_argument("--role", metavar="ARN", help="role that deploy --create gives the function")
    policy.add_argument("--kms-key", metavar="ARN", help="key that encrypts variables")
    return top


def parse(words: list[str] | None) -> Any:
    """Parse the command line. Raises UsageError if it makes no sense."""
    top = parser()
    options = top.parse_args(words)
    _settle_names(top, options)
    if options.command == "deploy":
        if bool(options.image) == bool(options.digest):
            top.error("deploy takes either IMAGE or --digest")
        if options.create != bool(options.role):
            top.error("--create needs --role ARN, and --role needs --create")
    if options.command == "deploy" and options.alarm and not options.canary:
        top.error("--alarm is watched during a canary: it goes with --canary")
    if options.command in {"deploy", "rollback"} and options.no_smoke and (options.smoke or options.expect):
        top.error("--no-smoke does not go with --smoke or --expect")
    return options


def _settle_names(top: _Parser, options: Any) -> None:
    """Take the alias out of the function's name, and the region out of addresses; no option may contradict them."""
    for name in (getattr(options, "function", ""), getattr(options, "repository", "")):
        if region := getattr(name, "region", ""):
            if options.region not in {None, region}:
                top.error(f"--region {options.region} contradicts {region}, the region of {name}")
            options.region = region
    option = {"deploy": "alias", "rollback": "alias", "invoke": "qualifier"}.get(options.command)
    if option is None:
        return
    given, named = getattr(options, option), options.function.qualifier
    if given and named and given != named:
        top.error(f"--{option} {given} contradicts {named}, the {option} of --function")
    setattr(options, option, given or named or "live")
    if option == "alias":
        try:
            arguments.alias(options.alias)
        except argparse.ArgumentTypeError as error:
            top.error(str(error))
