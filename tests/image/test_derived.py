"""Images made from the image: packages come on top, complete and replace each other, and the libraries stay found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local import clip as real_clip
from local.stack import ROOT
from tests.conftest import IMAGE
from tests.image.building import build, remove, trusting
from tests.support.tree import site_packages

pytestmark = [pytest.mark.usefixtures("as_built")]
DECODE = "import hwang; print(int(hwang.Decoder('/clip.mp4').frames([0, 100]).sum(dtype='u8')))"
# What broke while packages were trimmed, and more that is imported of them.
USED = """
import boto3, numpy.f2py, numpy.testing, PIL.ImageCms, PIL.AvifImagePlugin, pydantic.v1, botocore.docs
boto3.resource("s3"), boto3.client("dynamodb"), boto3.client("sqs"), boto3.session.Session().get_available_services()
"""


@pytest.fixture(scope="module")
def derived(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:  # noqa: ARG001
    """Builds an image of these lines on top of ours, and gives its tag."""
    folder = tmp_path_factory.mktemp("derived")
    tags: list[str] = []
    with trusting(IMAGE, folder) as base:

        def built(*lines: str) -> str:
            tags.append(f"hwang-derived-{os.getpid()}:{len(tags)}")
            build(folder, tags[-1], "\n".join([f"FROM {base}", *lines]))
            return tags[-1]

        yield built
        for tag in tags:
            remove(tag)


def python(engine: str, image: str, code: str, *options: str, child: bool = False) -> str:
    """What the code prints; `child`: in a process as a handler starts it."""
    limits = ["--rm", "--network", "none", "--user", "993:990", "--env", "AWS_DEFAULT_REGION=us-east-1"]
    if child:
        limits += ["--env", "PYTHONPATH=/var/runtime"]
    clip = f"{real_clip.fetch()}:/clip.mp4:ro"
    command = [engine, "run", *limits, "--volume", clip, *options, "--entrypoint", "python3", image, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def checked(image: str) -> str:
    """The lines of `ecr_push.py check --run` about what was verified."""
    command = [sys.executable, str(ROOT / "ecr_push.py"), "check", "--run", image, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    findings = json.loads(done.stdout)["findings"]
    return "; ".join(one["what"] for one in findings if one["subject"] == "verified" and one["level"] == "warning")


@pytest.mark.parametrize("child", [False, True])
def test_what_people_import_is_there(engine: str, child: bool) -> None:
    python(engine, IMAGE, USED, child=child)


def test_pip_has_nothing_to_complain_of(engine: str) -> None:
    assert "No broken requirements" in python(
        engine, IMAGE, "import subprocess, sys; print(subprocess.check_output([sys.executable, '-m', 'pip', 'check']))"
    )


def test_files_are_as_the_build_has_listed_them(engine: str) -> None:
    command = [engine, "run", "--rm", "--network", "none", "--entrypoint", "sha256sum", IMAGE]
    done = subprocess.run(
        [*command, "--quiet", "--check", "/opt/share/hwang-lambda/files.sha256"], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize("path", ["/nowhere", "/decoys", "/decoys:/opt/lib"])
def test_libraries_are_found_whatever_the_library_path_is(engine: str, path: str, tmp_path: Path) -> None:
    """Also where it leads to other files of their names."""
    names = python(engine, IMAGE, "import os; print(*os.listdir('/opt/lib'))").split()
    for name in names:
        (tmp_path / name).write_bytes(b"not a library")
    options = ["--volume", f"{tmp_path}:/decoys:ro", "--env", f"LD_LIBRARY_PATH={path}:/var/lang/lib"]
    assert python(engine, IMAGE, DECODE, *options) == python(engine, IMAGE, DECODE)


@pytest.mark.long
def test_packages_of_the_registry_see_what_is_there(engine: str, derived: Callable[..., str]) -> None:
    image = derived("RUN pip3 install --no-cache-dir scikit-learn==1.9.0 ImageHash==4.3.2 && pip3 check")
    use = "import hwang, imagehash, scipy.linalg, sklearn.cluster; from PIL import Image\n"
    use += "print(imagehash.phash(Image.fromarray(hwang.Decoder('/clip.mp4')[100])))"
    for child in (False, True):
        assert len(python(engine, image, use, child=child)) == 16
    assert checked(image) == ""


@pytest.mark.long
def test_what_pip_installs_beside_the_function_is_found_first(engine: str, derived: Callable[..., str]) -> None:
    image = derived("RUN pip3 install --no-cache-dir --target /var/task jmespath==1.0.1 numpy==2.4.1")
    tell = "import hwang, jmespath, numpy; print(jmespath.__file__, numpy.__version__, numpy.__file__)"
    for child in (False, True):
        assert python(engine, image, tell, child=child).split() == [
            "/var/task/jmespath/__init__.py",
            "2.4.1",
            "/var/task/numpy/__init__.py",
        ]
    assert python(engine, image, DECODE) == python(engine, IMAGE, DECODE)


@pytest.mark.long
def test_what_pip_replaces_is_used_and_warned_of(engine: str, derived: Callable[..., str]) -> None:
    image = derived("RUN pip3 install --no-cache-dir numpy==2.4.1 && pip3 check")
    tell = "import numpy; print(numpy.__version__, numpy.__file__)"
    for child in (False, True):
        found = python(engine, image, tell, child=child).split()
        assert found == ["2.4.1", f"{site_packages(IMAGE)}/numpy/__init__.py"]
    assert python(engine, image, DECODE) == python(engine, IMAGE, DECODE)
    said = checked(image)
    assert "are gone, or are not those that were verified: numpy" in said
    assert "boto3" not in said
