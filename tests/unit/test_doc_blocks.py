"""Blocks of code on the pages that are not carried out elsewhere are parsed, by the programs that they are meant for.

Python and the commands of hwang are carried out by tests/decoder/test_docs.py, events by tests/image/test_docs.py.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import dropwhile, pairwise
from typing import Final

import botocore.session
import pytest
from botocore import xform_name

import hwang
from deploy import cli
from function.models.event import parse_event
from function.models.job import Job
from function.triggers.delivery import parse
from tests.support.pages import MARKS, ROOT, Block, every_block, pages
from tests.unit.function.deliveries import event_bridge

SHELL: Final = {
    "cat",
    "cd",
    "cp",
    "curl",
    "date",
    "docker",
    "echo",
    "export",
    "git",
    "gpg",
    "mkdir",
    "pip",
    "sam",
    "unzip",
    "zip",
}
# Commands of aws that are no calls of an API.
AWS_ALONE: Final = {
    ("s3", "cp"),
    ("configure", ""),
    ("configure", "sso"),
    ("sso", "login"),
    ("cloudformation", "package"),
    ("lambda", "wait"),
}
AWS_OPTIONS: Final = {"endpoint-url", "region", "profile", "output", "query", "zip-file"}


def by_block(*languages: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", every_block(*languages), ids=str)


def test_every_block_has_a_language_that_is_tested_and_a_mark_that_is_known() -> None:
    for page in pages():
        fences = re.findall(r"^```(.*)$", page.read_text(), re.MULTILINE)
        assert len(fences) % 2 == 0, page
        for fence in fences[::2]:
            language, _, mark = fence.partition(" ")
            assert mark.partition("=")[0] in MARKS, (page, fence)
            assert language in ("python", "json", "console", "dockerfile", "html", "ini", "yaml", ""), (page, fence)
    assert len(every_block("python", "json", "console")) > 60


@by_block("python")
def test_python_compiles_and_uses_names_that_hwang_has(block: Block) -> None:
    tree = ast.parse(block.text, str(block))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hwang"
    }
    assert used <= set(hwang.__all__)


@by_block("json")
def test_json_is_an_event_a_job_or_well_formed(block: Block) -> None:
    assert block.documents
    for document in block.documents if not block.mark else []:
        if "videos" in document:
            Job.model_validate(document)
        else:
            parse_event(document)
    if block.mark == "upload":
        assert parse(event_bridge("in/clip.mp4"), {"HWANG_ON_UPLOAD": block.text}).requests


@by_block("dockerfile")
def test_a_dockerfile_pleases_hadolint(block: Block) -> None:
    hadolint = [str(ROOT / ".venv/bin/hadolint"), "--ignore", "DL3006", "--ignore", "DL3007", "--ignore", "DL3045", "-"]
    done = subprocess.run(hadolint, input=block.text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


@by_block("console")
def test_commands_are_there_and_take_their_options(block: Block) -> None:
    assert block.commands
    for command in block.commands:
        for words in simple_commands(command):
            check(words)


@by_block("console")
def test_a_container_that_reads_standard_input_is_given_it(block: Block) -> None:
    for command in block.commands:
        if re.search(r"\| *docker run|docker run.* <", command):
            assert "--interactive" in command, command


def simple_commands(command: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line: without pipes, redirections, parentheses and variables before it."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[str] = []
    for token in [*lexer, "|"]:
        if not set(token) <= set("|&;()"):
            words.append(token)
            continue
        kept = [
            word for before, word in pairwise(["", *words]) if word.strip("<>") and (before.strip("<>") or not before)
        ]
        kept = list(dropwhile(re.compile(r"\w+=").match, kept))
        if kept:
            yield kept
        words = []


def check(words: list[str]) -> None:
    match words:
        case ["make", *rest]:
            targets = re.findall(r"^([a-z][a-z -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            named = {word for word in rest if "=" not in word}
            assert named <= {name for names in targets for name in names.split()}, words
        case ["ecr-push", *rest] | ["python", "ecr_push.py", *rest]:
            given = [word.replace("sha256:…", f"sha256:{0:064}") for word in rest]
            assert cli.parser().parse_args(given).command, words
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), words
        case ["sam", "deploy", *_] | ["aws", "cloudformation", "deploy", *_]:
            check_parameters(words)
        case ["aws", *rest]:
            check_aws(rest)
        case [program, *_]:
            assert program in SHELL, words


def check_parameters(words: list[str]) -> None:
    """Check that the stack has the parameters that a command sets."""
    named = {word.split("=")[0] for word in words if re.match(r"[A-Z]\w+=", word)}
    template = (ROOT / "deploy/template.yaml").read_text().split("\nParameters:\n")[1].split("\nConditions:\n")[0]
    assert named <= set(re.findall(r"^  (\w+):$", template, re.MULTILINE)), words


@cache
def botocore_session() -> botocore.session.Session:
    return botocore.session.get_session()


def check_aws(words: list[str]) -> None:
    """Check a command of `aws` against the model of its service: the call, its options, those that are required."""
    service, operation = (*words, "")[:2]
    if (service, operation) in AWS_ALONE:
        return
    model = botocore_session().get_service_model({"s3api": "s3"}.get(service, service))
    name = {xform_name(each).replace("_", "-"): each for each in model.operation_names}[operation]
    shape = model.operation_model(name).input_shape
    members = {xform_name(each).replace("_", "-"): each for each in shape.members} if shape else {}
    given = {word[2:].removeprefix("no-") for word in words if word.startswith("--")}
    flags = {option.removeprefix("no-") for option in members}
    assert given <= members.keys() | flags | AWS_OPTIONS, (operation, given - members.keys())
    assert shape is not None
    needed = {option for option, member in members.items() if member in shape.required_members}
    assert needed <= given | {"client-request-token", *({"content", "code"} if "zip-file" in given else ())}, (
        operation,
        needed - given,
    )


@pytest.mark.parametrize("block", [block for block in every_block("console") if not block.mark], ids=str)
def test_commands_of_the_deploy_tool_that_need_no_account_work(block: Block) -> None:
    for command in block.commands:
        if command.startswith("ecr-push "):
            words = shlex.split(command)[1:]
            subprocess.run([sys.executable, ROOT / "ecr_push.py", *words], check=True, capture_output=True, timeout=60)
