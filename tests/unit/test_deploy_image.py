from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from rich.console import Console

from deploy.errors import ImageRefusedError
from deploy.image import Finding, document, findings, layers, open_image, require_acceptable, table
from deploy.image.checks import packaging
from deploy.image.checks.handler import top_level_names
from tests.deploy.images import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    LOADER,
    OCI,
    OCI_INDEX,
    OCI_LAYER,
    ZSTD,
    Built,
    BuiltLayer,
    Item,
    attestation,
    descriptor,
    directory,
    good,
    index_of,
    layout_files,
    layout_of,
    on_arm,
    program,
    script,
    symlink,
    tar_of,
    write_directory,
)

Files: TypeAlias = Mapping[str, "Item | bytes"]
Judge: TypeAlias = Callable[..., "Judged"]


class Judged:
    """What was found, by subject."""

    def __init__(self, found: Sequence[Finding]) -> None:
        self.found = found

    def __getitem__(self, subject: str) -> Finding:
        """The worst there is of it."""
        order = ["refused", "warning", "ok", "note"]
        return min((item for item in self.found if item.subject == subject), key=lambda item: order.index(item.level))

    @property
    def refused(self) -> list[str]:
        return [item.subject for item in self.found if item.level == "refused"]

    @property
    def warned(self) -> list[str]:
        return [item.subject for item in self.found if item.level == "warning"]

    @property
    def subjects(self) -> set[str]:
        return {item.subject for item in self.found}


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Judges an image that is kept in a layout."""

    def judged(built: Built, architecture: str | None = None) -> Judged:
        with open_image(str(write_directory(layout_of(built), tmp_path / "layout"))) as image:
            found = findings(image, architecture)
            if all(item.level != "refused" for item in found):
                require_acceptable(image, found)
            else:
                with pytest.raises(ImageRefusedError):
                    require_acceptable(image, found)
            json.dumps(document(image, found))
            return Judged(found)

    return judged


def test_a_good_image_has_nothing_against_it(judge: Judge) -> None:
    found = judge(good(), "x86_64")
    assert (found.refused, found.warned) == ([], [])
    assert found.subjects == {
        "manifest",
        "architecture",
        "layers",
        "size",
        "entrypoint",
        "runtime client",
        "handler",
        "files",
        "licences",
        "verified",
    }


# Manifest and layers.


def test_an_index_is_warned_of_and_resolved(tmp_path: Path) -> None:
    image = good()
    entry, blobs = attestation(image)
    inner = index_of([image.descriptor, entry])
    files = layout_files([descriptor(inner, OCI_INDEX)], [inner, *image.blobs, *blobs])
    with open_image(str(write_directory(files, tmp_path / "layout"))) as opened:
        found = Judged(findings(opened))
        shown = document(opened, found.found)
    assert (found.refused, found.warned) == ([], ["manifest"])
    assert "1 attestation" in found["manifest"].what
    assert [item["passed_over"] for item in shown["index"]["entries"]] == ["", "attestation"]
    assert shown["index"]["entries"][0]["digest"] == shown["manifest_digest"]


@pytest.mark.parametrize("docker", [False, True])
def test_the_manifests_that_lambda_takes_are_fine(docker: bool, judge: Judge) -> None:
    layer = BuiltLayer.gzipped(tar_of({}), f"{DOCKER_LAYER}.gzip")
    image = good()
    if docker:
        image = replace(image, manifest_type=DOCKER_MANIFEST, config_type=DOCKER_CONFIG, layers=[*image.layers, layer])
    assert judge(image)["manifest"].level == "ok"


def test_another_type_of_manifest_is_refused(judge: Judge) -> None:
    found = judge(replace(good(), manifest_type="application/vnd.docker.distribution.manifest.v1+json"))
    assert found.refused == ["manifest"]


def test_what_is_stored_like_an_image_and_is_none_is_refused(judge: Judge) -> None:
    assert judge(replace(good(), config_type="application/vnd.oci.empty.v1+json")).refused == ["manifest"]


@pytest.mark.parametrize(
    "layer",
    [
        BuiltLayer.plain(tar_of({"a": b""})),
        BuiltLayer.plain(tar_of({"a": b""}), DOCKER_LAYER),
        BuiltLayer.plain(bytes(1024)),
        BuiltLayer.gzipped(tar_of({"a": b""})),
        BuiltLayer.gzipped(tar_of({"a": b""}), f"{DOCKER_LAYER}.gzip"),
    ],
)
def test_the_layers_that_lambda_takes_are_fine(layer: BuiltLayer, judge: Judge) -> None:
    assert judge(replace(good(), layers=[*good().layers, layer]))["layers"].level == "ok"


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (BuiltLayer(tar_of({}), ZSTD, f"{OCI_LAYER}+zstd"), "zstd"),
        (BuiltLayer(tar_of({}), ZSTD, f"{OCI_LAYER}+gzip"), "zstd"),
        (BuiltLayer.gzipped(tar_of({}), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "not kept"),
        (BuiltLayer.gzipped(tar_of({}), f"{OCI}.layer.nondistributable.v1.tar+gzip"), "not kept"),
        (BuiltLayer.plain(tar_of({"a": b""}), f"{OCI_LAYER}+gzip"), "not what its type says"),
        (BuiltLayer.gzipped(tar_of({"a": b""}), OCI_LAYER), "not what its type says"),
        (BuiltLayer.plain(b"no tar" * 200), "not what its type says"),
        (BuiltLayer.gzipped(tar_of({}), "application/x-thing"), "none that Lambda takes"),
    ],
)
def test_layers_that_lambda_cannot_unpack_are_refused(layer: BuiltLayer, why: str, judge: Judge) -> None:
    found = judge(replace(good(), layers=[*good().layers, layer]))
    assert set(found.refused) == {"layers"}
    assert found["layers"].what.startswith("layer 2")
    assert why in found["layers"].why


def test_a_damaged_layer_is_refused_and_its_files_are_not_judged(judge: Judge) -> None:
    layer = replace(BuiltLayer.gzipped(tar_of({"a": b""})), tar=tar_of({"b": b""}))
    found = judge(replace(good(), layers=[layer]))
    assert found.refused == ["layers"]
    assert "files" not in found.subjects


def test_names_that_lead_out_of_the_image_are_refused(judge: Judge) -> None:
    found = judge(good({"../../etc/passwd": b""}))
    assert found.refused == ["layers"]
    assert "../../etc/passwd" in found["layers"].what


# Platform and size.


@pytest.mark.parametrize(("image", "wanted"), [(good(), "arm64"), (on_arm(good()), "x86_64")])
def test_another_architecture_than_wanted_is_refused(image: Built, wanted: str, judge: Judge) -> None:
    found = judge(image, wanted)["architecture"]
    assert found.level == "refused"
    assert wanted in found.what


@pytest.mark.parametrize("architecture", ["386", "riscv64", "", "x86_64"])
def test_an_architecture_that_lambda_does_not_have_is_refused(architecture: str, judge: Judge) -> None:
    assert "architecture" in judge(replace(good(), architecture=architecture)).refused


def test_another_system_than_linux_is_refused(judge: Judge) -> None:
    assert judge(replace(good(), config={"os": "windows"})).refused == ["platform"]


def test_an_image_of_more_than_ten_gigabytes_is_refused(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    image = good({"big": bytes(1_000_000)})
    monkeypatch.setattr(packaging, "SIZE_LIMIT", 1_100_000)
    assert judge(image)["size"].level == "ok"
    monkeypatch.setattr(packaging, "SIZE_SAFE", 1_000_000)
    assert judge(image)["size"].level == "warning"
    monkeypatch.setattr(packaging, "SIZE_LIMIT", 1_000_001)
    assert judge(image).refused == ["size"]


def test_a_layer_that_unpacks_to_too_much_is_refused(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "EXPANSION_LIMIT", 2_000_000)
    assert judge(good({"big": bytes(3_000_000)})).refused == ["layers"]


# The command.


def test_no_command_at_all_is_refused(judge: Judge) -> None:
    assert judge(good(Entrypoint=None, Cmd=[])).refused == ["command"]


@pytest.mark.parametrize("cmd", [[], ["app.handler", "more"], ["/bin/sh", "-c", "app.handler"]])
def test_the_entrypoint_takes_one_handler(cmd: list[str], judge: Judge) -> None:
    found = judge(good(Cmd=cmd))
    assert found.refused == ["command"]
    assert ("shell form" in found["command"].what) == (len(cmd) == 3)


@pytest.mark.parametrize(
    "entrypoint", [["/lambda-entrypoint.sh", "app.handler"], ["../../lambda-entrypoint.sh", "app.handler"]]
)
def test_the_handler_may_be_in_the_entrypoint(entrypoint: list[str], judge: Judge) -> None:
    found = judge(good(Entrypoint=entrypoint, Cmd=[]))
    assert found.refused == []
    assert found["handler"].level == "ok"


def test_a_shell_in_front_of_the_command_is_warned_of(judge: Judge) -> None:
    found = judge(good(Entrypoint=None, Cmd=["/bin/sh", "-c", "python3 -m awslambdaric app.handler"]))
    assert found["command"].level == "warning"


@pytest.mark.parametrize("files", [{}, {"closed": directory(0o700)}, {"closed": b"a file"}])
def test_a_working_directory_that_is_closed_or_missing_is_refused(files: Files, judge: Judge) -> None:
    assert "command" in judge(good(files, WorkingDir="/closed")).refused


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({".wh.lambda-entrypoint.sh": b""}, "is no file of the image"),
        ({"lambda-entrypoint.sh": directory()}, "is no file of the image"),
        ({"lambda-entrypoint.sh": symlink("gone")}, "is no file of the image"),
        ({"lambda-entrypoint.sh": script(mode=0o644)}, "cannot be executed"),
        ({"lambda-entrypoint.sh": script(mode=0o700)}, "cannot be executed"),
        ({"lambda-entrypoint.sh": script(mode=0o711)}, "cannot be read"),
        ({"lambda-entrypoint.sh": script("exec something\n")}, "neither a program nor a script"),
        ({"lambda-entrypoint.sh": script("\ufeff#!/bin/sh\n")}, "neither a program nor a script"),
        ({"lambda-entrypoint.sh": script("#!/bin/bash\n")}, "'/bin/bash' is no file"),
        ({"lambda-entrypoint.sh": script("#!/usr/bin/env bash\n")}, "'bash' is no file"),
        ({"lambda-entrypoint.sh": script("#!/bin/sh\r\n")}, "'/bin/sh\\\\r' is no file"),
        ({"lambda-entrypoint.sh": script("#!\n")}, "is no file"),
        ({"lambda-entrypoint.sh": script("#!/lambda-entrypoint.sh\n")}, "interpret each other"),
        ({"bin/sh": Item(program().data, 0o750)}, "/bin/sh cannot be executed"),
        ({"bin": directory(0o750)}, "/bin/sh cannot be executed"),
        ({"lambda-entrypoint.sh": program(183)}, "is for arm64, and the image calls itself x86_64"),
        ({"lambda-entrypoint.sh": program(40)}, "is for another machine"),
        ({"lambda-entrypoint.sh": Item(b"\x7fELF\x01", 0o755)}, "is for another machine"),
        ({"bin/sh": program(loader="/lib/ld-musl-x86_64.so.1")}, "needs /lib/ld-musl-x86_64.so.1"),
    ],
)
def test_an_entrypoint_that_cannot_be_executed_is_refused(files: Files, what: str, judge: Judge) -> None:
    found = judge(good(files))
    assert "entrypoint" in found.refused
    assert what in found["entrypoint"].what.replace("\\r", "\\\\r")


@pytest.mark.parametrize(
    "files",
    [
        {"lambda-entrypoint.sh": program(loader=LOADER)},
        {"lambda-entrypoint.sh": Item(program().data, 0o711)},
        {"lambda-entrypoint.sh": script("#! /bin/sh -e\n")},
        {"lambda-entrypoint.sh": script("#!/usr/bin/env -S A=1 sh\n")},
        {"lambda-entrypoint.sh": symlink("/opt/start"), "opt/start": script()},
        {"lambda-entrypoint.sh": script("#!/opt/other.sh\n"), "opt/other.sh": script()},
    ],
)
def test_an_entrypoint_that_can_be_executed_is_fine(files: Files, judge: Judge) -> None:
    assert judge(good(files))["entrypoint"].level == "ok"


def test_a_bare_name_is_looked_for_in_path(judge: Judge) -> None:
    command: dict[str, Any] = {"Entrypoint": ["python3", "-m", "awslambdaric"]}
    assert judge(good(**command))["entrypoint"].level == "ok"
    assert "entrypoint" in judge(good(**command, Env=["PATH=/usr/bin:/bin"])).refused


# The runtime interface client.


@pytest.mark.parametrize("files", [{"var/runtime/.wh.bootstrap": b""}, {"var/runtime/bootstrap": script(mode=0o644)}])
def test_the_entrypoint_needs_a_bootstrap(files: Files, judge: Judge) -> None:
    assert "runtime client" in judge(good(files)).refused


RIC: dict[str, Any] = {"Entrypoint": ["/var/lang/bin/python3", "-m", "awslambdaric"]}
NO_RIC = ["var/runtime/awslambdaric/__init__.py"]


@pytest.mark.parametrize(
    "files",
    [
        {"var/task/awslambdaric/__init__.py": b""},
        {"var/task/awslambdaric/__init__.cpython-313-x86_64-linux-gnu.so": b""},
        {"opt/python/awslambdaric/__init__.py": b""},
        {"opt/python/lib/python3.13/site-packages/awslambdaric/__init__.py": b""},
        {"var/lang/lib/python3.13/site-packages/awslambdaric/__init__.py": b""},
        {"packages/awslambdaric/__init__.py": b""},
    ],
)
def test_the_python_client_is_found_where_python_looks(files: Files, judge: Judge) -> None:
    variables = [*good().settings["Env"], "PYTHONPATH=/packages"]
    found = judge(good(files, NO_RIC, **RIC, Env=variables))
    assert found.refused == []
    assert found["runtime client"].level == "ok"


def test_the_python_client_of_a_virtual_environment_is_found(judge: Judge) -> None:
    files: Files = {
        "venv/bin/python": symlink("/var/lang/bin/python3"),
        "venv/lib/python3.13/site-packages/awslambdaric/__init__.py": b"",
    }
    found = judge(good(files, NO_RIC, Entrypoint=["/venv/bin/python", "-m", "awslambdaric"]))
    assert found.refused == []


def test_a_python_client_that_is_not_there_is_refused(judge: Judge) -> None:
    found = judge(good({"elsewhere/awslambdaric/__init__.py": b""}, NO_RIC, **RIC))
    assert found.refused == ["runtime client"]


@pytest.mark.parametrize(
    ("files", "entrypoint"),
    [
        ({"main": program(text=b"\0AWS_LAMBDA_RUNTIME_API\0")}, ["/main"]),
        ({"var/runtime/bootstrap": program()}, ["/var/runtime/bootstrap"]),
        ({"start.sh": script("#!/bin/sh\nexec python3 -m awslambdaric $1\n")}, ["/start.sh"]),
        ({"start.sh": script("#!/bin/sh\nexec /lambda-entrypoint.sh $1\n")}, ["/start.sh"]),
        ({"npx": program()}, ["/npx", "aws-lambda-ric"]),
        ({"java": program()}, ["/java", "com.amazonaws.services.lambda.runtime.api.client.AWSLambda"]),
        ({"app": program(), "opt/extensions/lambda-adapter": program()}, ["/app"]),
    ],
)
def test_other_runtimes_are_recognised(files: Files, entrypoint: list[str], judge: Judge) -> None:
    assert judge(good(files, Entrypoint=entrypoint))["runtime client"].level == "ok"


def test_a_program_without_any_client_is_refused(judge: Judge) -> None:
    found = judge(good({"app": program()}, NO_RIC, Entrypoint=["/app"]))
    assert found.refused == ["runtime client"]


def test_a_client_that_the_command_does_not_name_is_warned_of(judge: Judge) -> None:
    found = judge(good({"app": program()}, Entrypoint=["/app"]))
    assert (found.refused, found.warned) == ([], ["runtime client"])


# The handler.


@pytest.mark.parametrize(
    ("handler", "files"),
    [
        ("function.handler.handler", {"var/task/function/handler.py": b"def handler(): ..."}),
        ("function/handler.handler", {"var/task/function/handler.py": b"def handler(): ..."}),
        ("package.handler", {"var/task/package/__init__.py": b"from .x import handler"}),
        ("fast.handler", {"var/task/fast.cpython-313-x86_64-linux-gnu.so": b""}),
        ("fast.handler", {"var/task/fast.abi3.so": b""}),
        ("fast.handler", {"var/task/fast.so": b""}),
        ("bytes.handler", {"var/task/bytes.pyc": b""}),
        ("layered.handler", {"opt/python/layered.py": b"handler = 1"}),
        ("linked.handler", {"var/task/linked.py": symlink("/opt/l.py"), "opt/l.py": b"handler = 1"}),
    ],
)
def test_a_handler_that_is_there_is_fine(handler: str, files: Files, judge: Judge) -> None:
    found = judge(good(files, Cmd=[handler]))
    assert found.refused == []
    assert found["handler"].level == "ok"


@pytest.mark.parametrize(
    ("handler", "files", "what"),
    [
        ("handler", {}, "not of the form"),
        (".handler", {}, "not of the form"),
        ("app.", {}, "not of the form"),
        ("a..b", {}, "not of the form"),
        ("other.handler", {}, "no module other in /var/task"),
        ("app.handle", {}, "defines no handle, but handler"),
        ("app.main", {}, "defines no main"),
        ("package.handler", {"var/task/package/module.py": b""}, "is a directory of modules"),
        ("app.handler", {"var/task/app.py": b"class A:\n    def handler(self): ..."}, "defines no handler"),
        ("app.handler", {"var/task/.wh.app.py": b""}, "no module app"),
    ],
)
def test_a_handler_that_is_not_there_is_refused(handler: str, files: Files, what: str, judge: Judge) -> None:
    found = judge(good(files, Cmd=[handler]))
    assert found.refused == ["handler"]
    assert what in found["handler"].what


def test_source_that_cannot_be_parsed_here_is_warned_of(judge: Judge) -> None:
    assert judge(good({"var/task/app.py": b"def handler(:"})).warned == ["handler"]
    assert judge(good({"var/task/app.py": b"\xff\0"})).warned == ["handler"]


def test_the_task_root_comes_before_what_lies_elsewhere(judge: Judge) -> None:
    found = judge(good({"opt/python/app.py": b"", "var/runtime/app.py": b""}))
    assert found["handler"].what.endswith("in /var/task/app.py")


def test_handlers_of_other_languages_are_left_alone(judge: Judge) -> None:
    found = judge(good({"var/task/app.js": b""}, NO_RIC, Cmd=["app.handler"]))
    assert "handler" not in found.subjects


@pytest.mark.parametrize(
    "source",
    [
        "def handler(): ...",
        "async def handler(): ...",
        "class handler: ...",
        "handler = 1",
        "a, (handler, *b) = 1, (2, 3)",
        "handler: int = 1",
        "import handler",
        "import handler.inner",
        "import other as handler",
        "from other import handler",
        "from other import thing as handler",
        "if True:\n    def handler(): ...",
        "try:\n    import handler\nexcept ImportError:\n    pass",
        "try:\n    pass\nexcept ImportError:\n    handler = None",
        "with open('x') as f:\n    handler = f",
        "for handler in []: ...",
        "match 1:\n    case 1:\n        handler = 1",
        "while True:\n    pass\nelse:\n    handler = 1",
    ],
)
def test_what_a_module_binds_is_seen(source: str) -> None:
    assert "handler" in (top_level_names(source.encode()) or set())


@pytest.mark.parametrize(
    "source", ["def f():\n    handler = 1", "class A:\n    handler = 1", "handler: int", "handler()"]
)
def test_what_is_bound_elsewhere_is_not_the_modules(source: str) -> None:
    names = top_level_names(source.encode())
    assert names is not None
    assert "handler" not in names


@pytest.mark.parametrize(
    "source",
    [
        "from other import *",
        "globals()['handler'] = 1",
        "def __getattr__(name): ...",
        "def f():\n    global handler\nf()",
    ],
)
def test_what_cannot_be_told_is_not_refused(source: str) -> None:
    assert top_level_names(source.encode()) is None


# Files.


@pytest.mark.parametrize("place", ["var/task", "var/runtime", "opt", "work"])
def test_files_that_the_functions_user_cannot_read_are_refused(place: str, judge: Judge) -> None:
    secret = {f"{place}/{name}": Item(b"", 0o600) for name in "abcd"}
    found = judge(good({"work": directory(), **secret}, WorkingDir="/work"))
    assert found.refused == ["files"]
    assert found["files"].what == (
        f"4 cannot be read by the function's user: /{place}/a, /{place}/b, /{place}/c and 1 more"
    )
    assert found["files"].then == f"RUN chmod -R a+rX /{place}"


def test_files_that_nobody_needs_may_be_closed(judge: Judge) -> None:
    assert judge(good({"root/.bashrc": Item(b"", 0o600), "etc/shadow": Item(b"", 0o000)})).refused == []


# What the image says of itself.


def test_variables_that_lambda_defines_are_warned_of(judge: Judge) -> None:
    found = judge(good(Env=[*good().settings["Env"], "AWS_REGION=eu-west-1", "_HANDLER=x"]))
    assert "AWS_REGION, _HANDLER" in found["environment"].what
    assert found.warned == ["environment"]


def test_the_task_root_may_be_said_but_not_changed(judge: Judge) -> None:
    assert "environment" not in judge(good()).subjects
    assert judge(good(Env=["PATH=/bin", "LAMBDA_RUNTIME_DIR=/elsewhere"]))["environment"].level == "warning"


def test_credentials_in_the_image_are_warned_of_without_being_shown(judge: Judge) -> None:
    found = judge(good(Env=[*good().settings["Env"], "AWS_SECRET_ACCESS_KEY=do-not-show"]))
    assert found.warned == ["environment"]
    assert "do-not-show" not in str(found.found)


@pytest.mark.parametrize(
    ("user", "warned"), [("", []), ("0", []), ("root:root", []), ("app", ["user"]), ("993", ["user"])]
)
def test_a_user_is_warned_of(user: str, warned: list[str], judge: Judge) -> None:
    assert judge(good(User=user)).warned == warned


def test_volumes_are_warned_of(judge: Judge) -> None:
    assert judge(good(Volumes={"/data": {}})).warned == ["volumes"]


@pytest.mark.parametrize(
    ("labels", "is_standin"),
    [
        ({"hwang-lambda.base": "stand-in"}, True),
        ({"hwang-lambda.stand-in": "91db1f2a2221c7a8"}, True),
        ({"hwang-lambda.base": "real"}, False),
        ({}, False),
    ],
)
def test_an_image_on_the_stand_in_base_is_warned_of(labels: dict[str, str], is_standin: bool, judge: Judge) -> None:
    found = judge(good(Labels=labels))
    assert found.warned == (["base"] if is_standin else [])
    assert found.refused == []


def test_licence_version_and_stamp_are_shown(judge: Judge) -> None:
    bare = judge(good(Labels={}))
    assert (bare["licences"].what, bare["verified"].what) == ("none stated", "not verified")
    assert "version" not in bare.subjects
    labels = {
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.version": "1.2",
        "hwang-lambda.verified": "today",
    }
    found = judge(good(Labels=labels))
    assert [found[name].what for name in ("licences", "version", "verified")] == ["MIT", "1.2", "today"]
    assert {found[name].level for name in ("licences", "version", "verified")} == {"note"}


# The report.


def shown(built: Built, path: Path, width: int) -> str:
    with open_image(str(write_directory(layout_of(built), path))) as image:
        out = io.StringIO()
        Console(file=out, width=width, no_color=True).print(table(image, findings(image)))
        return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_marks_are_readable_without_colour(width: int, tmp_path: Path) -> None:
    good_one = shown(good(), tmp_path / "good", width)
    assert "✓ Lambda would take it" in good_one
    assert "✗" not in good_one
    bad = shown(good(User="app", Cmd=["app.gone"]), tmp_path / "bad", width)
    lines = bad.splitlines()
    assert any(line.startswith("✗  handler") for line in lines)
    assert any(line.startswith("!  user") for line in lines)
    assert lines[-1] == "✗ Lambda would not take it: 1 to mend"
    assert max(map(len, lines)) <= width


def test_what_looks_like_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    assert "[red]x[/red]" in shown(good(Cmd=["[red]x[/red]"]), tmp_path / "image", 200)


def test_the_document_has_what_its_description_lists(tmp_path: Path) -> None:
    with open_image(str(write_directory(layout_of(good({"a": b"12"})), tmp_path / "layout"))) as image:
        found: dict[str, Any] = json.loads(json.dumps(document(image, findings(image))))
    assert list(found) == [
        "reference",
        "origin",
        "acceptable",
        "architecture",
        "os",
        "content_digest",
        "tag",
        "config_digest",
        "manifest_digest",
        "index",
        "size_bytes",
        "layers",
        "entrypoint",
        "cmd",
        "working_dir",
        "handler",
        "labels",
        "stand_in",
        "findings",
    ]
    assert found["acceptable"] is True
    assert found["tag"] == f"image-{found['content_digest'][7:23]}"
    assert found["size_bytes"] == sum(layer["bytes"] for layer in found["layers"])
    assert found["layers"][1]["bytes"] == 2
    assert found["handler"] == "app.handler"
    assert set(found["findings"][0]) == {"level", "subject", "what", "why", "next"}


def test_the_document_of_an_unreadable_image_says_so(tmp_path: Path) -> None:
    layer = BuiltLayer(tar_of({}), ZSTD, f"{OCI_LAYER}+zstd")
    with open_image(str(write_directory(layout_of(Built([layer], good().settings)), tmp_path / "layout"))) as image:
        found = document(image, findings(image))
    assert (found["acceptable"], found["size_bytes"], found["layers"][0]["bytes"]) == (False, None, None)
