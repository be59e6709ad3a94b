"""Commands that texts suggest: each must be one that the tool understands, as it is printed."""

from __future__ import annotations

import re
import shlex

from deploy import cli

VALUES = {"N": "5", "NAME": "app"}
COMMAND = re.compile(r"`(?:\S*python\S* )?(?:\S*ecr_push\.py|ecr-push) ([^`]+)`")


def require_understood(text: str) -> int:
    """Parse every command between backticks; a word in capitals stands for a value. Returns their number."""
    commands = COMMAND.findall(text)
    for command in commands:
        words = [VALUES.get(word, word) for word in shlex.split(command)]
        if "--help" not in words:
            assert cli.parse(words).command == words[0], command
    return len(commands)
