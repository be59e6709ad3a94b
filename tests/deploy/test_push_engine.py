"""Images of real engines, pushed as they save them: Docker with either store, and Podman; and what skopeo copies."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.errors import EngineUnavailableError, ImageNotFoundError, TagTakenError
from deploy.image import Image, open_image
from deploy.image.engine import Engine
from deploy.image.oci import digest_of
from deploy.registry import ecr
from deploy.registry.address import Address
from deploy.registry.push import find_pushed, push
from tests.deploy import archives
from tests.deploy.containerd import DOCKERD, ContainerdEngine
from tests.deploy.cutting import CutEngine
from tests.deploy.parts import Heard
from tests.deploy.podman import Podman
from tests.deploy.targets import RegistryTarget
from tests.deploy.tool import Tool
from tests.support.aws import StrictAws
from tests.support.faults.client import Faults

ENGINES = ("docker", "containerd", "podman")
SMALL, LARGE = 2_000, 600_000
_seeds = itertools.count(os.getpid() * 1000)


@dataclass(frozen=True)
class Made:
    """An image, as `docker save` would write it, and the name that an engine has it under."""

    name: str
    archive: bytes
    config_digest: str


def make(*, seed: int | None = None, created: str = "2026-01-01T00:00:00Z") -> Made:
    """An image of layers that no other has, unless the seed is another's."""
    tars = archives.layers(next(_seeds) if seed is None else seed, LARGE, SMALL)
    name = f"push-test-{os.getpid()}-{next(_seeds)}:latest"
    configuration = archives.config(tars, created=created)
    return Made(name, archives.docker_save(tars, configuration, name), digest_of(configuration))


