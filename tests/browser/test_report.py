"""The report in a real browser that has no network."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from function.report import write_report
from tests.browser.conftest import Show
from tests.browser.showing import DARK, LIGHT, PHONE, Visit
from tests.support.hostile_names import HOSTILE_NAMES
from tests.support.jobs import Job, make_job

NEXT_TO_NOTHING = 200  # colours of a page that shows no picture and no chart are fewer


def page(job: Job) -> bytes:
    return write_report(job.model, job.read)


@pytest.fixture(scope="module")
def usual(show: Show) -> Visit:
    job = make_job(videos=24, parts=12, workers=6, retried=(5,), size=(320, 180))
    return show(page(job), LIGHT, DARK, PHONE)


def colours(picture: Image.Image) -> int:
    return len(picture.getcolors(maxcolors=2**24) or ())


def brightness(picture: Image.Image) -> int:
    """Of the page itself, 0 to 255: its most frequent value."""
    pixels = np.asarray(picture.convert("L"))
    return int(np.bincount(pixels.ravel()).argmax())


def test_the_page_loads_without_a_word_and_without_a_request(usual: Visit) -> None:
    assert usual.console == []
    assert usual.requests == []


def test_every_picture_is_there(usual: Visit) -> None:
    assert all((look.pictures, look.broken) == (48, 0) for look in usual.views)


def test_something_is_to_be_seen_in_every_view(usual: Visit) -> None:
    for look in usual.views:
        assert look.screenshot.height > 800
        assert colours(look.screenshot) > NEXT_TO_NOTHING


def test_the_page_is_light_or_dark_as_its_reader_likes_it(usual: Visit) -> None:
    light, dark, _ = usual.views
    assert brightness(light.screenshot) > 230
    assert brightness(dark.screenshot) < 50


@pytest.mark.parametrize(
    "job",
    [
        make_job(videos=24, parts=12, workers=6, size=(320, 180)),
        make_job(videos=HOSTILE_NAMES, parts=3, missing=(2,)),
        make_job(videos=3000, parts=10_000, workers=100, rows=1, with_objects=False),
        make_job(videos=1, parts=1, workers=1),
        make_job(kind="sheet"),
    ],
    ids=["usual", "hostile names", "10,000 parts", "one part", "sheets"],
)
def test_nothing_is_wider_than_a_phone(job: Job, show: Show) -> None:
    visit = show(page(job), PHONE)
    assert visit.console == []
    assert visit.views[0].scroll_width <= visit.views[0].client_width == PHONE.width


def test_hostile_names_run_nothing_and_fetch_nothing(show: Show) -> None:
    job = make_job(
        videos=HOSTILE_NAMES, parts=3, failures=[{"video": n, "code": n, "message": n} for n in HOSTILE_NAMES]
    )
    visit = show(page(job), LIGHT)
    assert visit.console == []
    assert visit.requests == []
