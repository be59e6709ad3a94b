"""Runs of the tool, and what must be so after any, however it ended.

A failure is told in one line with the next step in another, aliases are where they were, what was printed holds no
credentials, and the journal has the whole story.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from deploy.console import harmless
from deploy.errors import DeployError
from tests.deploy import suggestions
from tests.deploy.tool import Ended, Tool
from tests.support.aws import Identity, StrictAws

Traffic: TypeAlias = dict[str, tuple[str, dict[str, float]]]


def traffic(aws: StrictAws) -> Traffic:
    """Of every alias of the account: its version, and the weights of others."""
    return {
        f"{function.name}:{name}": (
            alias["FunctionVersion"],
            dict(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})),
        )
        for function in aws.store.functions.values()
        for name, alias in function.aliases.items()
    }


@dataclass(frozen=True)
class Trial:
    """`journal` is the file that all runs append to."""

    aws: StrictAws
    tool: Tool
    journal: Path

    def by(self, identity: Identity) -> Trial:
        """The same, with other credentials."""
        return Trial(self.aws, Tool(self.aws.environment(identity), self.tool.home), self.journal)

    def succeeds(self, *arguments: str) -> Ended:
        ended = self.run(*arguments)
        assert ended.code == 0, ended
        assert self.last["event"] not in ("error", "failed")
        return ended

    def fails(self, error: type[DeployError], *arguments: str, after: Traffic | None = None) -> Ended:
        """`after`: where the aliases are to be then, if somebody else moves one meanwhile."""
        before = traffic(self.aws)
        ended = self.run(*arguments)
        self.require_failure(ended, error)
        assert traffic(self.aws) == (before if after is None else after)
        return ended

    def require_failure(self, ended: Ended, error: type[DeployError]) -> None:
        name = error.__name__.removesuffix("Error")
        told = ended.err.splitlines()[-2:]
        assert (ended.code, ended.error) == (error.exit_code, name), ended
        assert told[0].startswith(f"{name}: "), ended
        assert told[1].startswith("  next: "), ended
        suggestions.require_understood(told[1])
        said = self.last
        assert said["event"] == "error"
        assert (said["code"], said["exit_code"]) == (name, error.exit_code)
        assert harmless(" ".join(said["message"].split())) == told[0].removeprefix(f"{name}: ")

    def run(self, *arguments: str, stdin: str = "") -> Ended:
        process = self.start(*arguments, stdin=subprocess.PIPE if stdin else subprocess.DEVNULL)
        return self.wait(process, stdin)

    def start(self, *arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        return self.tool.start(*arguments, "--journal", str(self.journal), stdin=stdin)

    def wait(self, process: subprocess.Popen[str], stdin: str = "") -> Ended:
        ended = self.tool.wait(process, stdin=stdin)
        shown = ended.out + ended.err + (self.journal.read_text() if self.journal.exists() else "")
        secrets = [self.aws.deployer.secret_key, *self.aws.ecr_state.passwords]
        assert not any(secret in shown for secret in secrets)
        return ended

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The journal."""
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]
