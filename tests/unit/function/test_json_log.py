"""Whatever this code and its libraries say goes to the log as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


def logged(code: str) -> list[dict[str, Any]]:
    """The lines that a process with this log writes to its output; it writes nothing else."""
    program = f"import json, sys\nfrom function.runtime import json_log\njson_log.install()\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("code", "level", "logger", "message"),
    [
        (
            "import logging; logging.getLogger('x.y').warning('a %s', 'b\\nc')",
            "WARNING",
            "x.y",
            "a b\N{REPLACEMENT CHARACTER}c",
        ),
        ("import logging; logging.warning('%d frames', 'no number')", "WARNING", "root", "%d frames"),
        ("import logging; logging.warning('https://u:p@h/a?secret=1')", "WARNING", "root", "https://…@h/a?…"),
        ("import logging; logging.basicConfig(); logging.error('once')", "ERROR", "root", "once"),
    ],
)
def test_a_record_is_a_line(code: str, level: str, logger: str, message: str) -> None:
    (line,) = logged(code)
    assert [*line] == ["timestamp", "level", "logger", "message"]
    assert (line["level"], line["logger"], line["message"]) == (level, logger, message)


def test_a_warning_is_a_line() -> None:
    (line,) = logged("import warnings; warnings.warn('old')")
    assert (line["level"], line["logger"]) == ("WARNING", "py.warnings")
    assert "UserWarning: old" in line["message"]


@pytest.mark.parametrize(
    "code",
    [
        "def fails():\n    raise ValueError('a secret')\nfails()",
        "import threading\ndef fails():\n    raise ValueError('a secret')\nthread = threading.Thread(target=fails)\n"
        "thread.start()\nthread.join()",
        "class Fails:\n    def __del__(self):\n        raise ValueError('a secret')\n"
        "def fails():\n    Fails()\nfails()",
        "import logging\ndef fails():\n    raise ValueError('a secret')\ntry:\n    fails()\n"
        "except ValueError:\n    logging.exception('it failed')",
    ],
)
def test_an_exception_is_a_line_with_its_stack_and_without_its_text(code: str) -> None:
    (line,) = logged(code)
    assert line["level"] == "ERROR"
    assert line["trace"][-1] == "ValueError"
    assert len(line["trace"]) >= 2
    assert "secret" not in json.dumps(line)


CLOSED_HANDLER = """
import logging, os
os.dup2(1, 50)
logging.getLogger().addHandler(logging.StreamHandler(os.fdopen(50, "w")))
json_log.install()
if os.fork() == 0:
    os.closerange(3, 100)
    logging.warning("from the worker")
    os._exit(0)
os.wait()
"""


def test_a_worker_that_has_closed_all_files_logs_too() -> None:
    """Lambda's own handler writes to a file that the worker does not keep."""
    (line,) = logged(CLOSED_HANDLER)
    assert line["message"] == "from the worker"


RUNTIME_CLIENT = """
import types
bootstrap = types.ModuleType("awslambdaric.bootstrap")
package = types.ModuleType("awslambdaric")
package.bootstrap = bootstrap
sys.modules |= {"awslambdaric": package, "awslambdaric.bootstrap": bootstrap}
json_log.install()
sink = types.SimpleNamespace(log_error=lambda lines: print(*lines, sep=chr(13)))
bootstrap.log_error({"errorType": "BadRequest", "errorMessage": "{}", "stackTrace": []}, sink)
"""


def test_the_error_of_an_invocation_is_a_line() -> None:
    """Lambda's runtime client would write text, and several lines of it."""
    told = {"level": "ERROR", "errorType": "BadRequest", "errorMessage": "{}", "stackTrace": []}
    assert logged(RUNTIME_CLIENT) == [told]
