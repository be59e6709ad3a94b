"""`check` with a real engine: the project's own image from the engine, as it saves it, and from a layout."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import ImageNotFoundError
from deploy.image import Finding, document, findings, open_image
from tests.deploy.images import Built, good, layout_of, old_archive_of, write_tar

IMAGE = "hwang-lambda:latest"
ROOT = Path(__file__).parents[2]


def docker(engine: str, *arguments: str, given: bytes | None = None) -> str:
    ended = subprocess.run([engine, *arguments], check=True, input=given, stdout=subprocess.PIPE)
    return ended.stdout.decode().strip()


def check(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The tool as a process."""
    kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "ecr_push.py", "check", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="session")
def image(engine: str) -> str:
    """The id of the project's image, which another build does not change."""
    return docker(engine, "image", "inspect", "--format", "{{.Id}}", IMAGE)


@pytest.fixture(scope="session")
def saved(engine: str, image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "image.tar"
    docker(engine, "save", "--output", str(path), image)
    return path


@pytest.fixture(scope="session")
def layout(saved: Path) -> Path:
    """What the engine saved, as a directory without the older manifest."""
    path = saved.parent / "layout"
    with tarfile.open(saved) as tar:
        tar.extractall(path, filter="data")
    (path / "manifest.json").unlink()
    return path


@pytest.fixture
def loaded(engine: str) -> Iterator[list[str]]:
    """Ids of images that the test loads, which go with it."""
    ids: list[str] = []
    yield ids
    for name in ids:
        docker(engine, "image", "rm", "--force", name)


def load(engine: str, built: Built, tmp_path: Path, loaded: list[str], tag: str) -> str:
    path = write_tar(old_archive_of(built, [tag]), tmp_path / "load.tar")
    docker(engine, "load", "--quiet", "--input", str(path))
    loaded.append(tag)
    return docker(engine, "image", "inspect", "--format", "{{.Id}}", tag)


def told(reference: str) -> tuple[dict[str, Any], list[Finding]]:
    """The document without what tells the forms apart, and the findings that do not."""
    with open_image(reference) as opened:
        found = findings(opened)
        shown = document(opened, found)
    for name in ("reference", "origin", "manifest_digest", "findings"):
        del shown[name]
    assert shown.pop("size_bytes") == pytest.approx(320e6, rel=0.2)  # an engine counts files, a file has the tars
    return shown, [item for item in found if item.subject not in ("manifest", "layers", "size")]


def test_an_image_is_the_same_in_the_engine_in_its_archive_and_in_a_layout(
    image: str, saved: Path, layout: Path
) -> None:
    engine_document, engine_findings = told(f"engine:{image}")
    assert engine_document["acceptable"]
    assert [item.subject for item in engine_findings if item.level == "warning"] in ([], ["base"])
    for reference in (str(saved), str(layout), f"docker-archive:{saved}", f"oci:{layout}"):
        shown, found = told(reference)
        assert found == engine_findings
        assert shown == engine_document


def test_an_image_for_another_architecture_is_judged_without_being_run(
    engine: str, tmp_path: Path, loaded: list[str]
) -> None:
    built = dataclasses.replace(good(), architecture="arm64")
    name = load(engine, built, tmp_path, loaded, f"hwang-check-{os.getpid()}:arm")
    ended = check(f"engine:{name}", "--architecture", "x86_64", "--json")
    assert ended.returncode == 12, ended.stderr
    assert "arm64, and x86_64 is wanted" in ended.stderr


@pytest.mark.alone
def test_the_check_of_the_projects_image_takes_two_seconds_at_most(image: str) -> None:
    taken = []
    for _ in range(5):
        start = time.monotonic()
        ended = check(f"engine:{image}", "--json")
        taken.append(time.monotonic() - start)
        assert ended.returncode == 0, ended.stderr
        assert json.loads(ended.stdout)["acceptable"]
    assert min(taken) <= 2.0, taken


@pytest.mark.alone
def test_the_check_of_an_archive_is_faster_yet(saved: Path) -> None:
    taken = []
    for _ in range(3):
        start = time.monotonic()
        ended = check(str(saved), DOCKER_HOST="unix:///nope")
        taken.append(time.monotonic() - start)
        assert ended.returncode == 0, ended.stderr
        assert "✓ Lambda would take it" in ended.stdout
    assert min(taken) <= 1.5, taken


# A trial under the emulator.


@pytest.fixture
def derived(engine: str, loaded: list[str]) -> Callable[..., str]:
    """An image of the project's with another line in its Dockerfile."""
    names = itertools.count()

    def made(*lines: str) -> str:
        name = f"hwang-check-{os.getpid()}:derived{next(names)}"
        text = "\n".join((f"FROM {IMAGE}", *lines))
        docker(engine, "build", "--quiet", "--network", "none", "--tag", name, "-", given=text.encode())
        loaded.append(name)
        return name

    return made


def run(reference: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """The exit code of `check --run`, and the findings: level and text by subject."""
    ended = check(reference, "--run", "--json")
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in json.loads(ended.stdout)["findings"]:
        found.setdefault(finding["subject"], []).append((finding["level"], finding["what"]))
    return ended.returncode, found


def test_the_projects_image_answers_its_own_event_and_is_as_it_was_built(image: str) -> None:
    code, found = run(f"engine:{image}")
    assert code == 0
    assert [level for level, _ in found["run"]] == ["ok"]
    ((level, what),) = found["verified"]
    assert level == "ok"
    assert "FFmpeg" in what
    assert "cve" in found


def test_an_image_without_a_library_that_it_needs_is_refused(derived: Callable[..., str]) -> None:
    code, found = run(derived("RUN rm /opt/lib/libavcodec*"))
    assert code == 12
    ((level, what),) = found["run"]
    assert level == "refused"
    assert "libavcodec" in what


def test_the_commands_that_a_refusal_suggests_show_the_whole_log(engine: str, derived: Callable[..., str]) -> None:
    ended = check(derived("RUN rm /opt/lib/libavcodec*"), "--run", "--json")
    (then,) = (found["next"] for found in json.loads(ended.stdout)["findings"] if found["subject"] == "run")
    started, sent = (shlex.split(command) for command in then.partition(": ")[2].split("; and from elsewhere: "))
    started[started.index("9000:8080")] = "127.0.0.1::8080"
    container = docker(engine, "run", "--detach", *started[2:]).strip()
    try:
        place = docker(engine, "port", container, "8080").strip()
        command = [*sent[:-1], sent[-1].replace("127.0.0.1:9000", place)]
        deadline = time.monotonic() + 60
        logs = [engine, "logs", container]
        while b"libavcodec" not in subprocess.run(logs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout:
            assert time.monotonic() < deadline
            subprocess.run(command, capture_output=True, timeout=60)  # fails until the emulator listens
    finally:
        docker(engine, "rm", "--force", container)


@pytest.mark.parametrize(
    ("lines", "level", "words"),
    [
        (['CMD ["none.handler"]'], "warning", "Unable to import module 'none'"),
        (["RUN chmod 700 /lambda-entrypoint.sh"], "refused", "does not start"),
        (["RUN rm /var/runtime/bootstrap"], "refused", "/var/runtime/bootstrap"),
        (['ENTRYPOINT ["/none"]'], "refused", "/none"),
        (['ENTRYPOINT ["/bin/sh", "-c", "exit 3"]', "CMD []"], "warning", "Runtime exited with error: exit status 3"),
        (["USER root", "RUN rm /usr/local/bin/aws-lambda-rie", 'ENTRYPOINT ["/bin/sh"]'], "note", "no emulator"),
    ],
)
def test_what_is_wrong_with_a_start_is_shown(
    lines: list[str], level: str, words: str, derived: Callable[..., str]
) -> None:
    """An event that is not the image's own gives a warning only: it may need what Lambda alone gives."""
    code, found = run(derived(*lines))
    assert found["run"][0][0] == level, found["run"]
    assert words in found["run"][0][1]
    assert code == (12 if level == "refused" else 0)


def test_files_that_replace_what_was_verified_are_warned_of(derived: Callable[..., str]) -> None:
    folder = "/var/lang/lib/python3.13/site-packages"
    code, found = run(derived(f"RUN echo '# changed' >> {folder}/numpy/version.py && rm -r {folder}/boto3/examples"))
    assert code == 0
    levels = dict(found["verified"])
    assert "are gone, or are not those that were verified: " in levels["warning"]
    assert {"numpy", "boto3"} == set(levels["warning"].rpartition(": ")[2].split(", "))


def test_an_image_in_a_file_is_not_tried_and_the_check_says_so(tmp_path: Path) -> None:
    code, found = run(str(write_tar(layout_of(good()), tmp_path / "image.tar")))
    assert code == 0
    assert found["run"] == [("note", "not tried: it is in no engine")]


def test_an_image_for_another_machine_is_not_tried(engine: str, tmp_path: Path, loaded: list[str]) -> None:
    built = dataclasses.replace(good(), architecture="arm64")
    code, found = run("engine:" + load(engine, built, tmp_path, loaded, f"hwang-check-{os.getpid()}:arm-run"))
    assert (code, found["run"]) == (0, [("note", "not tried: it is for arm64, the engine for amd64")])


@pytest.mark.parametrize("stop", [None, signal.SIGINT, signal.SIGTERM], ids=["ended", "Ctrl-C", "SIGTERM"])
def test_a_trial_leaves_no_container_behind(
    engine: str, derived: Callable[..., str], stop: signal.Signals | None
) -> None:
    name = derived(f"LABEL of={stop}")

    def containers() -> str:
        return docker(engine, "ps", "--all", "--quiet", "--filter", f"ancestor={name}")

    command = [sys.executable, "ecr_push.py", "check", name, "--run"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not containers():
            time.sleep(0.05)
        if stop:
            process.send_signal(stop)
        assert process.wait(timeout=60) == (130 if stop else 0)
    assert not containers()


# What is not there.


def test_an_image_that_the_engine_does_not_have_is_not_found(engine: str) -> None:  # noqa: ARG001
    with pytest.raises(ImageNotFoundError, match="has no image 'hwang-lambda:no-such-tag'"):
        open_image("hwang-lambda:no-such-tag")
    with pytest.raises(ImageNotFoundError):
        open_image("surely/nobody/has/this:1")


@pytest.mark.parametrize("name", ["UPPER", "a:b:c", "engine:", "-x", "a b"])
def test_what_is_no_name_is_not_found(name: str, engine: str) -> None:  # noqa: ARG001
    with pytest.raises(ImageNotFoundError):
        open_image(name)


def test_a_short_id_of_several_images_names_them(engine: str, tmp_path: Path, loaded: list[str]) -> None:
    """Images are made until two begin alike: with 17 of 16 digits at the latest."""
    ids: list[str] = []
    for number in range(17):
        built = good({"n": str(number).encode()})
        ids.append(load(engine, built, tmp_path, loaded, f"hwang-check-{os.getpid()}:{number}").removeprefix("sha256:"))
        alike = [one for one in ids if one[0] == ids[-1][0]]
        if len(alike) > 1:
            break
    with pytest.raises(ImageNotFoundError):
        open_image(f"engine:sha256:{ids[-1][0]}")


def test_an_id_leads_to_its_image(image: str) -> None:
    for reference in (image, image.removeprefix("sha256:")[:12], IMAGE):
        with open_image(reference) as opened:
            assert opened.config_digest == image


def test_a_directory_that_happens_to_have_an_images_name_is_not_taken_for_it(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / image).mkdir()
    monkeypatch.chdir(tmp_path)
    with open_image(image) as opened:
        assert opened.origin == "engine"


# No engine.


def refused_in_time(host: str, words: str, seconds: float = 2) -> None:
    start = time.monotonic()
    ended = check("engine:hwang-lambda", DOCKER_HOST=host)
    taken = time.monotonic() - start
    assert ended.returncode == 10, ended.stderr
    assert words in ended.stderr
    assert "next:" in ended.stderr
    assert len(ended.stderr.splitlines()) == 2
    assert taken < seconds, taken


@pytest.mark.alone
def test_without_a_socket_the_check_ends_with_a_hint() -> None:
    refused_in_time("unix:///nope", "Cannot connect to the Docker daemon at unix:///nope")


@pytest.mark.alone
def test_a_port_that_nothing_listens_on_ends_with_a_hint() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        refused_in_time(f"tcp://127.0.0.1:{free.getsockname()[1]}", "Cannot connect")


@pytest.mark.alone
def test_an_engine_that_does_not_answer_ends_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        refused_in_time(f"unix://{path}", "does not answer", seconds=20)


def test_something_else_than_an_engine_ends_with_a_hint(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    path.write_bytes(b"")
    refused_in_time(f"unix://{path}", "Cannot connect")


def test_a_bad_address_ends_with_a_hint() -> None:
    for host in ("ssh://nobody@nowhere.invalid", "nonsense://x"):
        ended = check("engine:hwang-lambda", DOCKER_HOST=host)
        assert ended.returncode == 10, ended.stderr
        assert "next:" in ended.stderr


def test_a_socket_that_the_user_may_not_use_ends_with_a_hint(tmp_path: Path) -> None:
    """As another user, whom the socket's directory does not let in."""
    if os.getuid() != 0:
        pytest.fail("only root can become another user")
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as closed:
        closed.bind(str(path))
        closed.listen()
        path.chmod(0o600)
        code = (
            "import os\n"
            "from deploy.image.engine import Engine\n"
            "from deploy.errors import EngineUnavailableError\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "try: Engine('docker').describe('image')\n"
            "except EngineUnavailableError as error: print(error.what, error.then)"
        )
        for directory_ in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            directory_.chmod(0o755)
        ended = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"DOCKER_HOST": f"unix://{path}", "PATH": os.environ["PATH"], "HOME": "/"},
            capture_output=True,
            text=True,
        )
    assert "permission denied" in ended.stdout, ended.stderr
    assert "docker" in ended.stdout
