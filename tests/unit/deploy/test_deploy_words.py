"""What the deploy tool says and computes without asking anybody."""

from __future__ import annotations

import ast
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import botocore
import pytest

from deploy import cli, errors, policy, suggestions
from deploy.arguments import variables
from deploy.registry import ecr
from deploy.release.function import REMEDIES, Settings, changed
from deploy.release.smoke import differs
from tests.deploy.suggestions import require_understood

ROOT = Path(__file__).resolve().parents[3]
ARN = "arn:aws-cn:lambda:cn-north-1:123456789012:function:frames"
URI = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app"
CURRENT = {
    "MemorySize": 512,
    "Timeout": 60,
    "EphemeralStorage": {"Size": 512},
    "Environment": {"Variables": {"A": "1", "B": "2"}},
    "SnapStart": {"ApplyOn": "None"},
}


def test_remedies_are_for_reason_codes_of_lambda() -> None:
    model = Path(botocore.__file__).parent / "data/lambda/2015-03-31/service-2.json.gz"
    shapes = json.loads(gzip.decompress(model.read_bytes()))["shapes"]
    codes = {*shapes["StateReasonCode"]["enum"], *shapes["LastUpdateStatusReasonCode"]["enum"]}
    assert set(REMEDIES) <= codes


def test_settings_that_are_not_named_stay() -> None:
    assert changed(CURRENT, Settings().over(CURRENT)) == {}


def test_environment_variables_are_merged_and_unset() -> None:
    wanted = Settings(environment={"B": "3", "C": "4"}, unset=frozenset({"A"})).over(CURRENT)
    assert changed(CURRENT, wanted) == {"Environment": {"Variables": {"B": "3", "C": "4"}}}


@pytest.mark.parametrize(
    ("expected", "found", "where"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ""),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, ""),
        ({"a": 1}, {}, "answer.a is missing"),
        ({"a": [1, 2]}, {"a": [1]}, "answer.a has 1 items, not 2"),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "answer.a[1].b is 3, not 2"),
        ({"a": True}, {"a": 1}, "answer.a is 1, not true"),
        (1, 1.0, ""),
        ("x", None, 'answer is null, not "x"'),
        ({"a": 1}, [1], 'answer is [1], not {"a": 1}'),
    ],
)
def test_an_answer_may_have_more_members_but_nothing_else(expected: object, found: object, where: str) -> None:
    assert differs(expected, found) == where


@pytest.mark.parametrize(
    ("host", "account"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "123456789012"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "123456789012"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "123456789012"),
        ("127.0.0.1:4566", ""),
        ("1234567890123.dkr.ecr.eu-west-1.amazonaws.com", ""),
    ],
)
@pytest.mark.parametrize("tag", ["", ":v1"])
def test_addresses_of_images_are_taken_apart(host: str, account: str, tag: str) -> None:
    assert ecr.parse_image_uri(f"{host}/team/app{tag}@sha256:00") == (account, "team/app", "sha256:00")


@pytest.mark.parametrize("text", ["", "a", "a:1", "h/a", "h/a:1", "h/@sha256:00", "h/a@"])
def test_what_is_no_image_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST/NAME"):
        ecr.parse_image_uri(text)


def test_every_error_has_an_exit_code_of_its_own_and_the_page_lists_them() -> None:
    kinds = errors.DeployError.__subclasses__()
    page = (ROOT / "docs/deploy.md").read_text()
    listed = {int(code): name for code, name in re.findall(r"^\| (\d+) `(\w+)` \|", page, re.MULTILINE)}
    assert listed == {kind.exit_code: kind.__name__.removesuffix("Error") for kind in kinds}
    assert len(listed) == len(kinds)


def test_the_pages_name_every_command_and_option() -> None:
    page = "".join((ROOT / f"docs/{name}.md").read_text() for name in ("deploy", "first-deploy", "rights"))
    (commands,) = (action for action in cli.parser()._actions if action.dest == "command")
    assert isinstance(commands.choices, dict)
    for name, command in commands.choices.items():
        assert f"`{name} " in page
        options = {option for action in command._actions for option in action.option_strings if option.startswith("--")}
        assert {option for option in options - {"--help"} if option not in page} == set(), name


