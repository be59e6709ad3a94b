"""Answers each known CVE record of FFmpeg from the objects that were linked, never from the version alone.

build_stages/ffmpeg/advisories.toml has the facts of a record: where its code is, the releases that fix it, and our
answer. A record is

    not_affected         if none of its files was linked and no component of it is there, or what it needs is off
    fixed                if its code is there, of a release that has the fix
    affected             if its code is there without the fix: the build ends unless it has an answer
    under_investigation  if it is not known where its code is
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import sbom

STAGES = Path(__file__).resolve().parents[1]
FILE = STAGES / "ffmpeg/advisories.toml"
READ = {"record": "the CVE record", "summary": "a summary of the CVE record", "unread": "the number alone"}
State = Literal["not_affected", "fixed", "affected", "under_investigation"]
# CycloneDX's words for a state: of the analysis, and of the version.
_WORDS: dict[State, tuple[str, str]] = {
    "not_affected": ("not_affected", "unaffected"),
    "fixed": ("resolved", "unaffected"),
    "affected": ("exploitable", "affected"),
    "under_investigation": ("in_triage", "unknown"),
}


@dataclass(frozen=True)
class Advisory:
    """One CVE record, with all that is known of it.

    `files` are compiled each by itself, `components` are named as FFmpeg's configure does ("decoder hevc"). `needs` are
    names of config.h of which one has to be 1 for the code to be there or to be wrong. `fixed_in` has the first fixed
    release of each series. `read` is a key of READ.
    """

    id: str
    title: str
    read: str
    files: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    fixed_in: tuple[str, ...] = ()
    answer: str = ""


@dataclass(frozen=True)
class Advisories:
    """All records that are known on the day `as_of`, of those published since `since`."""

    as_of: date
    since: date
    records: tuple[Advisory, ...]


@dataclass(frozen=True)
class Compiled:
    """FFmpeg as it was built.

    `objects` were linked into the libraries, `units` are all that FFmpeg's makefiles know, `configured` has config.h,
    `version` is what the libraries say.
    """

    objects: frozenset[str]
    units: frozenset[str]
    configured: Mapping[str, bool]
    version: str

    @classmethod
    def load(cls, directory: Path, version: str) -> Compiled:
        """Reads what build_stages/ffmpeg/build.sh wrote."""
        named = (line.split(":") for line in _lines(directory / "makefiles"))
        configured = (line.split() for line in _lines(directory / "configured"))
        return cls(
            objects=frozenset(_lines(directory / "objects")),
            units=frozenset(_unit(makefile, name) for makefile, name in named),
            configured={name: value == "1" for name, value in configured},
            version=version,
        )


@dataclass(frozen=True)
class Verdict:
    """The computed state of a record. `reason` is CycloneDX's word for why it is not affected, `detail` a sentence."""

    advisory: Advisory
    state: State
    detail: str
    reason: str = ""


def load(file: Path = FILE) -> Advisories:
    """Read the records. Raises TypeError for facts that are not those of an Advisory."""
    facts = tomllib.loads(file.read_text())
    answers = facts.get("answer", {})
    records = tuple(
        Advisory(id=name, read=read, answer=" ".join(answers.pop(name, "").split()), **_tuples(known))
        for read, name, known in _records(facts)
    )
    if answers:
        raise TypeError(f"{file.name} answers {', '.join(answers)}, of which it has no record")
    return Advisories(facts["as_of"], facts["since"], records)


def judge(advisory: Advisory, compiled: Compiled) -> Verdict:
    """Compute the state of one record. Names that FFmpeg does not know are reported by problems()."""
    fixed = next((release for release in advisory.fixed_in if _is_fixed(compiled.version, release)), None)
    linked = [file for file in advisory.files if _object(file) in compiled.objects]
    there = linked + [one for one in advisory.components if compiled.configured.get(_symbol(one))]
    if (advisory.files or advisory.components) and not there:
        names = ", ".join((*map(_object, advisory.files), *advisory.components))
        return Verdict(advisory, "not_affected", f"Not in the libraries: {names}.", "code_not_present")
    if there and advisory.needs and not any(compiled.configured.get(name) for name in advisory.needs):
        of_machine = all(name.startswith("ARCH_") for name in advisory.needs)
        reason = "requires_environment" if of_machine else "code_not_present"
        return Verdict(advisory, "not_affected", f"Configured without {', '.join(advisory.needs)}.", reason)
    if fixed:
        return Verdict(advisory, "fixed", f"Fixed in {fixed}; the libraries are {compiled.version}.")
    if there:
        return Verdict(advisory, "affected", advisory.answer)
    return Verdict(advisory, "under_investigation", f"Read of it: {READ[advisory.read]}, which names no code.")


