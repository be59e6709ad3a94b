"""The table of formats is the only place that knows them, and documentation and schema say what it does."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from function.errors import BadRequest
from function.models.event import parse_event
from function.models.formats import (
    APPLIED_FORMAT,
    FORMATS,
    PREFIX_FORMAT,
    REDUCTION_FORMAT,
    SHARD_PICTURE,
    Format,
    Picture,
    formats_of,
    picture_format,
)
from function.models.job import Job
from function.output.applied import WRITERS as APPLIED_WRITERS
from function.output.formats import WRITERS

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "function/models/formats.py"
VIDEO = "s3://films/clip.mp4"


def test_every_format_has_its_row_and_every_stored_one_its_writer() -> None:
    assert get_args(Format) == tuple(FORMATS)
    assert {facts.writer for facts in FORMATS.values() if facts.is_stored and facts.takes_frames} == set(WRITERS)
    assert {facts.writer for facts in FORMATS.values() if facts.is_stored and facts.takes_apply} == set(APPLIED_WRITERS)


def test_no_other_module_names_a_format() -> None:
    """A name elsewhere is a place that the next format would have to be added to."""
    names = {*FORMATS, *(one for facts in FORMATS.values() for one in facts.extensions)}
    found = {
        (str(path.relative_to(ROOT)), node.value)
        for path in (ROOT / "function").rglob("*.py")
        if path != TABLE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert found == {("function/models/job.py", "mp4")}, "the extension of a video that is read"


def test_what_is_stored_has_an_extension_and_defaults_fit_their_use() -> None:
    assert all(bool(facts.extensions) == facts.is_stored for facts in FORMATS.values())
    assert FORMATS[REDUCTION_FORMAT].takes_reduction
    assert FORMATS[PREFIX_FORMAT].is_picture
    assert FORMATS[APPLIED_FORMAT].takes_apply
    assert FORMATS[SHARD_PICTURE].is_picture


def test_what_needs_no_output_is_an_answer() -> None:
    """A picture of one frame, and what is never stored."""
    for name, facts in FORMATS.items():
        wanted = {"video": VIDEO, "frames": [0], "format": name}
        if facts.is_answer:
            assert parse_event(wanted)
        else:
            with pytest.raises(BadRequest, match="output: is required"):
                parse_event(wanted if facts.takes_frames else wanted | {"apply": "embed"})
    assert {name for name, facts in FORMATS.items() if facts.is_answer and facts.is_picture} == set(get_args(Picture))


def test_an_extension_means_at_most_one_picture_and_one_object() -> None:
    for extension in {one for facts in FORMATS.values() for one in facts.extensions}:
        fitting = formats_of(extension)
        assert [name for name in fitting if FORMATS[name].is_picture] == [
            name for name in [picture_format(extension)] if name
        ]
        assert sum(not FORMATS[name].is_picture for name in fitting) <= 1
    assert (formats_of("gif"), formats_of(""), picture_format("gif"), picture_format("npy")) == ([], [], None, None)


def test_a_sheet_may_be_any_file_that_it_can_be_written_as() -> None:
    assert {picture_format(extension) for extension in FORMATS["sheet"].extensions} == {"jpeg", "png"}


def event(name: Format, **fields: Any) -> dict[str, Any]:
    facts = FORMATS[name]
    end = "/" if facts.many else f".{facts.extensions[0]}" if facts.extensions else ""
    place = {"output": f"s3://out/a{end}"} if facts.is_stored else {}
    own = {} if facts.takes_frames else {"apply": "embed"}
    return {"video": VIDEO, "frames": [0, 1], "format": name, **place, **own, **fields}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("field", "value", "takes"),
    [
        ("quality", 80, "takes_quality"),
        ("fps", 25.0, "takes_fps"),
        ("reduce", "sum", "takes_reduction"),
        ("apply", "embed", "takes_apply"),
        ("picture", "png", "takes_shards"),
        ("shard_mb", 10, "takes_shards"),
    ],
)
def test_a_format_takes_the_fields_of_its_row_alone(name: Format, field: str, value: Any, takes: str) -> None:
    parse_event(event(name))
    if not FORMATS[name].takes_frames and field == "reduce":
        return  # it is of apply, which goes with no reduction
    if getattr(FORMATS[name], takes):
        parse_event(event(name, **{field: value}))
    else:
        with pytest.raises(BadRequest) as caught:
            parse_event(event(name, **{field: value}))
        [problem] = cast("list[dict[str, str]]", caught.value.detail["problems"])
        assert problem["path"] == ("format" if field in ("reduce", "apply") else field)
        assert name in problem["message"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_job_takes_every_format_that_is_stored(name: Format) -> None:
    job = {"videos": "s3://films/", "frames": "all", "output": "s3://out/run/", "format": name}
    if not FORMATS[name].takes_frames:
        job["apply"] = "embed"
    if FORMATS[name].is_stored:
        assert Job.model_validate(job).written_as == name
    else:
        with pytest.raises(ValueError, match=name):
            Job.model_validate(job)


def documented() -> dict[str, list[str]]:
    page = (ROOT / "docs/function.md").read_text()
    table = page.partition("| `format` | result |")[2].partition("\n\n")[0]
    rows = [re.split(r" ?\| ?", line.strip("|").strip()) for line in table.splitlines()[2:]]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_the_documented_table_is_the_one_that_counts() -> None:
    rows = documented()
    assert list(rows) == list(FORMATS)
    for name, (_, extensions, objects, takes, seconds) in rows.items():
        facts = FORMATS[name]  # type: ignore[index]
        assert re.findall(r"`\.(\w+)`", extensions) == list(facts.extensions)
        many = "one a frame" if facts.is_picture else "one a shard"
        assert objects == (many if facts.many else "one" if facts.is_stored else "none")
        taken = {
            "quality": facts.takes_quality,
            "fps": facts.takes_fps,
            "reduce": facts.takes_reduction,
            "apply": facts.takes_apply,
            "picture": facts.takes_shards,
            "shard_mb": facts.takes_shards,
        }
        assert re.findall(r"`(\w+)`", takes) == [field for field, does in taken.items() if does]
        assert float(seconds) == facts.seconds_per_megapixel


def test_the_documentation_names_what_a_job_does_not_cut_and_what_a_sheet_holds() -> None:
    page = (ROOT / "docs/function.md").read_text()
    whole = " and ".join(f"`{name}`" for name, facts in FORMATS.items() if facts.is_stored and not facts.divisible)
    assert f"{whole} are one object of each video" in page
    assert f"up to {FORMATS['sheet'].max_frames} frames" in page


def test_the_schema_lists_the_formats() -> None:
    definitions = json.loads((ROOT / "docs/function.schema.json").read_text())["$defs"]
    for model in ("Decode", "Plan", "Job"):
        [listed] = [one["enum"] for one in definitions[model]["properties"]["format"]["anyOf"] if "enum" in one]
        assert listed == list(FORMATS)
