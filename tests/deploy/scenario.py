"""A function that a deploy is tried on, and what must be so after it, however it ends.

After every fault: D1 an exit code, a cause in one line, a next step; D2 the alias, the code and the settings are as
they were; D3 the same command, given again, ends where it would have ended; D4 no secret is told to anybody; D5 the
journal has each step.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from deploy import errors
from deploy.errors import DeployError
from tests.deploy import suggestions
from tests.deploy.tool import Ended, Tool
from tests.support.aws import AwsError, SampleImage, StrictAws
from tests.support.aws.strict import ROLE

NAME = "frames"
WANTED = ("--memory", "2048", "--timeout", "7", "--env", "MODE=new")
CREATE = ("--create", "--role", ROLE)
AT_ONCE = ("--metrics-lag", "0s", "--canary-invocations", "0")
CANARY = ("--canary", "10%", "--for", "0s", *AT_ONCE)


@dataclass(frozen=True)
class State:
    """What a deploy may change. `alias` is None if it is not there, `digest` is empty if the function is not."""

    alias: str | None
    weights: Mapping[str, float]
    digest: str
    settings: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, aws: StrictAws) -> Self:
        try:
            function = aws.do("GetFunction", FunctionName=NAME)
        except AwsError:
            return cls(None, {}, "", {})
        try:
            alias = aws.do("GetAlias", FunctionName=NAME, Name="live")
        except AwsError:
            alias = {}
        names = (
            "MemorySize", "Timeout", "EphemeralStorage", "Environment", "Description", "Role", "Architectures",
            "ImageConfigResponse", "KMSKeyArn", "VpcConfig",
        )  # fmt: skip
        settings = {name: function["Configuration"].get(name) or None for name in names}
        settings["Tags"] = function.get("Tags", {})
        settings["SnapStart"] = function["Configuration"]["SnapStart"]["ApplyOn"]
        return cls(
            alias.get("FunctionVersion"),
            alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}),
            function["Code"].get("ResolvedImageUri", "").partition("@")[2],
            settings,
        )


@dataclass
class Scenario:
    """`image` is to be deployed by `arguments`; `before` is how all was when the scenario was set."""

    aws: StrictAws
    tool: Tool
    image: SampleImage
    arguments: tuple[str, ...]
    before: State

    @property
    def journal(self) -> Path:
        return self.tool.home / "journal"

    @property
    def now(self) -> State:
        return State.of(self.aws)

    @property
    def words(self) -> tuple[str, ...]:
        place = ("--digest", self.image.digest, "--repository", "app", "--function", NAME)
        return ("deploy", *place, "--journal", str(self.journal), *self.arguments)

    def start(self) -> subprocess.Popen[str]:
        return self.tool.start(*self.words)

    def run(self) -> Ended:
        return self.tool.run(*self.words)

    def wait(self, process: subprocess.Popen[str], stop: signal.Signals | None = None) -> Ended:
        return self.tool.wait(process, stop)

    def set(self) -> None:
        """What is now is how it was."""
        self.before = self.now

    def version(self, number: str) -> dict[str, Any]:
        return self.aws.do("GetFunction", FunctionName=NAME, Qualifier=number)

    def file(self, name: str, content: object) -> str:
        """The path of a file with this JSON."""
        path = self.tool.home / name
        path.write_text(json.dumps(content))
        return str(path)

    # What must be so.

    def require_failed(self, ended: Ended, error: type[DeployError], words: str = "", *, kept: bool = True) -> None:
        """All but D3. `kept` False: a fault that cannot leave everything as it was."""
        self.require_told(ended, error, words)
        self.require_discreet(ended)
        self.require_journal(error)
        if kept:
            assert self.now == self.before, ended

    def require_told(self, ended: Ended, error: type[DeployError], words: str = "") -> None:
        code = error.__name__.removesuffix("Error")
        lines = ended.err.splitlines()
        causes = [number for number, line in enumerate(lines) if line.startswith(f"{code}: ")]
        assert ended.code == error.exit_code, ended
        assert causes == [len(lines) - 2], ended
        assert words in lines[-2], ended
        assert lines[-1].startswith("  next: "), ended
        assert len(lines[-1]) > len("  next: "), ended
        assert "Traceback" not in ended.err
        suggestions.require_understood(lines[-1])
        assert not ended.out, ended

    def require_discreet(self, ended: Ended) -> None:
        told = ended.out + ended.err + (self.journal.read_text() if self.journal.exists() else "")
        secrets = [self.tool.environment[name] for name in ("AWS_SECRET_ACCESS_KEY",)]
        assert not any(secret in told for secret in secrets)
        assert not (self.tool.home / ".docker").exists()

    def require_journal_until(self, operation: str) -> None:
        """After a kill: whole lines, of which the last tells the call that was under way."""
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        assert lines[-1]["event"] == "call"
        assert operation in lines[-1]["call"]

    def require_journal(self, error: type[DeployError] | None = None) -> None:
        """Of the last run: whole lines, steps that have ended, and how it ended."""
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        lines = [line for line in lines if line["run"] == lines[-1]["run"]]
        steps = [line["step"] for line in lines if line["event"] == "begin"]
        ends = [line["step"] for line in lines if line["event"] in {"done", "failed"}]
        assert sorted(steps) == sorted(ends)
        assert all(line["time"] for line in lines)
        if error is None:
            assert lines[-1]["event"] == "result", lines[-1]
        else:
            assert lines[-1]["event"] == "error", lines[-1]
            assert lines[-1]["code"] == error.__name__.removesuffix("Error")

    def require_deployed(self, ended: Ended) -> None:
        """The alias is at a version with the image and the settings, and nowhere else, and so is $LATEST."""
        assert ended.code == 0, ended
        now = self.now
        assert now.alias is not None, ended
        assert not now.weights, ended
        assert now.digest == self.image.digest, ended
        live = self.version(now.alias)
        assert live["Code"]["ResolvedImageUri"] == self.aws.image_uri(self.image), ended
        assert live["Configuration"]["State"] == "Active"
        for settings in (live["Configuration"], now.settings):
            assert _fits(settings, self.arguments), ended
        self.require_discreet(ended)
        self.require_journal()

    def require_convergence(self) -> None:
        """D3."""
        self.require_deployed(self.run())


def _fits(settings: Mapping[str, Any], arguments: tuple[str, ...]) -> bool:
    """Whether the settings that the arguments name are these; what a scenario's function had besides is kept."""
    options = dict(pairwise(arguments))
    wanted = {"MemorySize": options.get("--memory"), "Timeout": options.get("--timeout")}
    variables = (settings.get("Environment") or {}).get("Variables", {})
    name, _, value = options.get("--env", "").partition("=")
    return all(value is None or settings[name] == int(value) for name, value in wanted.items()) and (
        not name or (variables.get(name) == value and (variables.get("KEPT") == "yes" or "--create" in arguments))
    )


@contextmanager
def scenario(home: Path, *arguments: str, alias: str = "live", function: bool = True) -> Iterator[Scenario]:
    """With a function of two versions, of which the alias is at the first, unless there is no `function`."""
    home.mkdir(parents=True)
    with StrictAws() as aws:
        if function:
            aws.make_function(NAME, alias=alias, MemorySize=1024, Environment={"Variables": {"KEPT": "yes"}})
        image = aws.put_image()
        made = Scenario(aws, Tool(aws.environment(), home), image, arguments, State.of(aws))
        yield made
    assert not aws.violations


def error_of(ended: Ended) -> type[DeployError]:
    """The class that its exit code stands for."""
    classes = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, DeployError)]
    return next(found for found in classes if found.exit_code == ended.code)
