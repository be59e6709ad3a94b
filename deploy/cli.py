"""The command line: commands, options, and the type of each value."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from deploy.errors import UsageError

if TYPE_CHECKING:
    from deploy.roles import S3Prefix

DESCRIPTION: Final = "Put a container image onto AWS Lambda: check it, push it, deploy it, and take it back."
EPILOG: Final = """\
The first time:    ecr_push.py push IMAGE --repository NAME --create
                   ecr_push.py deploy IMAGE --repository NAME --function NAME --create --role ARN
From then on:      ecr_push.py deploy IMAGE --repository NAME --function NAME
If it was wrong:   ecr_push.py rollback --function NAME

Credentials and region are the AWS SDK's: its environment variables, profiles, single sign-on, roles.
Exit codes and all else: docs/deploy.md."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_SECONDS: Final = 100_000 * 86400


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


def _duration(text: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd]?)", text)
    seconds = int(found[1]) * _UNITS[found[2] or "s"] if found else _MAX_SECONDS + 1
    if seconds > _MAX_SECONDS:
        raise argparse.ArgumentTypeError(f"{text} is not a duration such as 90s, 10m, 2h or 1d")
    return seconds


def _share(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
    if not found or not 0 < float(found[1]) < 100:
        raise argparse.ArgumentTypeError(f"{text} is not a share such as 10%")
    return float(found[1]) / 100


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[a-zA-Z]\w+", name):
        shown = f"{name}=…" if equals else f"{name[:8]}…"  # the rest may be a secret
        raise argparse.ArgumentTypeError(f"{shown} is not NAME=VALUE (a name is two letters, digits or _ at least)")
    return name, value


def _variables(path: str) -> dict[str, str]:
    """Read a JSON object of strings, or lines NAME=VALUE as `docker run --env-file` takes them."""
    try:
        text = Path("/dev/stdin" if path == "-" else path).read_text(encoding="utf-8-sig")
        if text.lstrip().startswith("{"):
            return dict(_variable(f"{name}={value}") for name, value in json.loads(text).items())
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be read: {error}") from error
    return dict(_variable(line) for line in text.splitlines() if line.strip() and not line.startswith("#"))


def _within(least: int, most: int, unit: str) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not between {least} and {most} {unit}".rstrip())
        return int(text)

    return number


def _digest(text: str) -> str:
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text):
        raise argparse.ArgumentTypeError(f"{text} is not sha256: and 64 hexadecimal digits")
    return text


def _alias(text: str) -> str:
    if not re.fullmatch(r"(?!\d+$)[a-zA-Z0-9_-]{1,128}", text):
        raise argparse.ArgumentTypeError(f"{text} is no alias: letters, digits, - and _, not digits alone")
    return text


def _place(text: str) -> S3Prefix:
    from deploy.roles import S3Prefix

    found = re.fullmatch(r"(?:s3://)?([a-z0-9][a-z0-9.-]+)(?:/(.*))?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is not BUCKET or BUCKET/PREFIX")
    return S3Prefix(found[1], found[2] or "")


def _parents() -> tuple[_Parser, _Parser]:
    """Return the options of every command, and those of every command that calls AWS."""
    common = _Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="the result as one JSON document on standard output")
    common.add_argument("--dry-run", action="store_true", help="read only, and show the calls that would be made")
    common.add_argument("--verbose", action="store_true", help="show every API call")
    common.add_argument("--journal", type=Path, metavar="FILE", help="append every step to this file, a JSON line each")
    aws = _Parser(add_help=False, parents=[common])
    aws.add_argument("--profile", help="a profile of the AWS configuration")
    aws.add_argument("--region", help="the AWS region")
    aws.add_argument("--endpoint-url", metavar="URL", help="another address of AWS, such as an emulator's")
    return common, aws


def _image_options(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "image",
        nargs="?" if optional else None,
        metavar="IMAGE",
        help="an image of the Docker Engine, a tar of `docker save`, or an OCI layout (a directory or a tar)",
    )
    parser.add_argument("--architecture", choices=("x86_64", "arm64"), help="required; chooses an image of an index")


def _function_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--function", required=True, metavar="NAME", help="the function's name or ARN")


def _alias_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--alias", type=_alias, default="live", help="alias that gets the traffic (default: live)")
    parser.add_argument("--wait", type=_duration, default=600, metavar="TIME", help="limit for each change (10m)")


