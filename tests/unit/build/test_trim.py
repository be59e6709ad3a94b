"""Third-party packages as they ship: smaller, and still what they were."""

from __future__ import annotations

import gzip
import importlib.util
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.build.elves import numpy_tree
from verify.elf import Elf

ROOT = Path(__file__).resolve().parents[3]
_spec = importlib.util.spec_from_file_location("trim", ROOT / "build_stages/function/trim.py")
assert _spec
assert _spec.loader
trim = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(trim)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("package/__init__.py", "package/inner.py", "single.py", "awslambdaric/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("def fails():\n    raise ValueError\n")
    return tmp_path


def ran(tree: Path, code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-B", "-c", f"import sys; sys.path.insert(0, {str(tree)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_modules_without_source_are_imported_and_say_where_they_fail(tree: Path) -> None:
    trim.compile_sources(tree, keep=False)
    assert sorted(path.name for path in tree.rglob("*.py")) == ["__init__.py"]  # awslambdaric's
    done = ran(tree, "import single, package.inner, awslambdaric; package.inner.fails()")
    assert 'File "/var/task/package/inner.py", line 2, in fails' in done.stderr


def test_whole_packages_keep_their_sources_beside_the_bytecode(tree: Path) -> None:
    trim.compile_sources(tree, keep=True)
    assert len(list(tree.rglob("*.py"))) == len(list(tree.rglob("__pycache__/*.pyc"))) == 4
    assert ran(tree, "import single, package.inner").returncode == 0


def test_models_lose_their_texts_and_no_member_of_that_name(tmp_path: Path) -> None:
    member = {"documentation": {"shape": "Text"}}
    shape = {"type": "structure", "documentation": "<p>Says what it is.</p>", "members": member}
    model = tmp_path / "service-2.json.gz"
    model.write_bytes(gzip.compress(json.dumps({"shapes": {"Thing": shape, "Text": {"type": "string"}}}).encode()))
    trim.drop_documentation(model)
    kept = {"Thing": {**shape, "documentation": ""}, "Text": {"type": "string"}}
    assert json.loads(gzip.decompress(model.read_bytes())) == {"shapes": kept}


def test_endpoints_are_kept_for_the_services_that_are(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    services: dict[str, Any] = {"s3": {"endpoints": {"eu-west-1": {}}}, "sts": {}, "ec2": {}}
    file.write_text(json.dumps({"partitions": [{"partition": "aws", "services": services}], "version": 3}))
    trim.keep_endpoints(file)
    assert json.loads(file.read_text()) == {
        "partitions": [{"partition": "aws", "services": {"s3": services["s3"], "sts": {}}}],
        "version": 3,
    }


def test_segments_that_lie_far_apart_are_told_to_lie_nearer(tmp_path: Path) -> None:
    library = numpy_tree(tmp_path)
    data = bytearray(library.read_bytes())
    (table,) = struct.unpack_from("<Q", data, 32)
    entry, count = struct.unpack_from("<HH", data, 54)
    loads = [at for at in range(table, table + entry * count, entry) if struct.unpack_from("<I", data, at)[0] == 1]
    for at in loads:
        struct.pack_into("<Q", data, at + 48, 1 << 21)
    library.write_bytes(data)
    trim.align_to_pages(library)
    found = {struct.unpack_from("<Q", library.read_bytes(), at + 48)[0] for at in loads}
    assert found == {trim.MAX_PAGE}
    assert Elf(library).needed
