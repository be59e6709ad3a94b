"""A trial of an image before anything is pushed: it runs under the emulator that is in it, and answers an event.

The container has what Lambda gives: Lambda's user, a read-only root, /tmp, no capabilities; and no network. The event
is sent from inside, so that engines on other machines and without published ports do as well.
"""

from __future__ import annotations

import json
import posixpath
import re
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from deploy.image.checks import LAMBDA_ENTRYPOINT, Finding, shown_bytes
from deploy.image.engine import EngineImage
from deploy.image.localimage import Image
from deploy.image.oci import ContainerConfig

_EMULATOR: Final = "/usr/local/bin/aws-lambda-rie"
_SECONDS: Final = 60
_LIMITS: Final = (
    *("--network", "none", "--read-only", "--tmpfs", "/tmp:exec,mode=1777", "--user", "993:990"),  # noqa: S108
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)
_VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_TIMEOUT": str(_SECONDS),
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
}
_URL: Final = "http://127.0.0.1:8080/2015-03-31/functions/function/invocations"
_PYTHON: Final = """
import sys, urllib.error, urllib.request
try: print(urllib.request.urlopen(sys.argv[1], sys.stdin.buffer.read(), float(sys.argv[2])).read().decode())
except urllib.error.HTTPError as error: print(error.read().decode())
except urllib.error.URLError: sys.exit(7)
"""
# Sends standard input to the emulator. Ends with 7, as curl does, before the emulator listens.
_SEND: Final = """
if command -v curl >/dev/null; then exec curl --silent --show-error --max-time "$2" --data-binary @- "$1"; fi
exec python3 -c "$3" "$1" "$2"
"""
_NOT_LISTENING: Final = 7
_FAILURE: Final = re.compile(r"(?:Init|Invoke) failed .*?error=(.*?)(?: InvokeID=.*)?$", re.MULTILINE)  # in its log
_FOLDER: Final = "/opt/share/hwang-lambda"
_ANSWERS: Final = ("not_affected", "fixed", "affected", "under_investigation")
_PACKAGE: Final = re.compile(r".*/site-packages/([^/]+?)(?:-[^/]*\.dist-info|\.libs)?/.*")
_MAX_NAMES: Final = 5


def tried(image: Image, start: ContainerConfig, event: Any, *, is_own: bool) -> tuple[Finding, ...]:
    """Run the image, started as a function starts it, and send it the event. Raises EngineUnavailableError.

    A fault is a refusal if the event is the image's own, made to be answered anywhere. Else it is a warning: the image
    may need variables, rights or addresses that only Lambda gives. An image that cannot be run here has a note.
    """
    if not isinstance(image, EngineImage):
        why = "an image in a file is judged by its configuration alone"
        return (Finding("note", "run", "not tried: it is in no engine", why, "docker load it, then check it by name"),)
    machine = image.engine.architecture
    if machine != image.config.architecture:
        return (Finding("note", "run", f"not tried: it is for {image.config.architecture}, the engine for {machine}"),)
    begun = time.monotonic()
    with _running(image, start) as (container, failure):
        if failure:
            return (failure,)
        answer = _answer(image, container, event)
        then = _again(image, start, event)
        judged = _judged(image, container, answer, time.monotonic() - begun, then, is_own=is_own)
        return (judged, *(_verified(image, container) if judged.level == "ok" else ()))


@contextmanager
def _running(image: EngineImage, start: ContainerConfig) -> Iterator[tuple[str, Finding | None]]:
    """Run a container and remove it at the end. Yields its name, and what hindered it from starting."""
    command = _command(start)
    options = [*_LIMITS, "--entrypoint", command[0], "--workdir", start.working_dir or "/", "--label", "ecr-push=check"]
    for name, value in _VARIABLES.items():
        options += ["--env", f"{name}={value}"]
    container = f"ecr-push-{secrets.token_hex(8)}"  # a name, so that it goes even if the answer to `create` is lost
    try:
        made = image.engine.run("create", "--name", container, *options, image.config_digest, *command[1:])
        if made.returncode:
            yield container, Finding("note", "run", f"not tried: {made.stderr.strip()[-300:]}")
            return
        started = image.engine.run("start", container)
        yield container, _not_started(command[0], " ".join(started.stderr.split())) if started.returncode else None
    finally:
        image.engine.run("rm", "--force", "--volumes", container)


def _command(start: ContainerConfig) -> list[str]:
    """Return the words that start the emulator with the function: Lambda's own entrypoint does it itself."""
    command = [*start.entrypoint, *start.cmd]
    own = command and posixpath.basename(command[0]) == LAMBDA_ENTRYPOINT
    return command if own else [_EMULATOR, *command]