def _smoke_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--smoke",
        type=Path,
        metavar="FILE",
        help="event of the smoke test (default: the image's own, or S3's test event, which asks for no work)",
    )
    parser.add_argument("--expect", type=Path, metavar="FILE", help="members that the answer must have, as JSON")
    parser.add_argument("--no-smoke", action="store_true", help="skip the smoke test")


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = _Parser(description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    common, aws = _parents()

    def command(name: str, text: str, parent: _Parser = aws) -> _Parser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=[parent])

    check = command("check", "judge whether Lambda would take an image; calls neither AWS nor a registry", common)
    _image_options(check)

    push = command("push", "put an image into an ECR repository")
    _image_options(push)
    push.add_argument("--repository", required=True, metavar="NAME")
    push.add_argument("--tag", help="another tag than the one made from the image's content")
    push.add_argument("--create", action="store_true", help="make the repository if it is missing")
    push.add_argument("--attach", action="store_true", help="store its bill of materials and CVE answers beside it")

    deploy = command("deploy", "push an image and move a function's alias to it, or leave everything as it was")
    _image_options(deploy, optional=True)
    deploy.add_argument("--digest", type=_digest, help="instead of IMAGE: an image in the repository")
    deploy.add_argument("--repository", required=True, metavar="NAME")
    deploy.add_argument("--tag", help="another tag than the one made from the image's content")
    _function_options(deploy)
    _alias_options(deploy)
    deploy.add_argument("--create", action="store_true", help="make the function if it is missing; needs --role")
    deploy.add_argument("--role", metavar="ARN", help="role of a new function")
    deploy.add_argument("--memory", type=_within(128, 10240, "MB"), metavar="MB")
    deploy.add_argument("--timeout", type=_within(1, 900, "seconds"), metavar="SECONDS")
    deploy.add_argument("--ephemeral-storage", type=_within(512, 10240, "MB"), metavar="MB", help="size of /tmp")
    deploy.add_argument("--env", type=_variable, action="append", default=[], metavar="NAME=VALUE", help="repeatable")
    deploy.add_argument("--unset-env", action="append", default=[], metavar="NAME", help="repeatable")
    deploy.add_argument("--env-file", type=_variables, default={}, metavar="FILE", help="lines NAME=VALUE, or JSON")
    deploy.add_argument("--snapstart", choices=("on", "off"))
    deploy.add_argument("--kms-key", metavar="ARN", help="key that encrypts the variables; '' for Lambda's own")
    image = deploy.add_argument_group("instead of the image's own ('' for the image's again)")
    image.add_argument("--command", type=shlex.split, dest="command_line", metavar="HANDLER", help="instead of CMD")
    image.add_argument("--entrypoint", type=shlex.split, metavar="WORDS", help="instead of ENTRYPOINT")
    image.add_argument("--workdir", metavar="PATH", help="instead of WORKDIR")
    deploy.add_argument("--function-tag", type=_pair, action="append", default=[], metavar="NAME=VALUE")
    deploy.add_argument(
        "--settings-from",
        choices=("latest", "live"),
        default="latest",
        help="settings that are not given are those of $LATEST (the default) or of the live version",
    )
    deploy.add_argument("--force", action="store_true", help="publish another version, even if nothing differs")
    _smoke_options(deploy)
    deploy.add_argument("--canary", type=_share, metavar="SHARE", help="first give it this share, such as 10%%")
    deploy.add_argument("--for", type=_duration, default=300, dest="canary_for", metavar="TIME", help="watch it (5m)")
    deploy.add_argument("--canary-errors", type=_within(0, 10**9, ""), default=0, metavar="N", help="errors tolerated")

    rollback = command("rollback", "move a function's alias back to an earlier version that can still run")
    _function_options(rollback)
    _alias_options(rollback)
    rollback.add_argument("--to", metavar="VERSION", type=_within(1, 10**9, ""), help="default: the one before")
    _smoke_options(rollback)

    status = command("status", "show versions and aliases, and whether their images still exist")
    _function_options(status)
    status.add_argument("--all", action="store_true", help="every version, not only those of aliases")

    prune = command("prune", "delete images of a repository that no version of any function runs")
    prune.add_argument("--repository", required=True, metavar="NAME")
    prune.add_argument("--keep", type=_within(0, 10**6, "images"), required=True, metavar="N", help="keep the newest N")
    prune.add_argument("--younger", type=_duration, default=86400, metavar="TIME", help="keep younger ones (1d)")
    prune.add_argument("--yes", action="store_true", help="do not ask")

    logs = command("logs", "show the function's log")
    _function_options(logs)
    logs.add_argument("--since", type=_duration, default=600, metavar="TIME", help="begin this long ago (10m)")
    logs.add_argument("--follow", action="store_true", help="go on until Ctrl-C")
    logs.add_argument("--filter", default="", metavar="PATTERN", help="CloudWatch's filter pattern")

    invoke = command("invoke", "send the function an event and show its answer")
    _function_options(invoke)
    invoke.add_argument("event", type=Path, metavar="EVENT", help="a file with JSON, or - for standard input")
    invoke.add_argument("--qualifier", default="live", metavar="ALIAS|VERSION", help="alias or version (default: live)")

    policy = command("policy", "print the least IAM policy for a command, or for a role of what is deployed", common)
    policy.add_argument("of", choices=("push", "deploy", "prune", "observe", "function", "states"))
    policy.add_argument("--repository", default="*", metavar="NAME")
    policy.add_argument("--function", default="*", metavar="NAME")
    policy.add_argument("--region", default="*")
    policy.add_argument("--account", default="*", metavar="NUMBER")
    policy.add_argument("--create", action="store_true", help="add the rights that --create needs")
    policy.add_argument("--role", metavar="ARN", help="role that deploy --create gives the function")
    policy.add_argument("--kms-key", metavar="ARN", help="key that encrypts variables (deploy), videos or results")
    roles = policy.add_argument_group("function, states")
    roles.add_argument("--videos", type=_place, metavar="BUCKET[/PREFIX]", help="place of videos")
    roles.add_argument("--results", type=_place, metavar="BUCKET[/PREFIX]", help="place of results")
    roles.add_argument("--alias", type=_alias, help="alias that jobs invoke")
    roles.add_argument("--index-beside", action="store_true", help="indexes are kept beside the videos")
    roles.add_argument("--uploads", action="store_true", help="there is a queue of uploads")
    roles.add_argument("--tracing", action="store_true", help="X-Ray traces both")
    return top


