"""Any arguments in any environment: an exit code of the table, a cause and a next step, and never a traceback."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ecr_push
from deploy import cli, libraries
from deploy.console import Reporter
from deploy.errors import DefectError, DeployError, LibraryError, UsageError
from tests.deploy.tool import ROOT, Tool
from tests.deploy.trial import Trial
from tests.support.aws import StrictAws

MAX_EXAMPLES = 200
DOCUMENTED = {kind.exit_code for kind in DeployError.__subclasses__()} - {DefectError.exit_code} | {0}


def _options() -> dict[str, list[str]]:
    """The options of each command, but for the one that goes on until Ctrl-C."""
    (commands,) = (action for action in cli.parser()._actions if action.dest == "command")
    assert isinstance(commands.choices, dict)
    return {
        name: sorted({text for action in command._actions for text in action.option_strings} - {"--follow"})
        for name, command in commands.choices.items()
    }


OPTIONS = _options()
WORDS = """
- -- 0 1 99999999999999999999 1e9 5m 99999d 10% A=b on frames app nothing $LATEST s3://films/in /dev/null / ä/ö:ü arm64
deploy observe states arn:aws:iam::123456789012:role/x http://[ eu-west-1 frames:live frames: README.md
arn:aws:lambda:us-east-1:123456789012:function:frames:1 123456789012.dkr.ecr.us-east-1.amazonaws.com/app:v1
"""
VALUES = st.sampled_from([*WORDS.split(), "", "9" * 5000, "x" * 300, "A=\udcff", "\udcff", "sha256:" + "0" * 64])
TEXTS = VALUES | st.text(st.characters(exclude_characters="\0"), max_size=20)


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command, its own options and others, with values that may fit."""
    command = draw(st.sampled_from([*OPTIONS, "no-command"]))
    known = {
        "prune": ["--repository", "app", "--keep", "1", "--yes"],
        "push": ["nothing.tar", "--repository", "app"],
        "check": ["nothing.tar"],
        "policy": ["push"],
    }
    line = [command, *(known.get(command, ["--function", "frames"]) if draw(st.booleans()) else [])]
    for _ in range(draw(st.integers(0, 5))):
        line.append(draw(st.sampled_from(OPTIONS.get(command, ["--json"])) | TEXTS))
        line += draw(st.lists(TEXTS, max_size=1))
    return line


VARIABLES = """
AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_MAX_ATTEMPTS AWS_RETRY_MODE AWS_CA_BUNDLE AWS_CONFIG_FILE HTTP_PROXY HOME
AWS_SHARED_CREDENTIALS_FILE AWS_SESSION_TOKEN AWS_ACCESS_KEY_ID AWS_STS_REGIONAL_ENDPOINTS AWS_USE_FIPS_ENDPOINT
AWS_DEFAULTS_MODE COLUMNS TERM TZ LANG
"""
ENVIRONMENTS = st.dictionaries(
    st.sampled_from(VARIABLES.split()), TEXTS.filter(lambda text: _is_environment(text)), max_size=3
)


