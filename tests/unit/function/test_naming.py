"""Names of pictures: what a template may say, and what it may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from function.models.naming import DEFAULT_NAME, MAX_NAME_CHARS, parse_template


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (DEFAULT_NAME, "frame-000042.jpg"),
        ("{row}.{ext}", "42.jpg"),
        ("{position:03d}-{seconds:.2f}.jpg", "007-1.75.jpg"),
        ("{row:4}", "  42"),
        ("{{literal}}{row}", "{literal}42"),
        ("ü {row}", "ü 42"),
    ],
)
def test_names(template: str, name: str) -> None:
    assert parse_template(template).name(row=42, position=7, seconds=1.75, ext="jpg") == name


@pytest.mark.parametrize(
    "template",
    [
        "",
        "frame.jpg",  # all frames would have one name
        "{seconds:.2f}.jpg",
        "{row.__class__}",
        "{row[0]}",
        "{row!r}",
        "{row:999999999d}",
        "{row:>{position}}",
        "{row:,}",
        "{0}",
        "{}",
        "{video}",
        "{row",
        "row}",
        "a/{row}",
        "../{row}",
        "a\\{row}",
        "{row}\n",
        "{row}" + "x" * MAX_NAME_CHARS,
    ],
)
def test_what_is_no_template(template: str) -> None:
    with pytest.raises(PydanticCustomError):
        parse_template(template)


@given(st.text(alphabet="{}:.!0123456789drowpsitneEx[]_-/\\", max_size=30))
def test_a_template_is_refused_or_gives_short_names_without_slashes(text: str) -> None:
    try:
        template = parse_template(text)
    except PydanticCustomError:
        return
    names = {template.name(row=row, position=row, seconds=0.5, ext="jpg") for row in range(3)}
    assert len(names) == 3
    assert all(len(name) < 2 * MAX_NAME_CHARS + 400 and "/" not in name for name in names)
