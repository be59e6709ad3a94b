"""Which code the containers of a test run: an image as it was built, or the working tree's Python mounted over it.

HWANG_TREE=mounted, which `make cloud` and its kin set, chooses the second. What is compiled stays the image's own. If
its sources have changed since the build, or if in the first case the image is not of this working tree, the tests fail
and name the remedy.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from local.stack import ROOT, StackError, docker

PACKAGES: Final = ("function", "hwang")
_PLACES: Final = "import sysconfig; print('/var/task', sysconfig.get_path('purelib'))"
MOUNTED: Final = os.environ.get("HWANG_TREE") == "mounted"
_FOLDER: Final = ROOT / ".cache/tree"
_BUILT: Final = ROOT / ".cache/built"  # image.sh: a file for each image, with the checksum of native.sh
_KEPT: Final = 4


def described(image: str) -> str:
    """One line for the head of a test run: what of this image is tested."""
    if MOUNTED:
        return f"working tree mounted over {image}"
    return f"{image} as built, {'of' if not _differences(image) else 'NOT OF'} this working tree"


def require(*images: str) -> None:
    """Raises StackError if one of the images has not been built."""
    for image in images:
        _id(image)


def require_fresh(image: str) -> None:
    """Raises StackError unless what is tested of this image is this working tree."""
    if MOUNTED:
        _require_same_native(image)
    else:
        require_built(image)


def require_built(image: str) -> None:
    """Raises StackError unless the image itself is of this working tree."""
    if differences := _differences(image):
        some = ", ".join(sorted(differences)[:3])
        raise StackError(
            f"{image} is not of this working tree ({len(differences)} files differ: {some}): "
            "build it with `make images`, or mount the tree over it, as `make cloud` and its kin do"
        )
    _require_same_native(image)


@cache
def volumes(image: str) -> tuple[str, ...]:
    """What is mounted into a container of the image, as docker's --volume takes it: nothing, or the working tree."""
    if not MOUNTED:
        return ()
    _require_same_native(image)
    folder = _assembled(image)
    return tuple(f"{folder / package}:{place}/{package}:ro" for package, place in _places(image).items())


def compose_files(image: str) -> tuple[Path, ...]:
    """For a stack with a service `function` of the image: what `volumes` says, as a compose file."""
    if not MOUNTED:
        return ()
    file = _assembled(image) / "compose.json"
    file.write_text(json.dumps({"services": {"function": {"volumes": volumes(image)}}}))
    return (file,)


def _require_same_native(image: str) -> None:
    identity = _id(image)
    built = _BUILT / identity.removeprefix("sha256:")
    now = subprocess.run([ROOT / "local/native.sh"], capture_output=True, text=True, check=True).stdout
    if not built.exists() or built.read_text() != now:
        raise StackError(
            f"what is compiled into {image} is not known to be of this working tree (hwang/core, FFmpeg, packages): "
            "build it with `make images`"
        )


def _sources() -> dict[str, bytes]:
    """The files of the packages as an image has them, by their paths."""
    files = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*")))
    return {
        str(path.relative_to(ROOT)): path.read_bytes()
        for path in files
        if path.is_file() and path.suffix not in (".pyc", ".pyi") and "core" not in path.relative_to(ROOT).parts[1:2]
    }


def _differences(image: str) -> set[str]:
    """The Python files that are not the same in the image and in the working tree."""
    with _created(image) as container:
        inside = {
            name: content
            for package, place in _places(image).items()
            for name, content in _copied(container, f"{place}/{package}").items()
            if name.endswith(".py")
        }
    tree = {name: content for name, content in _sources().items() if name.endswith(".py")}
    return {name for name in inside.keys() | tree.keys() if inside.get(name) != tree.get(name)}


def _assembled(image: str) -> Path:
    """A folder with the working tree's packages and the image's libraries, made once for each content."""
    sources = _sources()
    key = hashlib.sha256(_id(image).encode())
    for name, content in sources.items():
        key.update(f"{name} {len(content)} ".encode() + content)
    folder = _FOLDER / key.hexdigest()[:16]
    if not folder.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=_FOLDER, prefix="new-"))
        with _created(image) as container:
            inside = _copied(container, f"{_places(image)['hwang']}/hwang")
        libraries = {name: data for name, data in inside.items() if ".so" in name}
        for name, content in {**sources, **libraries}.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (new / name).write_bytes(content)
        compile_all = ["python3", "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash", "/tree"]
        mount = ["--volume", f"{new}:/tree", "--user", "0", "--network", "none", "--entrypoint", compile_all[0]]
        _engine("run", "--rm", *mount, image, *compile_all[1:])
        new.chmod(0o755)
        try:
            new.rename(folder)
        except OSError:  # another process was faster
            shutil.rmtree(new)
        for old in sorted(_FOLDER.glob("*[0-9a-f]"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


@cache
def _places(image: str) -> dict[str, str]:
    """The directory of each package in the image."""
    asked = _engine("run", "--rm", "--network", "none", "--entrypoint", "python3", image, "-c", _PLACES)
    return dict(zip(PACKAGES, asked.decode().split(), strict=True))


def site_packages(image: str) -> str:
    """The directory in which pip of this image installs packages."""
    return _places(image)["hwang"]


def _copied(container: str, path: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(_engine("cp", f"{container}:{path}", "-"))) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}  # type: ignore[union-attr]


@contextmanager
def _created(image: str) -> Iterator[str]:
    container = _engine("create", image).decode().strip()
    try:
        yield container
    finally:
        _engine("rm", container)


@cache
def _id(image: str) -> str:
    try:
        return _engine("image", "inspect", "--format", "{{.Id}}", image).decode().strip()
    except StackError:
        raise StackError(f"there is no image {image}: build it with `make images`") from None


def _engine(*arguments: str) -> bytes:
    done = subprocess.run([docker(), *arguments], capture_output=True, check=False)
    if done.returncode:
        raise StackError(f"docker {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    # for decoder_tests.sh: what is tested goes to standard error, the options of docker run to standard output
    try:
        require_fresh(sys.argv[1])
        print(f"testing: {described(sys.argv[1])}", file=sys.stderr)
        print(*(f"--volume={volume}" for volume in volumes(sys.argv[1])))
    except StackError as error:
        sys.exit(f"testing: {error}")