def _is_environment(text: str) -> bool:
    """Return True if the system takes it as a variable's value."""
    try:
        os.fsencode(text)
    except UnicodeError:
        return False
    return True


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of an account with a function, and no engine."""
    home = tmp_path_factory.mktemp("home")
    with StrictAws() as aws:
        aws.make_function("frames")
        yield {**aws.environment(), "DOCKER_HOST": "unix:///nowhere", "HOME": str(home), "PATH": os.environ["PATH"]}


def run(arguments: list[str], environment: dict[str, str], directory: Path) -> tuple[int, str, str]:
    """Exit code and output of the tool in this process."""
    written = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(stream, "utf-8", errors="backslashreplace", write_through=True) for stream in written)
    stdin = io.TextIOWrapper(io.BytesIO(b'{"frames": 3}'))
    with mock.patch.dict(os.environ, environment, clear=True), mock.patch.object(sys, "stdin", stdin):
        before = Path.cwd()
        os.chdir(directory)
        try:
            with redirect_stdout(out), redirect_stderr(err):
                code = ecr_push.main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os.chdir(before)
    return code, written[0].getvalue().decode(), written[1].getvalue().decode()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets, which a process closes
@settings(
    max_examples=MAX_EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(arguments=command_lines(), variables=ENVIRONMENTS)
def test_any_arguments_in_any_environment_end_as_documented(
    account: dict[str, str], tmp_path: Path, arguments: list[str], variables: dict[str, str]
) -> None:
    code, out, err = run(arguments, {**account, **variables}, tmp_path)
    assert code in DOCUMENTED, err
    assert "Traceback" not in err
    if code:
        cause, following = err.splitlines()[-2:]
        assert re.match(r"[A-Z][A-Za-z]+: .", cause)
        assert re.match(r"  next: .", following)
    if code and "--json" in arguments and arguments[0] != "logs":
        assert json.loads(out)["error"]["exit_code"] == code


@pytest.mark.parametrize("arguments", [["deploy", "--json"], ["--json"], ["no-command", "--json"], ["prune", "--json"]])
def test_a_usage_error_is_a_document_too(tool: Tool, arguments: list[str]) -> None:
    ended = tool.run(*arguments)
    assert ended.code == 2
    assert ended.document["error"]["code"] == "Usage"
    assert ended.error == "Usage"


def test_the_version_is_that_of_the_product(tool: Tool) -> None:
    assert re.fullmatch(r"ecr-push \d+\.\d+\.\d+\n", tool.run("--version").out)


def test_a_defect_is_one_line_and_its_place_is_in_the_document(account: dict[str, str], tmp_path: Path) -> None:
    with mock.patch.dict(ecr_push.COMMANDS, status=lambda *_: os.environ["NONE"]):
        code, out, err = run(["status", "--function", "frames", "--json"], account, tmp_path)
    assert code == DefectError.exit_code == 1
    assert err.splitlines()[0] == "Defect: KeyError: 'NONE'"
    assert "Traceback" not in err
    assert "in _run" in "".join(json.loads(out)["error"]["detail"]["traceback"])


def test_a_defect_that_the_sdk_calls_back_is_a_defect_too(account: dict[str, str], tmp_path: Path) -> None:
    with mock.patch.object(Reporter, "called", side_effect=KeyError("NONE")):
        code, _, err = run(["status", "--function", "frames"], account, tmp_path)
    assert (code, err.splitlines()[0]) == (DefectError.exit_code, "Defect: KeyError: 'NONE'")


@pytest.mark.parametrize("arguments", [("status", "--function", "frames"), ("check", "image.tar")])
def test_a_python_without_the_packages_says_what_to_install(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    command = [sys.executable, "-E", "-S", str(ROOT / "ecr_push.py"), *arguments]
    ended = subprocess.run(command, cwd=tmp_path, env={"AWS_REGION": "us-east-1"}, capture_output=True, text=True)
    assert ended.returncode == LibraryError.exit_code, ended.stderr
    cause, following = ended.stderr.splitlines()
    assert cause.startswith("Library: ")
    assert "has no boto3" in cause
    assert following.startswith(f"  next: {sys.executable} -m pip install 'boto3>=")


def test_an_old_python_can_read_that_it_is_too_old() -> None:
    source = (ROOT / "ecr_push.py").read_text()
    ast.parse(source, feature_version=(3, 7))
    before = source.index("import json")
    old = f"import sys\nsys.version_info = (3, 7)\n{source[source.index('if sys.version_info') : before]}"
    ended = subprocess.run([sys.executable, "-c", old], capture_output=True, text=True, check=False)
    assert ended.returncode == LibraryError.exit_code
    assert "Library: Python 3.11 or later is needed" in ended.stderr


@pytest.mark.parametrize(
    ("name", "error"), [("rich._loop", LibraryError), ("deploy.console", None), (None, LibraryError)]
)
def test_a_package_that_cannot_be_imported_is_to_be_installed_again(
    name: str | None, error: type[DeployError] | None
) -> None:
    found = libraries.lacking(ImportError("no such name", name=name))
    assert (type(found) if found else None) is error


def test_pip_installs_the_versions_that_are_asked_for() -> None:
    stated = [f"{name}>={version}" for name, version in libraries.MINIMUM.items()]
    assert f"dependencies = {json.dumps(stated)}" in (ROOT / "deploy/pyproject.toml").read_text()


FORMS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]


@pytest.mark.parametrize("encoding", FORMS)
def test_a_file_is_read_as_shells_and_editors_write_it(
    aws: StrictAws, trial: Trial, tmp_path: Path, encoding: str
) -> None:
    aws.make_function("frames")
    event = tmp_path / "event.json"
    event.write_bytes('{"video": "ä"}'.encode(encoding))
    trial.succeeds("invoke", "--function", "frames", str(event))
    assert json.loads(aws.calls("Invoke")[0].parameters["Payload"]) == {"video": "ä"}


@pytest.mark.parametrize("content", ["NaN", "[Infinity]", "[" * 100_000, '{"a": 1} x'])
def test_a_file_that_is_nearly_json_is_refused(trial: Trial, tmp_path: Path, content: str) -> None:
    event = tmp_path / "event.json"
    event.write_text(content)
    assert "is no JSON" in trial.fails(UsageError, "invoke", "--function", "frames", str(event)).err