def _again(image: EngineImage, start: ContainerConfig, event: Any) -> str:
    """Return the commands by which the user sees more."""
    program, *arguments = _command(start)
    run = [image.engine.program, "run", "--publish", "9000:8080", "--entrypoint", program, image.config_digest]
    send = ["curl", "--data", json.dumps(event), _URL.replace(":8080", ":9000")]
    return f"see its whole log: {shlex.join([*run, *arguments])}; and from elsewhere: {shlex.join(send)}"


def _not_started(program: str, said: str) -> Finding:
    """Judge what an engine says that did not start a container: the image's fault, or the engine's own."""
    if program == _EMULATOR and _EMULATOR in said:
        return Finding("note", "run", f"not tried: there is no emulator in it ({_EMULATOR})")
    if program not in said and "chdir" not in said:
        return Finding("note", "run", f"not tried: {said[-300:]}")
    why = "Lambda would end with InvalidEntrypoint or InvalidWorkingDirectory"
    return Finding("refused", "run", f"it does not start: {said[-300:]}", why, "see ENTRYPOINT and WORKDIR")


def _answer(image: EngineImage, container: str, event: Any) -> str | None:
    """Send the event once the emulator listens; None if it never does, or nothing in the image can send."""
    command = ("exec", "--interactive", container, "sh", "-c", _SEND, "sh", _URL, str(_SECONDS), _PYTHON)
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        ended = image.engine.run(*command, seconds=2 * _SECONDS, given=json.dumps(event).encode())
        if ended.returncode == 0:
            return ended.stdout.strip()
        if ended.returncode != _NOT_LISTENING:
            return None
        time.sleep(0.1)
    return None


def _judged(
    image: EngineImage, container: str, answer: str | None, seconds: float, then: str, *, is_own: bool
) -> Finding:
    logged = image.engine.run("logs", "--tail", "60", container)
    log = logged.stdout + logged.stderr
    try:
        found = json.loads(answer or "")
    except ValueError:
        found = {"errorType": "", "errorMessage": ""}
    if not (isinstance(found, dict) and "errorType" in found):
        return Finding("ok", "run", f"it answered its event under the emulator, {seconds:.1f} s after its start")
    state = image.engine.run("inspect", "--format", "{{.State.Status}}", container).stdout.strip()
    if answer is None and state == "running":
        return Finding("note", "run", "it starts; nothing in it can send it an event (sh, and curl or python3)")
    failures = _FAILURE.findall(log)
    message = found.get("errorMessage") or (failures[0] if failures else " | ".join(log.splitlines()[-8:])[-400:])
    what = f"it does not answer its event: {found['errorType']} {str(message)[:400]}"
    if is_own or "Runtime.Invalid" in log:
        return Finding("refused", "run", what, "it would not answer on Lambda", then)
    why = "the event is one for any function, and here it has neither the function's variables nor a network"
    return Finding("warning", "run", what, why, then)


def _verified(image: EngineImage, container: str) -> Iterator[Finding]:
    """Compare the files with what the image's build listed and proved (docs/build.md)."""
    read = image.engine.run("exec", container, "cat", f"{_FOLDER}/verified.json")
    if read.returncode:
        yield Finding("note", "verified", "not verified")
        return
    try:
        yield from _facts(json.loads(read.stdout))
    except (ValueError, LookupError, TypeError, AttributeError):
        yield Finding("warning", "verified", f"{_FOLDER}/verified.json cannot be read", then="build the image again")
    sums = image.engine.run(
        "exec", container, "sha256sum", "--check", "--quiet", f"{_FOLDER}/files.sha256", seconds=600
    )
    replaced = [line.partition(": FAILED")[0] for line in sums.stdout.splitlines() if ": FAILED" in line]
    if replaced:
        packages = list(dict.fromkeys(_PACKAGE.sub(r"\1", path) for path in replaced))
        names = ", ".join(packages[:_MAX_NAMES]) + (", …" if len(packages) > _MAX_NAMES else "")
        what = f"{len(replaced):,} files are gone, or are not those that were verified: {names}"
        why = "an image made from the verified one replaced them; nothing is proved of what runs instead"
        then = "install no other version of these packages, or test them yourself"
        yield Finding("warning", "verified", what, why, then)


def _facts(report: dict[str, Any]) -> Iterator[Finding]:
    needs, added = ", ".join(report["needs"].values()), shown_bytes(report["added"]["bytes"])
    facts = f"FFmpeg {report['ffmpeg']['version']}, {report['licence']}, needs {needs}; {added} added"
    yield Finding("ok", "verified", facts)
    if known := report.get("cve"):
        counts = {name.replace("_", " "): known[name] for name in _ANSWERS if known.get(name)}
        answers = ", ".join(f"{count} {name}" for name, count in counts.items())
        yield Finding("ok", "cve", f"{known['known']} known on {known['as_of']}: {answers}")
    if not report["redistributable"]:
        why = "it must not be given to anybody: it is for your own account alone"
        yield Finding("warning", "licences", "it was built with NONFREE=1", why, "keep its repository private")
