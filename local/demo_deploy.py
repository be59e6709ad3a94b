"""docs/first-deploy.md on this machine: the real image is pushed, deployed, invoked, broken, taken back and pruned.

python -m local.demo_deploy     (make demo-deploy builds the images first)

The account is that of the deploy tool's tests, stricter than AWS; its functions are containers of the images that are
pushed. Each command must end with the exit code that the page says.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from deploy.errors import ImageRefusedError, SmokeFailedError
from local import clip
from local.stack import ROOT, StackError, docker, output, reported

IMAGE: Final = "hwang-lambda:latest"
PLACE: Final = ("--repository", "frames", "--function", "frames")
COLORS: Final = {"$": "bold", "✓": "green", "✗": "red", "#": "dim"}
COLUMNS: Final = 120
# Images made of the project's: the next release, and one whose decoder lacks a library.
RECIPES: Final = {
    "next": f"FROM {IMAGE}\nLABEL release=next\n",
    "broken": f"FROM {IMAGE}\nUSER root\nRUN rm /opt/lib/libavcodec.so*\n",
}
# The screen of a terminal with fonts of the reader's machine; rich's own format loads them from the network.
SVG: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>.{unique_id}-matrix {{ font-family: ui-monospace, monospace; font-size: {char_height}px; }} {styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g></svg>
"""


@dataclass
class Rehearsal:
    """A terminal that shows commands and their output, and keeps some of it for a picture.

    `home` is an empty directory, `environment` names the account.
    """

    home: Path
    environment: dict[str, str]
    console: Console = field(default_factory=lambda: Console(highlight=False, width=COLUMNS))

    def chapter(self, title: str, *, is_kept: bool = False) -> None:
        """Announce what comes next. `is_kept`: it belongs to the picture."""
        self.console.record = is_kept
        self._line("")
        self._line(f"# {title}")

    def run(self, *words: str, stdin: str = "", code: int = 0) -> None:
        """Run the deploy tool. Raises StackError if it does not end with the exit code."""
        shown = shlex.join(words)
        self._line(f"$ {f'echo {shlex.quote(stdin)} | ' if stdin else ''}python ecr_push.py {shown}")
        command = [sys.executable, str(ROOT / "ecr_push.py"), *words]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            cwd=self.home, env=self.environment,
        ) as process:  # fmt: skip
            assert process.stdin
            assert process.stdout
            process.stdin.write(stdin)
            process.stdin.close()
            for line in process.stdout:
                self._line(line.rstrip().replace(sys.executable, "python").replace(f"{ROOT}/", ""))
        if process.returncode != code:
            raise StackError(f"{shown} ended with {process.returncode}, not {code}")

    def picture(self) -> str:
        """Return what was kept as SVG."""
        self.console.record = True
        return self.console.export_svg(title="ecr-push", code_format=SVG, unique_id="deploy", clear=False)

    def _line(self, text: str) -> None:
        line = Text(text)
        line.stylize(COLORS.get(text[:1], ""), 0, None if text[:1] in {"$", "#"} else 1)
        self.console.print(line)


@contextmanager
def account(home: Path) -> Iterator[dict[str, str]]:
    """Start the emulated AWS with the clip in its bucket. Yields the environment that finds it."""
    from tests.support.aws import StrictAws
    from tests.support.aws.cloud import Cloud, Runner

    cloud = Cloud("hwang-demo-deploy")
    cloud.up()
    try:
        with StrictAws(s3=cloud.host) as aws, Runner(cloud, aws.registry) as runner:
            aws.invocations.backend = runner
            aws.client("s3").create_bucket(Bucket="films")
            aws.client("s3").put_object(Bucket="films", Key=clip.NAME, Body=clip.fetch().read_bytes())
            machine = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
            yield {**machine, **aws.environment(), "HOME": str(home), "COLUMNS": str(COLUMNS)}
        if aws.violations:
            raise StackError(f"the account saw what AWS does not take: {aws.violations}")
    finally:
        cloud.down()


@contextmanager
def images() -> Iterator[dict[str, str]]:
    """Build the images of RECIPES. Yields their names."""
    names = {name: f"hwang-demo-deploy:{name}" for name in RECIPES}
    for name, recipe in RECIPES.items():
        command = [docker(), "build", "--quiet", "--network", "none", "--provenance=false", "--tag", names[name], "-"]
        subprocess.run(command, input=recipe, text=True, check=True, capture_output=True, timeout=300)
    try:
        yield names
    finally:
        output(docker(), "image", "rm", *names.values())


def rehearse(terminal: Rehearsal, built: dict[str, str]) -> None:
    """Run the commands of docs/first-deploy.md, in its order, and those that mend a mistake."""
    from tests.support.aws.strict import ROLE

    asked = json.dumps({"action": "probe", "video": f"s3://films/{clip.NAME}"})
    terminal.chapter("The first time")
    terminal.run("check", IMAGE)
    terminal.run("push", IMAGE, "--repository", "frames", "--create")
    terminal.run("deploy", IMAGE, *PLACE, "--create", "--role", ROLE, "--timeout", "30")
    terminal.run("invoke", "--function", "frames", "-", stdin=asked)
    terminal.chapter("Once more: nothing to do")
    terminal.run("deploy", IMAGE, *PLACE)
    terminal.chapter("The next release, with more memory", is_kept=True)
    terminal.run("deploy", built["next"], *PLACE, "--memory", "2048")
    terminal.chapter("A release that lacks a library: it is not even pushed", is_kept=True)
    terminal.run("deploy", built["broken"], *PLACE, code=ImageRefusedError.exit_code)
    terminal.chapter("A release that answers otherwise than expected: the alias stays", is_kept=True)
    (terminal.home / "expected.json").write_text('{"codecs": "all of them"}')
    again = ("deploy", built["next"], *PLACE, "--timeout", "60", "--expect", "expected.json")
    terminal.run(*again, code=SmokeFailedError.exit_code)
    terminal.run("status", "--function", "frames", "--all")
    terminal.chapter("Back to the first", is_kept=True)
    terminal.run("rollback", "--function", "frames")
    terminal.chapter("It answers again")
    terminal.run("invoke", "--function", "frames:live", "-", stdin=asked)
    terminal.run("logs", "--function", "frames", "--since", "1h", "--filter", "ERROR")
    terminal.chapter("Images that nothing runs")
    terminal.run("prune", "--repository", "frames", "--keep", "1", "--younger", "0s", "--dry-run")
    terminal.run("prune", "--repository", "frames", "--keep", "1", "--younger", "0s", "--yes")


def main() -> str:
    """Rehearse, and return the terminal's screen as SVG."""
    with tempfile.TemporaryDirectory() as home, images() as built, account(Path(home)) as environment:
        terminal = Rehearsal(Path(home), environment)
        rehearse(terminal, built)
    return terminal.picture()


if __name__ == "__main__":
    with reported("demo-deploy"):
        main()