@pytest.mark.parametrize("name", sorted(policy.POLICIES))
def test_a_policy_names_each_action_once_and_no_wildcard_action(name: str) -> None:
    document = policy.POLICIES[name](policy.Scope(create=True))
    actions = [action for statement in document["Statement"] for action in statement["Action"]]
    assert len(actions) == len(set(actions))
    assert not any("*" in action for action in actions)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["check"],
        ["deploy", "--repository", "r", "--function", "f"],
        ["deploy", "image", "--digest", "sha256:" + "0" * 64, "--repository", "r", "--function", "f"],
        ["deploy", "image", "--repository", "r", "--function", "f", "--create"],
        ["deploy", "image", "--repository", "r", "--function", "f", "--canary", "100%"],
        ["deploy", "image", "--repository", "r", "--function", "f", "--alias", "12"],
        ["deploy", "image", "--repository", "r", "--function", "f", "--memory", "64"],
        ["deploy", "image", "--repository", "r", "--function", "f", "--env", "A"],
        ["deploy", "image", "--repository", "r", "--function", "f", "--wait", "soon"],
        ["deploy", "--digest", "sha256:0", "--repository", "r", "--function", "f"],
        ["rollback", "--function", "f:7"],
        ["rollback", "--function", "f:blue", "--alias", "green"],
        ["rollback", "--function", ARN, "--region", "eu-west-1"],
        ["status", "--function", ""],
        ["status", "--function", "a b"],
        ["push", "image", "--repository", "App"],
        ["push", "image", "--repository", URI, "--region", "us-east-1"],
        ["rollback", "--function", "f", "--no-smoke", "--expect", "x.json"],
        ["policy", "function"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(errors.UsageError):
        cli.parse(arguments)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["deploy", "i", "--repository", "app", "--function", "frames:blue"], {"function": "frames", "alias": "blue"}),
        (["rollback", "--function", f"{ARN}:blue"], {"function": ARN, "alias": "blue", "region": "cn-north-1"}),
        (["rollback", "--function", "frames"], {"function": "frames", "alias": "live", "region": None}),
        (["rollback", "--function", "frames:blue", "--alias", "blue"], {"function": "frames", "alias": "blue"}),
        (["invoke", "--function", "frames:7", "-"], {"function": "frames", "qualifier": "7"}),
        (["invoke", "--function", "123456789012:function:frames:$LATEST", "-"], {"qualifier": "$LATEST"}),
        (["status", "--function", "frames:blue"], {"function": "frames"}),
        (["push", "i", "--repository", f"{URI}:v1"], {"repository": "team/app", "region": "eu-west-1"}),
        (["push", "i", "--repository", "127.0.0.1:5000/app"], {"repository": "app", "region": None}),
        (["push", "i", "--repository", "team/app"], {"repository": "team/app", "region": None}),
    ],
)
def test_names_are_taken_out_of_what_aws_prints(arguments: list[str], found: dict[str, str | None]) -> None:
    options = vars(cli.parse(arguments))
    assert {name: options[name] for name in found} == found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("text", ["# variables\nMODE=new\r\n\nNAME=ä=b", '{"MODE": "new", "NAME": "ä=b"}'])
def test_variables_are_read_as_shells_and_editors_write_them(tmp_path: Path, encoding: str, text: str) -> None:
    path = tmp_path / "variables"
    path.write_bytes(text.encode(encoding))
    assert variables(str(path)) == {"MODE": "new", "NAME": "ä=b"}


def suggested() -> list[str]:
    """Every text of the tool that names a command of it; what is filled in is x."""
    texts: list[str] = []
    for path in [ROOT / "ecr_push.py", *(ROOT / "deploy").rglob("*.py")]:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        filled: list[list[ast.expr]] = [node.values for node in nodes if isinstance(node, ast.JoinedStr)]
        inside = {id(part) for parts in filled for part in parts}
        plain: list[list[ast.expr]] = [
            [node] for node in nodes if isinstance(node, ast.Constant) and id(node) not in inside
        ]
        texts += [
            "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in parts)
            for parts in [*filled, *plain]
        ]
    return [text for text in texts if "`ecr_push.py " in text]


OF_A_DEPLOY = ["deploy", "image.tar", "--repository", "app", "--function", "frames"]


@pytest.mark.parametrize("program", ["/usr/local/bin/ecr-push", "tools/ecr_push.py"])
@pytest.mark.parametrize(
    "arguments", [OF_A_DEPLOY, ["status", "--function", "frames"], ["prune", "--repository", "app", "--keep", "1"]]
)
def test_every_command_that_an_error_suggests_is_understood_as_printed(
    monkeypatch: pytest.MonkeyPatch, program: str, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program])
    texts = suggested()
    assert len(texts) > 10
    for text in texts:
        for given in (cli.parse(arguments), None):
            assert require_understood(suggestions.runnable(text, given)), text


def test_a_suggested_command_asks_the_same_place_for_the_same_things(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/ecr-push"])
    given = cli.parse([*OF_A_DEPLOY, "--profile", "my work", "--region", "eu-west-1", "--alias", "blue"])
    completed = {
        "status": "status --profile 'my work' --region eu-west-1 --function frames",
        "rollback": "rollback --profile 'my work' --region eu-west-1 --function frames --alias blue",
        "push --create": "push --create --profile 'my work' --region eu-west-1 image.tar --repository app",
        "policy": "policy deploy --repository app --function frames --region eu-west-1",
    }
    for short, whole in completed.items():
        assert suggestions.runnable(f"`ecr_push.py {short}`, then", given) == f"`ecr-push {whole}`, then"
    assert suggestions.runnable("`aws sso login`", given) == "`aws sso login --profile 'my work'`"
    assert suggestions.runnable("`ecr_push.py prune`", None) == "`ecr-push prune --repository NAME --keep N`"


def test_help_imports_neither_an_sdk_nor_a_table_printer() -> None:
    code = (
        "import sys, ecr_push\n"
        "try: ecr_push.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('boto3', 'botocore', 'docker', 'requests', 'pydantic', 'rich') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_the_innermost_error_of_a_circle_is_found() -> None:
    first, second = ValueError("a"), OSError("b")
    first.__cause__, second.__context__ = second, first
    assert errors.innermost(first) is second
    first.__cause__ = first
    assert errors.innermost(first) is first
