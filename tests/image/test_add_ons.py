"""The add-ons, built into an image of their own: what they bring is there, is used, and is told by the image."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import recipe
from local.stack import docker
from verify.components import expected

pytestmark = pytest.mark.long
ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ.get("ADD_ONS_IMAGE", "hwang-lambda:add-ons")
NAMES = "opus theora vorbis vpx"
OPTIONS = recipe.options({"ADD_ONS": NAMES})
LOOK = """
import json, sys, hwang
with hwang.Decoder(sys.argv[1]) as decoder:
    index, frames = decoder.video_index, decoder.retrieve(range(len(decoder)))
    print(json.dumps([index.container, index.codec, [round(float(frame.mean()), 2) for frame in frames]]))
"""


def build(target: str, *where: str, arguments: str = f'ADD_ONS="{NAMES}"') -> None:
    """Builds a target, or raises CalledProcessError with the log as its `stderr`."""
    command = [str(ROOT / "local/image.sh"), target, *where]
    subprocess.run(command, capture_output=True, text=True, env={**os.environ, "BUILD_ARGS": arguments}, check=True)


def inside(program: str, *arguments: str, clips: Path) -> str:
    """What a program says in the image, which has no network and nothing more than the clips' folder."""
    mounts = ["--volume", f"{clips}:/clips", "--volume", f"{ROOT}/build_stages:/build_stages:ro"]
    settings = ["--env", "PYTHONPATH=/build_stages:/var/task", "--env", "PYTHONDONTWRITEBYTECODE=1"]
    limits = ["--network", "none", "--read-only", "--user", f"{os.getuid()}:{os.getgid()}"]
    command = [docker(), "run", "--rm", *limits, *mounts, *settings, "--entrypoint", program, IMAGE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clips(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program that encodes; and the image is built."""
    request.getfixturevalue("engine")
    folder = tmp_path_factory.mktemp("clips")
    build("function", IMAGE)
    build("encode", "--to", str(folder))
    return folder


@pytest.fixture(scope="module")
def stamp(clips: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(inside("cat", "/opt/share/hwang-lambda/verified.json", clips=clips))
    return found


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("ADD_ONS=theroa", f'ADD_ONS="theroa": no such add-on; there are {", ".join(recipe.add_ons())}'),
        ("WITH_VPX=1", 'WITH_VPX=1: this argument is now ADD_ONS="vpx"'),
        ("ADD_ONS=xvid WITH_X264=0", 'ADD_ONS="xvid": it is under the GPL, and so is the image only with WITH_X264=1'),
    ],
)
def test_a_build_with_arguments_that_it_does_not_know_ends_with_those_it_knows(arguments: str, said: str) -> None:
    """Docker itself only warns of an argument that no stage names."""
    with pytest.raises(subprocess.CalledProcessError) as failure:
        build("ffmpeg", "hwang-lambda:refused", arguments=arguments)
    assert f"recipe: {said}\n" in failure.value.stderr


def test_the_libraries_list_what_the_add_ons_bring_and_nothing_else(clips: Path) -> None:
    listed = inside("python3", "/build_stages/verify/components.py", "/opt/lib", clips=clips).splitlines()
    brought = sorted(set(listed) - set(expected(recipe.DEFAULTS)))
    print(*(f"  {line}" for line in brought), sep="\n")
    assert listed == expected(OPTIONS)
    assert {"encoder libopus", "encoder libvorbis", "encoder libvpx-vp9", "muxer ogg", "muxer webm"} <= set(brought)


def test_the_loader_finds_every_library_and_the_image_names_them(clips: Path, stamp: dict[str, Any]) -> None:
    said = inside("sh", "-c", "ldd /opt/lib/*.so.*", clips=clips)
    assert "not found" not in said
    libraries = {library for name in recipe.libraries(OPTIONS) for library in recipe.load(name).libraries}
    compiled = {re.sub(r".*/lib(.*)\.so.*", r"\1", path) for path in stamp["libraries"]["compiled_here"]}
    assert libraries == {"ogg", "opus", "theoradec", "theoraenc", "vorbis", "vorbisenc", "vpx"}
    assert libraries <= compiled
    assert stamp["versions"] == {product.product: product.version for product in recipe.shipped(OPTIONS)}


def test_the_licence_and_the_papers_know_the_add_ons(clips: Path, stamp: dict[str, Any]) -> None:
    command = [docker(), "image", "inspect", "--format", "{{json .Config.Labels}}", IMAGE]
    labels = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert labels["org.opencontainers.image.licenses"] == stamp["licence"] == recipe.licence(OPTIONS)
    bill = json.loads(inside("cat", "/opt/share/hwang-lambda/sbom.cdx.json", clips=clips))
    licences = {component["name"]: component["licenses"] for component in bill["components"]}
    for name in recipe.libraries(OPTIONS):
        assert licences[name] == [{"license": {"id": recipe.load(name).licence}}]
        assert inside("ls", f"/opt/share/hwang-lambda/LICENSES/{name}", clips=clips)


@pytest.mark.parametrize(
    ("file", "muxer", "video", "audio", "seen"),
    [
        ("vp9.webm", "webm", "libvpx-vp9", "libopus", ("matroska", "vp9")),
        ("vp8.webm", "webm", "libvpx", "libvorbis", ("matroska", "vp8")),
        ("theora.ogv", "ogg", "libtheora", "libvorbis", ("ogg", "theora")),
        ("theora-opus.ogv", "ogg", "libtheora", "libopus", ("ogg", "theora")),
    ],
)
def test_what_the_encoders_write_hwang_reads(
    file: str, muxer: str, video: str, audio: str, seen: tuple[str, str], clips: Path
) -> None:
    """Frames that get lighter, of an RGB that follows from their luma."""
    inside("/clips/encode", f"/clips/{file}", muxer, video, audio, clips=clips)
    container, codec, means = json.loads(inside("python3", "-c", LOOK, f"/clips/{file}", clips=clips))
    assert (container, codec) == seen
    assert means == pytest.approx([(20 + 8 * number - 16) * 255 / 219 for number in range(25)], abs=2)