def problems(found: Sequence[Verdict], compiled: Compiled) -> list[str]:
    """Return reasons to end the build: names that nothing compiled could have, and affected code without an answer."""
    wrong = [problem for verdict in found for problem in _unknown(verdict.advisory, compiled)]
    for verdict in found:
        if verdict.state == "affected" and not verdict.detail:
            advisory = verdict.advisory
            where = ", ".join((*advisory.files, *advisory.components))
            wrong.append(
                f"{advisory.id} ({advisory.title}) is in {where}, which is compiled, and FFmpeg {compiled.version} has"
                f" no fix: pin a release that has it, leave the component out, or answer it in {FILE.name}"
            )
    return wrong


def vex(advisories: Advisories, found: Sequence[Verdict], bill: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the answers as a CycloneDX 1.6 VEX document, which refers to the bill of materials.

    Its time is the day of the records, so the same sources give the same bytes.
    """
    serial = bill["serialNumber"].removeprefix("urn:uuid:")
    ffmpeg = f"urn:cdx:{serial}/{bill['version']}#ffmpeg"
    return sbom.cyclonedx(
        metadata={"timestamp": f"{advisories.as_of}T00:00:00Z", "component": bill["metadata"]["component"]},
        vulnerabilities=[_vulnerability(verdict, ffmpeg, version) for verdict in found],
    )


def _vulnerability(verdict: Verdict, ffmpeg: str, version: str) -> dict[str, Any]:
    advisory = verdict.advisory
    state, status = _WORDS[verdict.state]
    analysis: dict[str, Any] = {"state": state, "detail": verdict.detail}
    if verdict.reason:
        analysis["justification"] = verdict.reason
    if verdict.state == "affected":
        analysis["response"] = ["workaround_available"]
    return {
        "id": advisory.id,
        "source": {"name": "CVE", "url": f"https://www.cve.org/CVERecord?id={advisory.id}"},
        "description": advisory.title,
        "analysis": analysis,
        "affects": [{"ref": ffmpeg, "versions": [{"version": version, "status": status}]}],
        "properties": [{"name": "hwang-lambda:read", "value": READ[advisory.read]}],
    }


def _records(facts: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for read in ("record", "summary"):
        for name, known in facts.get(read, {}).items():
            yield read, name, known
    for title, names in facts.get("unread", {}).items():
        for name in names:
            yield "unread", name, {"title": title}


def _tuples(known: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in known.items()}


def _unknown(advisory: Advisory, compiled: Compiled) -> Iterator[str]:
    """Yield a problem for a misspelt name, or a file that is compiled within others: both would count as absent."""
    for file in advisory.files:
        if _object(file) not in compiled.units or not re.search(r"\.(c|S|asm)$", file):
            yield f"{advisory.id} names {file}, which is none of the files that FFmpeg compiles each by itself"
    for name in (*map(_symbol, advisory.components), *advisory.needs):
        if name not in compiled.configured:
            yield f"{advisory.id} names {name}, which FFmpeg's configure does not know"


def _symbol(component: str) -> str:
    kind, _, name = component.partition(" ")
    return f"CONFIG_{name}_{kind}".upper()


def _object(file: str) -> str:
    return re.sub(r"\.\w+$", ".o", file)


def _unit(makefile: str, name: str) -> str:
    """Return libavcodec/hevc/ps.o for libavcodec/hevc/Makefile and hevc/ps.o. Programs' makefiles have whole paths."""
    top = makefile.partition("/")[0]
    return name if name.startswith(f"{top}/") else f"{top}/{name}"


def _is_fixed(version: str, release: str) -> bool:
    """Return True if `release` is of the same series and not newer. A later series may lack an earlier one's fix."""
    ours, first = ([int(part) for part in re.findall(r"\d+", text)] for text in (version, release))
    return ours[:2] == first[:2] and ours >= first


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()
