"""The image itself: what is in it, how much it adds, and that it runs the way Lambda runs it."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile

import pytest

from local.measure.image import SIZES
from tests.conftest import IMAGE

pytestmark = pytest.mark.usefixtures("as_built")
COMPILED_LIMIT = 16_000_000
ADDED_LIMIT = 150_000_000


def docker_run(engine: str, *arguments: str) -> str:
    limits = ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none"]  # noqa: S108 - Lambda's own
    command = [engine, "run", *limits, "--entrypoint", "python3", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("user", ["993:990", "12345:54321"])
@pytest.mark.parametrize("directory", ["/var/task", "/tmp"])  # noqa: S108
def test_python_imports_hwang_as_any_user_from_anywhere(user: str, directory: str, engine: str) -> None:
    code = "import hwang; print(hwang.Decoder.__name__)"
    assert docker_run(engine, "--user", user, "--workdir", directory, IMAGE, "-c", code) == "Decoder"


def test_it_is_one_plain_manifest(engine: str) -> None:
    saved = subprocess.run([engine, "save", IMAGE], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(saved)) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        assert len(json.load(manifest)) == 1
        if "index.json" in archive.getnames():
            index = archive.extractfile("index.json")
            assert index is not None
            described = json.load(index)["manifests"]
            assert [entry["mediaType"] for entry in described if "index" in entry["mediaType"]] == []
            assert len(described) == 1


def test_entrypoint_and_environment_are_the_bases_own(engine: str) -> None:
    inspected = subprocess.run([engine, "image", "inspect", IMAGE], capture_output=True, text=True, check=True).stdout
    config = json.loads(inspected)[0]["Config"]
    assert config["Entrypoint"] == ["/lambda-entrypoint.sh"]
    assert config["Cmd"] == ["function.handler.handler"]
    assert config["WorkingDir"] == "/var/task"
    assert "LAMBDA_TASK_ROOT=/var/task" in config["Env"]


def test_what_we_add_is_small(engine: str) -> None:
    sizes = json.loads(docker_run(engine, IMAGE, "-c", SIZES))
    compiled = sum(sizes["compiled"].values())
    assert 1_000_000 < compiled <= COMPILED_LIMIT
    assert compiled + sizes["packages"] <= ADDED_LIMIT


def test_modules_are_precompiled(engine: str) -> None:
    """Read-only, it cannot be done later."""
    code = (
        "print(len(modules := [p for p in shipped if p.suffix == '.py' and p.parts[1:3] != ('var', 'runtime')]) > 500, "
        "[str(p) for p in modules if not list((p.parent / '__pycache__').glob(p.stem + '.cpython-*.pyc'))])"
    )
    assert docker_run(engine, IMAGE, "-c", SHIPPED + code) == "True []"


SHIPPED = """
import os, pathlib
import hwang
tops = ("/opt", "/var/task", pathlib.Path(hwang.__file__).parents[1])
shipped = [path for top in tops for path in pathlib.Path(top).rglob("*") if "pip" not in path.parts]
"""


def test_files_are_readable_for_lambdas_user(engine: str) -> None:
    code = "print(len(shipped) > 1000, [str(p) for p in shipped if not os.access(p, os.R_OK)])"
    assert docker_run(engine, "--user", "993:990", IMAGE, "-c", SHIPPED + code) == "True []"


RESTORE = """
import json, os, random
import function.handler as handler
from snapshot_restore_py import get_after_restore, get_before_snapshot

def run(hooks):
    for hook, arguments, options in hooks:
        hook(*arguments, **options)

first = handler._supervisor._pid
run(get_before_snapshot())
gone, drawn = not os.path.exists(f"/proc/{first}"), random.getstate()
run(get_after_restore())
print(json.dumps([gone, handler._supervisor._pid not in (0, first), random.getstate() != drawn]))
handler._supervisor.stop()
"""


def test_a_snapshot_holds_no_worker_and_what_is_restored_has_a_new_one(engine: str) -> None:
    assert docker_run(engine, "--env", "AWS_REGION=us-east-1", IMAGE, "-c", RESTORE) == "[true, true, true]"


ASK_TWICE = """
from function.runtime import worker
from function.errors import Internal
from function.runtime.supervisor import Supervisor

supervisor = Supervisor(worker.main)
for _ in range(2):
    try:
        supervisor.run({"video": "s3://films/clip.mp4", "frames": [0], "format": "inline"}, 30)
    except Internal as error:
        print(error.message)
supervisor.stop()
"""


def test_a_configuration_that_allows_no_client_is_told_to_each_request(engine: str) -> None:
    """And not by a function that cannot start."""
    wrong = ["--env", "AWS_ENDPOINT_URL_S3=nowhere", "--env", "AWS_REGION=us-east-1"]
    told = docker_run(engine, *wrong, IMAGE, "-c", ASK_TWICE)
    assert told.splitlines() == ["there is no S3 client for this configuration: Invalid endpoint: nowhere"] * 2


COUNT = """
import gc
import function.handler
from function.runtime import dispatch, worker
from function.runtime.supervisor import Supervisor

dispatch.run = lambda event, session: {"objects": session.client and session.client.meta and len(gc.get_objects())}
supervisor = Supervisor(worker.main)
print([supervisor.run({}, 30)["objects"] for _ in range(2)])
supervisor.stop()
"""


def test_the_collection_after_a_request_does_not_look_at_the_client_each_time(engine: str) -> None:
    """That would take 10 ms of each request."""
    first, second = json.loads(docker_run(engine, "--env", "AWS_REGION=us-east-1", IMAGE, "-c", COUNT))
    assert second < first / 5
