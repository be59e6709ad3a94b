"""Commands that errors suggest, completed so that they run as printed."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from deploy import cli

# Options of this run that a suggested command takes over, if it has them.
_CARRIED: Final = {"image", "digest", "function", "repository", "alias", "profile", "region", "endpoint_url"}
_POLICIES: Final = {"push": "push", "deploy": "deploy", "rollback": "deploy", "prune": "prune"}


def runnable(text: str, given: Any) -> str:
    """Complete each command between backticks, which begins with the name of this script, so that it runs as printed.

    `given` are the options of this run; a value that nobody has named yet is in capitals.
    """
    if profile := getattr(given, "profile", None):
        text = re.sub(r"`(aws (?:sso )?login)`", lambda found: f"`{found[1]} --profile {shlex.quote(profile)}`", text)
    return re.sub(r"`ecr_push\.py ([^`]+)`", lambda found: f"`{_program()} {_completed(found[1], given)}`", text)


def _completed(command: str, given: Any) -> str:
    words = shlex.split(command)
    carried = {name: getattr(given, name, None) for name in _CARRIED}
    if carried["alias"] == "live" or words[0] == "policy":  # whose alias is another one
        del carried["alias"]
    (commands,) = (action for action in cli.parser()._actions if isinstance(action.choices, dict))
    if words[0] not in (commands.choices or {}) or "--help" in words:
        return command
    if words == ["policy"]:
        words.append(_POLICIES.get(getattr(given, "command", ""), "observe"))
    for action in commands.choices[words[0]]._actions:  # type: ignore[index]
        value = carried.get(action.dest) or (action.metavar if action.required else None)
        if value and not set(action.option_strings) & set(words):
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
