"""The command that Lambda starts: its arguments, the program, and everything that executing it takes."""

from __future__ import annotations

import posixpath
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from deploy.image import oci
from deploy.image.checks.finding import Finding
from deploy.image.filesystem import EXECUTE, READ, Filesystem, Found
from deploy.image.localimage import Image
from deploy.image.tarfiles import Kind

UID: Final = 993
GIDS: Final = frozenset({990})

LAMBDA_ENTRYPOINT: Final = "lambda-entrypoint.sh"
_DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HEAD_BYTES: Final = 4096
_MAX_DEPTH: Final = 4  # as Linux: a script's interpreter may be a script
_MACHINES: Final = {62: "amd64", 183: "arm64"}
_INTERPRETER: Final = 3  # a program header's type

_bad_command: Final = partial(Finding, "refused", "command")
_bad_entrypoint: Final = partial(Finding, "refused", "entrypoint")


@dataclass(frozen=True)
class Command:
    """ENTRYPOINT and CMD as one list, executed in `directory`; `search` is PATH."""

    arguments: tuple[str, ...]
    directory: str
    search: tuple[str, ...]

    @classmethod
    def of(cls, image: Image) -> Command:
        """Return the command of an image's configuration."""
        settings = image.config.config
        path = settings.environment.get("PATH") or _DEFAULT_PATH
        return cls((*settings.entrypoint, *settings.cmd), settings.working_dir or "/", tuple(path.split(":")))

    @property
    def handler(self) -> str:
        """Handler that Lambda's own entrypoint or the Python client runs; empty for other commands, or if unclear."""
        rest = self.after_start()
        return rest[0] if rest is not None and len(rest) == 1 else ""

    def after_start(self) -> tuple[str, ...] | None:
        """Return the arguments after the program that starts handlers; None if there is no known one."""
        arguments = self.arguments
        if arguments and posixpath.basename(arguments[0]) == LAMBDA_ENTRYPOINT:
            return arguments[1:]
        for number in range(1, len(arguments) - 1):
            if arguments[number : number + 2] == ("-m", "awslambdaric"):
                return arguments[number + 2 :]
        if arguments and posixpath.basename(arguments[-1]) == "awslambdaric":
            return ()
        return None

    def program(self, files: Filesystem) -> Found | None:
        """Return the file that is executed."""
        return self.located(files, self.arguments[0]) if self.arguments else None

    def located(self, files: Filesystem, name: str) -> Found | None:
        """Return the file that a name would execute: a path from the working directory, or a name in PATH."""
        if "/" in name:
            return files.find(posixpath.join(self.directory, name))
        found = (files.find(posixpath.join(self.directory, place, name)) for place in self.search)
        return next((item for item in found if item is not None and item.node.kind is Kind.FILE), None)


def shape(command: Command) -> Iterator[Finding]:
    """Require a command, with exactly one argument for a program that starts handlers."""
    if not command.arguments:
        yield _bad_command(
            "neither ENTRYPOINT nor CMD",
            why="Lambda would not know what to start",
            then='as on Lambda\'s Python base: ENTRYPOINT ["/lambda-entrypoint.sh"], CMD ["module.function"]',
        )
        return
    rest = command.after_start()
    if rest is None:
        if command.arguments[:2] in (("/bin/sh", "-c"), ("sh", "-c")):
            yield Finding(
                "warning",
                "command",
                "ENTRYPOINT or CMD is in the shell form",
                why="a shell is what Lambda starts then, and a command given to the function is lost",
                then='write it as a list: CMD ["module.function"]',
            )
        return
    if len(rest) != 1:
        shell = "; CMD is in the shell form" if rest[:2] == ("/bin/sh", "-c") else ""
        yield _bad_command(
            f"{len(rest)} arguments where the handler alone is expected{shell}: {' '.join(rest)[:100] or 'none'}",
            why="the entrypoint takes exactly one",
            then='CMD ["module.function"]',
        )


