"""Facts that the image's build has proved."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from deploy.image.checks.finding import Finding, Level
from deploy.image.checks.packaging import shown_bytes
from deploy.image.checks.settings import LICENCES_LABEL
from deploy.image.localimage import Image
from deploy.image.verified_report import VERIFIED, verdict

_AGAIN: Final = "build the image again; docs/build.md says what is proved"
_warning: Final = partial(Finding, "warning")


_PACKAGE: Final = re.compile(r".*/site-packages/([^/]+?)(?:-[^/]*\.dist-info|\.libs)?/.*")
_MAX_NAMES: Final = 5


def _names(paths: Sequence[str]) -> str:
    """Return the packages that these files are of, and the files that are of none."""
    names = list(dict.fromkeys(found[1] if (found := _PACKAGE.fullmatch(path)) else path for path in paths))
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


def verified(image: Image) -> Iterator[Finding]:
    """Report the build's proof. Nothing here is refused: an image without a proof is not wrong."""
    found = verdict(image)
    if found is None:
        yield Finding("note", "verified", "not verified")
        return
    report = found.report
    if report is None:
        yield _warning("verified", f"{VERIFIED} cannot be read", why="the build wrote it", then=_AGAIN)
        return
    needs = ", ".join(report.needs.values())
    facts = f"FFmpeg {report.ffmpeg.version}, {report.licence}, needs {needs}"
    yield Finding("ok", "verified", f"{facts}; {report.added.files:,} files, {shown_bytes(report.added.bytes)} added")
    if report.cve:
        known = report.cve
        states = {
            "not affected": known.not_affected,
            "fixed": known.fixed,
            "affected with an answer": known.affected,
            "under investigation": known.under_investigation,
        }
        answers = ", ".join(f"{number} {state}" for state, number in states.items() if number)
        yield Finding("ok", "cve", f"{known.known} known on {known.as_of}: {answers}")
    if found.replaced:
        yield _warning(
            "verified",
            f"{len(found.replaced):,} files are gone, or are not those that were verified: {_names(found.replaced)}",
            why="an image made from the verified one replaced them; nothing is proved of what runs instead",
            then="install no other version of these packages, or test them yourself",
        )
    elif found.bytes_on_top:
        level: Level = "warning" if found.replaced is None else "note"
        what = "over" if found.replaced is None else "beside"
        yield Finding(level, "verified", f"{shown_bytes(found.bytes_on_top)} lie {what} what was verified")
    if (label := image.labels.get(LICENCES_LABEL)) != report.licence:
        yield _warning(
            "licences",
            f"the image calls itself {label or 'nothing'}, and its build found {report.licence}",
            why="somebody wrote the label; the build looked at the files of the image",
            then=f'LABEL {LICENCES_LABEL}="{report.licence}"',
        )
    if not report.redistributable:
        yield _warning(
            "licences",
            "it was built with NONFREE=1",
            why="it must not be given to anybody: it is for your own account alone",
            then="keep its repository private",
        )