def parse(arguments: list[str] | None) -> Any:
    """Parse the command line. Raises UsageError if it makes no sense."""
    top = parser()
    options = top.parse_args(arguments)
    if options.command == "deploy":
        if bool(options.image) == bool(options.digest):
            top.error("deploy takes either IMAGE or --digest")
        if options.create != bool(options.role):
            top.error("--create needs --role ARN, and --role needs --create")
    if (
        options.command == "policy"
        and options.of in {"function", "states"}
        and not (options.videos and options.results)
    ):
        top.error(f"policy {options.of} needs --videos and --results")
    if options.command in {"deploy", "rollback"} and options.no_smoke and (options.smoke or options.expect):
        top.error("--no-smoke does not go with --smoke or --expect")
    return options


# Options of this run that a suggested command takes over, if it has them.
_CARRIED: Final = (
    "image", "digest", "function", "repository", "alias", "profile", "region", "endpoint_url"
)  # fmt: skip
_POLICIES: Final = {"push": "push", "deploy": "deploy", "rollback": "deploy", "prune": "prune"}


def runnable(text: str, given: Any) -> str:
    """Complete each command between backticks, which begins with the name of this script, so that it runs as printed.

    `given` are the options of this run; a value that nobody has named yet is in capitals.
    """
    return re.sub(r"`ecr_push\.py ([^`]+)`", lambda found: f"`{_program()} {_completed(found[1], given)}`", text)


def _completed(command: str, given: Any) -> str:
    words = shlex.split(command)
    (commands,) = (action for action in parser()._actions if isinstance(action.choices, dict))
    if words[0] not in (commands.choices or {}) or "--help" in words:
        return command
    if words == ["policy"]:
        words.append(_POLICIES.get(getattr(given, "command", ""), "observe"))
    for action in commands.choices[words[0]]._actions:  # type: ignore[index]
        is_carried = action.dest in _CARRIED and (action.dest != "alias" or action.default)
        value = getattr(given, action.dest, None) if is_carried else None
        if action.required and value is None and action.metavar:
            value = action.metavar
        if value not in (None, action.default) and not set(action.option_strings) & set(words):
            words += [*action.option_strings[-1:], str(value)]
    return shlex.join(words)


def _program() -> str:
    """Return the words that started this program, as the shell takes them."""
    script = sys.argv[0]
    if Path(script).name != "ecr_push.py":
        return "ecr-push"
    python = Path(sys.executable)
    found = shutil.which(python.name)
    return shlex.join([python.name if found and Path(found).samefile(python) else str(python), script])
