"""The programs of local/ share commands, answers, and a line instead of a traceback."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import pytest

from local.stack import MapStack, Stack, StackError, output, reported


@dataclass(frozen=True)
class Answering(Stack):
    """A stack without containers, whose function gives one answer."""

    answer: dict[str, Any] | None = None

    def invoke(self, event: object) -> dict[str, Any]:
        return {"event": event, **(self.answer or {})}

    def logs(self) -> str:
        return "the logs"


def test_a_command_returns_what_it_prints_with_variables_added_to_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "1")
    code = "import os; print(os.environ['OURS'], os.environ['ADDED'])"
    assert output(sys.executable, "-c", code, environment={"ADDED": "2"}) == "1 2"


def test_a_command_that_fails_raises_its_complaint() -> None:
    with pytest.raises(StackError, match="no such thing"):
        output(sys.executable, "-c", "import sys; sys.exit('no such thing')")


def test_an_answer_comes_with_its_seconds_and_an_error_with_the_logs() -> None:
    result, seconds = Answering("p").ask({"action": "selftest"})
    assert result == {"event": {"action": "selftest"}}
    assert 0 <= seconds < 1
    failing = Answering("p", answer={"errorType": "BadEvent", "errorMessage": "frames: missing"})
    with pytest.raises(StackError, match=r"BadEvent: frames: missing\nthe logs"):
        failing.ask({})


@pytest.mark.parametrize(
    ("error", "line"), [(StackError("broken"), "demo: broken"), (KeyboardInterrupt(), "demo: int")]
)
def test_a_program_ends_with_a_line(error: BaseException, line: str) -> None:
    with pytest.raises(SystemExit, match=line), reported("demo"):
        raise error


def test_compose_files_get_the_variables_that_they_refer_to() -> None:
    assert MapStack("p", "it:1").environment.items() >= {"HWANG_IMAGE": "it:1", "HWANG_MEMORY_MB": "3008"}.items()
    assert Stack("p", variables={"HWANG_CPU": "max"}).environment["HWANG_CPU"] == "max"
