"""The runtime interface client, which fetches requests from Lambda, and the files that it has to read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Final

from deploy.image.checks.command import GIDS, LAMBDA_ENTRYPOINT, UID, Command
from deploy.image.checks.finding import Finding
from deploy.image.checks.python import module, python_path, runtime_directory, task_root
from deploy.image.filesystem import EXECUTE, Filesystem
from deploy.image.localimage import Image

_API: Final = b"AWS_LAMBDA_RUNTIME_API"  # the variable by which a client finds Lambda
_ADAPTER: Final = "/opt/extensions/lambda-adapter"
# Other languages' clients, as they occur in a command or in a script that starts one.
_CLIENTS: Final = (
    b"aws-lambda-ric",
    b"aws_lambda_ric",
    b"services.lambda.runtime.api.client.AWSLambda",
    b"RuntimeSupport",
)
_MAX_PROGRAM_BYTES: Final = 128 * 1024 * 1024
_NAMED: Final = 3
_COUNTED: Final = 100_000
_INSTALL: Final = "pip install awslambdaric, or build on public.ecr.aws/lambda/python"

_no_client: Final = partial(Finding, "refused", "runtime client")
_client: Final = partial(Finding, "ok", "runtime client")


def client(image: Image, command: Command, files: Filesystem) -> Iterator[Finding]:
    """Look for the client in the way in which the command starts it."""
    if posixpath.basename(command.arguments[0]) == LAMBDA_ENTRYPOINT:
        yield _bootstrap(image, files)
    elif "awslambdaric" in command.arguments or posixpath.basename(command.arguments[-1]) == "awslambdaric":
        yield _python(image, command, files)
    elif files.find(_ADAPTER):
        yield _client(f"Lambda Web Adapter, {_ADAPTER}")
    else:
        yield _other(image, command, files)


def _bootstrap(image: Image, files: Filesystem) -> Finding:
    path = posixpath.join(runtime_directory(image), "bootstrap")
    if files.permits(path, UID, GIDS, EXECUTE):
        return _client(path)
    return _no_client(
        f"{path} is not there, or not executable by the function's user",
        why=f"it is what {LAMBDA_ENTRYPOINT} starts",
        then="build on one of Lambda's base images, or chmod a+rx it",
    )


def _python(image: Image, command: Command, files: Filesystem) -> Finding:
    found = module("awslambdaric", python_path(image, command, files), files)
    if found:
        return _client(posixpath.dirname(found.path))
    return _no_client(
        "awslambdaric is not on the image's Python path", why="the command starts it as a module", then=_INSTALL
    )


def _other(image: Image, command: Command, files: Filesystem) -> Finding:
    """Recognise a program with a client in it, or a script that starts one, by its text."""
    words = " ".join(command.arguments).encode("utf-8", "surrogateescape")
    program = command.program(files)
    if program:
        with suppress(FileNotFoundError):
            words += b"\n" + files.read(program.path, _MAX_PROGRAM_BYTES)
        if posixpath.basename(program.path) == "bootstrap" or _API in words:
            return _client(f"{program.path}, a custom runtime")
    if b"awslambdaric" in words:
        return _python(image, command, files)
    if b"lambda-entrypoint.sh" in words or b"/var/runtime/bootstrap" in words:
        return _bootstrap(image, files)
    if known := next((name for name in _CLIENTS if name in words), None):
        return _client(f"{known.decode()}, as the command names it")
    if module("awslambdaric", python_path(image, command, files), files):
        return Finding(
            "warning",
            "runtime client",
            "awslambdaric is in the image; whether the command uses it cannot be seen",
            why="without a client the function starts and never answers",
            then='ENTRYPOINT ["python3", "-m", "awslambdaric"], CMD ["module.function"]',
        )
    return _no_client(
        "none found",
        why="without a client the function starts and never answers (Runtime.ExitError, or a time-out at the start)",
        then=_INSTALL,
    )


def readable(image: Image, command: Command, files: Filesystem) -> Iterator[Finding]:
    """Look for files that the function's user cannot read, wherever code lies.

    That is the task root, the runtime, layers' /opt, and the working directory unless it is /.
    """
    roots = {task_root(image), runtime_directory(image), "/opt", command.directory} - {"/"}
    places = sorted({found.path for root in roots if (found := files.find(root))})
    places = [place for place in places if not any(place.startswith(f"{other}/") for other in places)]
    closed = list(islice((path for place in places for path in files.unreadable(place, UID, GIDS)), _COUNTED))
    if not closed:
        yield Finding("ok", "files", f"readable by the function's user in {', '.join(places) or 'no directory'}")
        return
    more = f" and {len(closed) - _NAMED:,} more" if len(closed) > _NAMED else ""
    concerned = [place for place in places if any(f"{path}/".startswith(f"{place}/") for path in closed)]
    yield Finding(
        "refused",
        "files",
        f"{len(closed):,} cannot be read by the function's user: {', '.join(closed[:_NAMED])}{more}",
        why=f"it has the uid {UID}, and is not root (PermissionDenied)",
        then=f"RUN chmod -R a+rX {' '.join(concerned)}",
    )