@pytest.fixture(scope="module")
def containerd(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerdEngine]:
    if not DOCKERD.exists():
        pytest.fail(f"no engine to start beside this one: {DOCKERD} is missing (Debian: docker.io)", pytrace=False)
    with ContainerdEngine(engine, "hwang-lambda:latest", tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    return Podman(tmp_path_factory.mktemp("podman"))


Load = Callable[[Made, str], str]


@pytest.fixture
def load(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Load]:
    """Loads an image into an engine, makes that the user's engine, and names the image, which goes after the test."""
    with ExitStack() as ends:

        def loaded(made: Made, kind: str) -> str:
            path = tmp_path / "load.tar"
            path.write_bytes(made.archive)
            if kind == "podman":
                podman = request.getfixturevalue("podman")
                monkeypatch.setenv("PATH", str(podman.bin) + os.pathsep + _without_docker(tmp_path))
                podman.run("podman", "load", "--quiet", "--input", path)
                ends.callback(podman.run, "podman", "image", "rm", "--force", made.name)
                return made.name
            if kind == "containerd":
                monkeypatch.setenv("DOCKER_HOST", request.getfixturevalue("containerd").host)
            subprocess.run([engine, "load", "--quiet", "--input", path], check=True, capture_output=True)
            ends.callback(
                subprocess.run, [engine, "image", "rm", "--force", made.name], capture_output=True, env=dict(os.environ)
            )
            return made.name

        yield loaded


def _without_docker(directory: Path) -> str:
    """A PATH with the shell's programs, and neither docker nor podman."""
    programs = directory / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("sh", "env"):
        if not (programs / name).exists():
            (programs / name).symlink_to(str(shutil.which(name)))
    return str(programs)


@pytest.fixture
def opened() -> Iterator[Callable[[str], Image]]:
    with ExitStack() as images:
        yield lambda reference: images.enter_context(open_image(reference))


@pytest.fixture
def target(address: Address, name: str) -> RegistryTarget:
    return RegistryTarget(address, name)


Open = Callable[[str], Image]


@pytest.mark.parametrize("kind", ENGINES)
def test_an_engines_image_is_pushed_as_it_is_and_read_back(
    kind: str, load: Load, opened: Open, target: RegistryTarget
) -> None:
    made, heard = make(), Heard()
    image = opened(load(made, kind))
    pushed = push(image, target, progress=heard)
    manifest = target.manifest(pushed.tag)
    assert manifest
    assert (pushed.digest, pushed.uri) == (manifest.digest, f"{target.uri}@{manifest.digest}")
    document = json.loads(manifest.data)
    assert document["config"]["digest"] == made.config_digest
    assert pushed.bytes_uploaded == sum(layer["size"] for layer in document["layers"])
    assert {status for _, status, _, _ in heard.events} == {"uploading", "uploaded"}


def test_one_image_is_the_same_wherever_it_is_kept(
    load: Load, podman: Podman, opened: Open, target: RegistryTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Docker with either store, in Podman, saved by each, and copied by skopeo: one push, and then it is there."""
    made, path = make(), os.environ["PATH"]
    references: list[str] = []
    images: list[Image] = []
    for kind in ENGINES:
        monkeypatch.setenv("PATH", path)
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        load(made, kind)
        images.append(opened(made.name))
        assert images[-1].saved.config_bytes
    podman.run("podman", "save", "--quiet", "--output", tmp_path / "podman.tar", made.name)
    podman.run("podman", "save", "--quiet", "--format", "oci-archive", "--output", tmp_path / "oci.tar", made.name)
    references += [str(tmp_path / "podman.tar"), f"oci-archive:{tmp_path}/oci.tar"]
    source = f"docker-archive:{tmp_path}/load.tar"
    for form in ("oci:{}/oci", "oci-archive:{}/skopeo-oci.tar", "docker-archive:{}/skopeo.tar"):
        reference = form.format(tmp_path)
        podman.run("skopeo", "copy", "--quiet", source, reference)
        references.append(reference)
    images += [opened(reference) for reference in (source, *references)]
    assert {image.default_tag for image in images} == {images[0].default_tag}
    # To write the OCI format, skopeo writes the configuration of another format anew.
    kept = [image for image in images if "skopeo" not in image.reference and not image.reference.startswith("oci")]
    assert {digest_of(image.saved.config_bytes) for image in kept} == {made.config_digest}
    assert len(kept) == 5
    pushed = [push(image, target) for image in images]
    assert [one.already_there for one in pushed] == [False] + [True] * (len(images) - 1)
    assert {one.digest for one in pushed} == {pushed[0].digest}


@pytest.mark.parametrize("kind", ENGINES)
def test_the_same_image_is_neither_saved_nor_pushed_again(
    kind: str,
    load: Load,
    opened: Open,
    target: RegistryTarget,
    faults: Faults,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make()
    first = push(opened(load(made, kind)), target)
    monkeypatch.setattr(Engine, "save", None)
    faults.clear()
    again = push(opened(made.name), target)
    assert again.already_there
    assert (again.digest, again.uri, again.tag, again.bytes_uploaded) == (first.digest, first.uri, first.tag, 0)
    assert {entry.method for entry in faults.log()} == {"GET"}


def test_the_same_content_built_at_another_time_is_the_same_image(
    load: Load, opened: Open, target: RegistryTarget
) -> None:
    seed = next(_seeds)
    first = push(opened(load(make(seed=seed), "docker")), target)
    again = push(opened(load(make(seed=seed, created="2026-02-02T00:00:00Z"), "docker")), target)
    assert (again.already_there, again.digest) == (True, first.digest)


def test_a_tag_that_is_another_images_is_not_moved(
    load: Load, opened: Open, target: RegistryTarget, faults: Faults
) -> None:
    first = push(opened(load(make(), "docker")), target, "tag")
    faults.clear()
    with pytest.raises(TagTakenError) as caught:
        push(opened(load(make(), "docker")), target, "tag")
    assert caught.value.detail["digest"] == first.digest
    assert {entry.method for entry in faults.log()} <= {"GET", "HEAD"}


def test_an_engine_that_goes_away_while_it_saves_is_unavailable_and_nothing_is_pushed(
    load: Load, opened: Open, target: RegistryTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = load(make(), "docker")
    with CutEngine(tmp_path / "engine.sock") as relay:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{relay.path}")
        image = opened(name)
        relay.cut_after(100_000)
        with pytest.raises(EngineUnavailableError, match="save failed"):
            push(image, target)
    assert find_pushed(image, target) is None


def test_an_image_goes_into_ecr_with_as_few_calls_as_possible(aws: StrictAws, load: Load, opened: Open) -> None:
    client, made = aws.client("ecr"), make()
    repository = ecr.create(client, "frames")
    aws.forget_calls()
    pushed = push(opened(load(made, "docker")), repository)
    called = [call.operation for call in aws.calls() if call.service == "ecr"]
    assert called == ["BatchGetImage", "GetAuthorizationToken", "BatchGetImage"]
    aws.forget_calls()
    assert push(opened(made.name), repository).already_there
    assert [call.operation for call in aws.calls()] == ["BatchGetImage"]
    assert ecr.image(client, pushed.uri)


# Which engine: as the docker program itself chooses.


def context(directory: Path, monkeypatch: pytest.MonkeyPatch, engine: str, host: str) -> None:
    """A docker configuration with a context named `other`, of this host."""
    monkeypatch.setenv("DOCKER_CONFIG", str(directory / "configuration"))
    subprocess.run([engine, "context", "create", "other", "--docker", f"host={host}"], check=True, capture_output=True)


@pytest.mark.parametrize("chosen_by", ["DOCKER_CONTEXT", "use", "DOCKER_HOST", "nothing"])
def test_the_engine_is_the_one_of_the_context(
    chosen_by: str,
    engine: str,
    containerd: ContainerdEngine,
    load: Load,
    opened: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two engines have an image of one name. The variable of a host counts before a context."""
    here, there = make(), make()
    load(here, "docker")
    other = tmp_path / "other.tar"
    other.write_bytes(there.archive.replace(there.name.encode(), here.name.encode()))
    assert len(there.name) == len(here.name)
    containerd.run("load", "--quiet", "--input", str(other))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    context(tmp_path, monkeypatch, engine, containerd.host)
    if chosen_by == "use":
        subprocess.run([engine, "context", "use", "other"], check=True, capture_output=True)
    elif chosen_by != "nothing":
        monkeypatch.setenv("DOCKER_CONTEXT", "other")
    if chosen_by == "DOCKER_HOST":
        monkeypatch.setenv("DOCKER_HOST", "unix:///var/run/docker.sock")
    wanted = there if chosen_by in ("DOCKER_CONTEXT", "use") else here
    assert digest_of(opened(here.name).saved.config_bytes) == wanted.config_digest


def test_podman_is_asked_where_no_docker_runs(
    load: Load, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A docker program without an engine stands before it on PATH; a named engine is not replaced by another."""
    made = make()
    load(made, "podman")
    docker = tmp_path / "programs/docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon at unix:///x.' >&2; exit 1\n")
    docker.chmod(0o755)
    assert digest_of(opened(made.name).saved.config_bytes) == made.config_digest
    assert opened(f"containers-storage:{made.name}").default_tag == opened(made.name).default_tag
    for reference in ("docker-daemon:" + made.name, made.name):
        with pytest.raises(EngineUnavailableError, match="Cannot connect"):
            opened(reference)
        monkeypatch.setenv("DOCKER_HOST", "unix:///x")


def test_podman_says_what_it_does_not_have(podman: Podman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(podman.bin))
    with pytest.raises(ImageNotFoundError, match="podman has no image 'push-test:none'"):
        open_image("push-test:none")


def test_an_engine_that_describes_less_than_it_saves_is_believed_in_what_it_saves(
    load: Load, opened: Open, target: RegistryTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    load(made, "docker")
    described = Engine("docker").describe(made.name)
    monkeypatch.setattr(Engine, "describe", lambda *_: described | {"Config": {**described["Config"], "Cmd": None}})
    image = opened(made.name)
    first, second = push(image, target), push(opened(made.name), target)
    assert first.tag == image.saved.default_tag != image.default_tag
    assert (second.digest, second.already_there) == (first.digest, True)


@pytest.mark.alone
def test_a_deploy_of_what_is_live_asks_the_engine_once_and_takes_a_second_and_a_half_at_most(
    engine: str, aws: StrictAws, tool: Tool, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is saved, run or pushed: the engine describes the image, and its tag is in the repository."""
    name = load(make(), "docker")
    logged = tmp_path / "logging/docker"
    logged.parent.mkdir()
    logged.write_text(f'#!/bin/sh\necho "$1 $2" >> {tmp_path}/asked\nexec {shutil.which(engine)} "$@"\n')
    logged.chmod(0o755)
    monkeypatch.setenv("PATH", f"{logged.parent}{os.pathsep}{os.environ['PATH']}")
    aws.do("CreateRepository", repositoryName="app")
    aws.make_function("frames")
    deploy = ("deploy", name, "--repository", "app", "--function", "frames", "--no-smoke")
    assert tool.run(*deploy).code == 0
    taken = []
    for _ in range(5):
        (tmp_path / "asked").unlink()
        start = time.monotonic()
        ended = tool.run(*deploy)
        taken.append(time.monotonic() - start)
        assert "nothing to do" in ended.out, ended
        assert (tmp_path / "asked").read_text().splitlines() == ["image inspect"]
    assert min(taken) <= 1.5, taken
