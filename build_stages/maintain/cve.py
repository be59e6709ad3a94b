"""Looks for CVE records of FFmpeg, x264 and dav1d that the build does not answer yet.

    cve.py [--mirror FROM=TO]…

Asks OSV (for the records that Debian tracks) and the NVD (by name); a record of another product is left out, if the CVE
list names that product. Prints a line about each answer, and a line to begin with for each record that is missing in
ffmpeg/advisories.toml. The status is 0 if both answered and nothing is new, else 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from maintain.upstream import Mirrors, UnreachableError
from verify import advisories

PRODUCTS = ("ffmpeg", "x264", "dav1d")
OSV = "https://api.osv.dev/v1/query"
NVD = "https://services.nvd.nist.gov/rest/json/cves/2.0"
CVE_LIST = "https://cveawg.mitre.org/api/cve/"
MAX_PAGES = 50
# An answer of another form than the database's is no answer.
NO_ANSWER = (UnreachableError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class Found:
    """A record that a database lists. `surely` is false if its text may only mention the product."""

    id: str
    published: date
    surely: bool


class Databases:
    """The databases that are asked. Each method raises one of NO_ANSWER unless the whole answer came."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors

    def osv(self, product: str) -> Iterator[Found]:
        """Yield all records that Debian tracks of its source package, whatever the release."""
        query: dict[str, Any] = {"package": {"ecosystem": "Debian", "name": product}}
        for _ in range(MAX_PAGES):
            page = self._ask(OSV, query)
            for entry in page.get("vulns", []):
                names = [entry["id"], *entry.get("aliases", []), *entry.get("upstream", [])]
                for name in {match[0] for name in names if (match := re.search(r"CVE-\d+-\d+$", name))}:
                    yield Found(name, _day(entry["published"]), surely=True)
            if not page.get("next_page_token"):
                return
            query["page_token"] = page["next_page_token"]
        raise UnreachableError(f"{OSV}: more than {MAX_PAGES} pages")

    def nvd(self, product: str) -> Iterator[Found]:
        """Yield all records whose text has the product's name."""
        at = 0
        for _ in range(MAX_PAGES):
            page = self._ask(f"{NVD}?{urllib.parse.urlencode({'keywordSearch': product, 'startIndex': at})}")
            entries = page["vulnerabilities"]
            for entry in entries:
                yield Found(entry["cve"]["id"], _day(entry["cve"]["published"]), surely=False)
            at += len(entries)
            if at >= page["totalResults"]:
                return
            if not entries:
                break
        raise UnreachableError(f"{NVD}: {at} of its records came, which are not all")

    def record(self, name: str) -> dict[str, Any]:
        """Return the record itself, as its publisher wrote it."""
        record: dict[str, Any] = self._ask(CVE_LIST + name)["containers"]["cna"]
        return record

    def _ask(self, url: str, query: dict[str, Any] | None = None) -> Any:
        body = None if query is None else json.dumps(query).encode()
        return json.loads(self._mirrors.read(url, body, **{"Content-Type": "application/json"}))


def stub(name: str, record: dict[str, Any] | None) -> str:
    """Return a line for advisories.toml: the files that the record names, and its title to be put in other words."""
    text = json.dumps(record) if record else ""
    files = sorted(set(re.findall(r"\blib(?:av|sw)\w+/[\w/-]+\.(?:c|S|asm)\b", text)))
    title = str((record or {}).get("title", "TO BE READ")).replace('"', "'")
    named = f", files = {json.dumps(files)}" if files else ""
    return f'{name} = {{ title = "{title}"{named} }}  # TO DO: files or components, needs, fixed_in; own words'


def of_product(record: dict[str, Any], product: str) -> bool:
    """Return True if the record's publisher names this very product."""
    said = {str(entry.get(key, "")).lower() for entry in record.get("affected", []) for key in ("product", "vendor")}
    return product in said


def _day(time: str) -> date:
    return date.fromisoformat(time[:10])


def look(databases: Databases, known: advisories.Advisories) -> bool:
    """Print the findings; return True if every database answered and nothing is new."""
    have = {advisory.id for advisory in known.records}
    told: set[str] = set()
    clean = True
    for product in PRODUCTS:
        for name, ask in (("OSV", databases.osv), ("NVD", databases.nvd)):
            try:
                listed = {found.id: found for found in ask(product) if found.published >= known.since}
                fresh = sorted(listed.keys() - have, key=_number)
                others = 0
                for identity in fresh:
                    record, silence = _record(databases, identity)
                    if record and not listed[identity].surely and not of_product(record, product):
                        others += 1
                        continue
                    clean = False
                    if identity not in told:
                        told.add(identity)
                        print(f"NEW of {product}: {stub(identity, record)}{silence}")
                answered = len(listed.keys() & have)
                if product == "ffmpeg" and not answered:
                    raise UnreachableError(f"it lists none of the {len(have)} records that are known here")
                print(
                    f"{product}: {name} has {len(listed)} records since {known.since}: {answered} known here,"
                    f" {len(fresh) - others} new, {others} of other software"
                )
            except NO_ANSWER as error:
                clean = False
                print(f"{product}: NOT KNOWN: {name} did not answer ({_reason(error)})")
    return clean


def _record(databases: Databases, name: str) -> tuple[dict[str, Any] | None, str]:
    try:
        return databases.record(name), ""
    except NO_ANSWER as error:
        return None, f"; the record itself was not read ({_reason(error)})"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, UnreachableError) else f"its answer has another form: {error!r}"


def _number(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", name))


def main() -> int:
    """Look for new records; return the status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", action="append", default=[], metavar="FROM=TO", help="ask TO instead of FROM")
    mirrors = Mirrors(dict(mirror.split("=", 1) for mirror in parser.parse_args().mirror))
    known = advisories.load()
    clean = look(Databases(mirrors), known)
    if clean:
        print(f"nothing new: {len(known.records)} records are answered, as of {known.as_of}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