def directory(command: Command, files: Filesystem) -> Iterator[Finding]:
    """Require the working directory, open to the function's user."""
    found = files.find(command.directory)
    if found is None or not found.node.is_directory or not files.permits(command.directory, UID, GIDS, EXECUTE):
        yield _bad_command(
            f"WORKDIR {command.directory} is not there, or closed to the function's user",
            why="Lambda starts the command there (InvalidWorkingDirectory)",
            then="RUN mkdir -p it and chmod a+rx it",
        )


def executable(command: Command, files: Filesystem, architecture: str) -> Iterator[Finding]:
    """Require an executable program, and an executable interpreter of a script."""
    name, passed = command.arguments[0], []
    for _ in range(_MAX_DEPTH):
        found = command.located(files, name)
        if found is None or found.node.kind is not Kind.FILE:
            yield _bad_entrypoint(
                f"{name!r} is no file of the image",
                why="there is nothing to execute (InvalidEntrypoint)",
                then="write the script with \\n alone at its line ends"
                if name.endswith("\r")
                else "check its path and PATH",
            )
            return
        if wrong := _forbidden(found.path, files):
            yield wrong
            return
        passed.append(found.path)
        head = files.read(found.path, _HEAD_BYTES)
        if head.startswith(b"\x7fELF"):
            yield _binary(found.path, head, files, architecture) or Finding("ok", "entrypoint", ", by ".join(passed))
            return
        if not head.startswith(b"#!"):
            yield _bad_entrypoint(
                f"{found.path} is neither a program nor a script that names its interpreter",
                why="the kernel cannot execute it (exec format error)",
                then="begin it with #!/bin/sh, without a byte-order mark before it",
            )
            return
        name = _interpreter(head)
    yield _bad_entrypoint(f"scripts interpret each other: {name}", then="name a program in the first line")


def _interpreter(script: bytes) -> str:
    """Return the interpreter of a script; for `env` it is the program that env will look for."""
    words = script[2:].partition(b"\n")[0].decode("utf-8", "surrogateescape").split(" ")
    words = [word for word in words if word]
    if words and posixpath.basename(words[0]) == "env" and len(words) > 1:
        names = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        return names[0] if names else words[0]
    return words[0] if words else ""


def _forbidden(path: str, files: Filesystem) -> Finding | None:
    """Refuse a program that the function's user cannot execute, or a script that it cannot read."""
    if not files.permits(path, UID, GIDS, EXECUTE):
        missing = "executed"
    elif not files.permits(path, UID, GIDS, READ) and files.read(path, 2) == b"#!":
        missing = "read"
    else:
        return None
    return _bad_entrypoint(
        f"{path} cannot be {missing} by the function's user",
        why=f"it has the uid {UID}, and is not root (InvalidEntrypoint)",
        then=f"RUN chmod a+rx {path}, and a+x the directories above it",
    )


def _binary(path: str, head: bytes, files: Filesystem, architecture: str) -> Finding | None:
    """Refuse an ELF file for another machine, or one whose loader is missing."""
    machine, loader = _elf(head)
    if machine != oci.OCI_NAMES.get(architecture, architecture):
        return _bad_entrypoint(
            f"{path} is for {machine or 'another machine'}, and the image calls itself {architecture}",
            why="the kernel cannot execute it (exec format error)",
            then="docker build --platform, and the same platform for each base image in it",
        )
    if loader and files.find(loader) is None:
        return _bad_entrypoint(
            f"{path} needs {loader}, which is not in the image",
            why="the kernel then says that the program itself does not exist",
            then="build it for this base image: glibc and musl are not the same",
        )
    return None


def _elf(head: bytes) -> tuple[str, str]:
    """Return the machine by an image's name, and the loader; empty for another machine, or without a loader."""
    if len(head) < 64 or head[4:6] != b"\x02\x01":  # 64 bits, little endian
        return "", ""
    machine = _MACHINES.get(struct.unpack_from("<H", head, 18)[0], "")
    (start,) = struct.unpack_from("<Q", head, 32)
    entry_bytes, count = struct.unpack_from("<HH", head, 54)
    for number in range(count):
        at = start + number * entry_bytes
        if at + 56 > len(head):
            break
        kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", head, at)
        if kind == _INTERPRETER and offset + length <= len(head):
            return machine, head[offset : offset + length].rstrip(b"\0").decode("utf-8", "surrogateescape")
    return machine, ""
