"""What an image starts, and whether Lambda's runtime is spoken to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.images import (
    LOADER,
    Item,
    directory,
    good,
    program,
    script,
    symlink,
)
from tests.unit.build.judging import NO_RIC, Files, Judge

# The command.


def test_no_command_at_all_is_refused(judge: Judge) -> None:
    assert judge(good(Entrypoint=None, Cmd=[])).refused == ["command"]


@pytest.mark.parametrize("cmd", [[], ["app.handler", "more"], ["/bin/sh", "-c", "app.handler"]])
def test_the_entrypoint_takes_one_handler(cmd: list[str], judge: Judge) -> None:
    found = judge(good(Cmd=cmd))
    assert found.refused == ["command"]
    assert ("shell form" in found["command"].what) == (len(cmd) == 3)


@pytest.mark.parametrize(
    "entrypoint", [["/lambda-entrypoint.sh", "app.handler"], ["../../lambda-entrypoint.sh", "app.handler"]]
)
def test_the_handler_may_be_in_the_entrypoint(entrypoint: list[str], judge: Judge) -> None:
    found = judge(good(Entrypoint=entrypoint, Cmd=[]))
    assert found.refused == []
    assert found["handler"].level == "ok"


def test_a_shell_in_front_of_the_command_is_warned_of(judge: Judge) -> None:
    found = judge(good(Entrypoint=None, Cmd=["/bin/sh", "-c", "python3 -m awslambdaric app.handler"]))
    assert found["command"].level == "warning"


@pytest.mark.parametrize("files", [{}, {"closed": directory(0o700)}, {"closed": b"a file"}])
def test_a_working_directory_that_is_closed_or_missing_is_refused(files: Files, judge: Judge) -> None:
    assert "command" in judge(good(files, WorkingDir="/closed")).refused


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({".wh.lambda-entrypoint.sh": b""}, "is no file of the image"),
        ({"lambda-entrypoint.sh": directory()}, "is no file of the image"),
        ({"lambda-entrypoint.sh": symlink("gone")}, "is no file of the image"),
        ({"lambda-entrypoint.sh": script(mode=0o644)}, "cannot be executed"),
        ({"lambda-entrypoint.sh": script(mode=0o700)}, "cannot be executed"),
        ({"lambda-entrypoint.sh": script(mode=0o711)}, "cannot be read"),
        ({"lambda-entrypoint.sh": script("exec something\n")}, "neither a program nor a script"),
        ({"lambda-entrypoint.sh": script("\ufeff#!/bin/sh\n")}, "neither a program nor a script"),
        ({"lambda-entrypoint.sh": script("#!/bin/bash\n")}, "'/bin/bash' is no file"),
        ({"lambda-entrypoint.sh": script("#!/usr/bin/env bash\n")}, "'bash' is no file"),
        ({"lambda-entrypoint.sh": script("#!/bin/sh\r\n")}, "'/bin/sh\\\\r' is no file"),
        ({"lambda-entrypoint.sh": script("#!\n")}, "is no file"),
        ({"lambda-entrypoint.sh": script("#!/lambda-entrypoint.sh\n")}, "interpret each other"),
        ({"bin/sh": Item(program().data, 0o750)}, "/bin/sh cannot be executed"),
        ({"bin": directory(0o750)}, "/bin/sh cannot be executed"),
        ({"lambda-entrypoint.sh": program(183)}, "is for arm64, and the image calls itself x86_64"),
        ({"lambda-entrypoint.sh": program(40)}, "is for another machine"),
        ({"lambda-entrypoint.sh": Item(b"\x7fELF\x01", 0o755)}, "is for another machine"),
        ({"bin/sh": program(loader="/lib/ld-musl-x86_64.so.1")}, "needs /lib/ld-musl-x86_64.so.1"),
    ],
)
def test_an_entrypoint_that_cannot_be_executed_is_refused(files: Files, what: str, judge: Judge) -> None:
    found = judge(good(files))
    assert "entrypoint" in found.refused
    assert what in found["entrypoint"].what.replace("\\r", "\\\\r")


@pytest.mark.parametrize(
    "files",
    [
        {"lambda-entrypoint.sh": program(loader=LOADER)},
        {"lambda-entrypoint.sh": Item(program().data, 0o711)},
        {"lambda-entrypoint.sh": script("#! /bin/sh -e\n")},
        {"lambda-entrypoint.sh": script("#!/usr/bin/env -S A=1 sh\n")},
        {"lambda-entrypoint.sh": symlink("/opt/start"), "opt/start": script()},
        {"lambda-entrypoint.sh": script("#!/opt/other.sh\n"), "opt/other.sh": script()},
    ],
)
def test_an_entrypoint_that_can_be_executed_is_fine(files: Files, judge: Judge) -> None:
    assert judge(good(files))["entrypoint"].level == "ok"


def test_a_bare_name_is_looked_for_in_path(judge: Judge) -> None:
    command: dict[str, Any] = {"Entrypoint": ["python3", "-m", "awslambdaric"]}
    assert judge(good(**command))["entrypoint"].level == "ok"
    assert "entrypoint" in judge(good(**command, Env=["PATH=/usr/bin:/bin"])).refused


# The runtime interface client.


@pytest.mark.parametrize("files", [{"var/runtime/.wh.bootstrap": b""}, {"var/runtime/bootstrap": script(mode=0o644)}])
def test_the_entrypoint_needs_a_bootstrap(files: Files, judge: Judge) -> None:
    assert "runtime client" in judge(good(files)).refused


RIC: dict[str, Any] = {"Entrypoint": ["/var/lang/bin/python3", "-m", "awslambdaric"]}


@pytest.mark.parametrize(
    "files",
    [
        {"var/task/awslambdaric/__init__.py": b""},
        {"var/task/awslambdaric/__init__.cpython-313-x86_64-linux-gnu.so": b""},
        {"opt/python/awslambdaric/__init__.py": b""},
        {"opt/python/lib/python3.13/site-packages/awslambdaric/__init__.py": b""},
        {"var/lang/lib/python3.13/site-packages/awslambdaric/__init__.py": b""},
        {"packages/awslambdaric/__init__.py": b""},
    ],
)
def test_the_python_client_is_found_where_python_looks(files: Files, judge: Judge) -> None:
    variables = [*good().settings["Env"], "PYTHONPATH=/packages"]
    found = judge(good(files, NO_RIC, **RIC, Env=variables))
    assert found.refused == []
    assert found["runtime client"].level == "ok"


def test_the_python_client_of_a_virtual_environment_is_found(judge: Judge) -> None:
    files: Files = {
        "venv/bin/python": symlink("/var/lang/bin/python3"),
        "venv/lib/python3.13/site-packages/awslambdaric/__init__.py": b"",
    }
    found = judge(good(files, NO_RIC, Entrypoint=["/venv/bin/python", "-m", "awslambdaric"]))
    assert found.refused == []


def test_a_python_client_that_is_not_there_is_refused(judge: Judge) -> None:
    found = judge(good({"elsewhere/awslambdaric/__init__.py": b""}, NO_RIC, **RIC))
    assert found.refused == ["runtime client"]


@pytest.mark.parametrize(
    ("files", "entrypoint"),
    [
        ({"main": program(text=b"\0AWS_LAMBDA_RUNTIME_API\0")}, ["/main"]),
        ({"var/runtime/bootstrap": program()}, ["/var/runtime/bootstrap"]),
        ({"start.sh": script("#!/bin/sh\nexec python3 -m awslambdaric $1\n")}, ["/start.sh"]),
        ({"start.sh": script("#!/bin/sh\nexec /lambda-entrypoint.sh $1\n")}, ["/start.sh"]),
        ({"npx": program()}, ["/npx", "aws-lambda-ric"]),
        ({"java": program()}, ["/java", "com.amazonaws.services.lambda.runtime.api.client.AWSLambda"]),
        ({"app": program(), "opt/extensions/lambda-adapter": program()}, ["/app"]),
    ],
)
def test_other_runtimes_are_recognised(files: Files, entrypoint: list[str], judge: Judge) -> None:
    assert judge(good(files, Entrypoint=entrypoint))["runtime client"].level == "ok"


def test_a_program_without_any_client_is_refused(judge: Judge) -> None:
    found = judge(good({"app": program()}, NO_RIC, Entrypoint=["/app"]))
    assert found.refused == ["runtime client"]


def test_a_client_that_the_command_does_not_name_is_warned_of(judge: Judge) -> None:
    found = judge(good({"app": program()}, Entrypoint=["/app"]))
    assert (found.refused, found.warned) == ([], ["runtime client"])
