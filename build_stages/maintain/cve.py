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
from datetime import date
from typing import Any

from maintain.upstream import Mirrors, UnreachableError, numbers
from verify import advisories

PRODUCTS = ("ffmpeg", "x264", "dav1d")
OSV = "https://api.osv.dev/v1/query"
NVD = "https://services.nvd.nist.gov/rest/json/cves/2.0"
CVE_LIST = "https://cveawg.mitre.org/api/cve/"
MAX_PAGES = 50
Listed = tuple[str, date]  # a record, and when it was published
# An answer of another form than the database's is no answer.
NO_ANSWER = (UnreachableError, AttributeError, LookupError, TypeError, ValueError)


def osv(product: str, mirrors: Mirrors) -> Iterator[Listed]:
    """Yield all records that Debian tracks of its source package, whatever the release. Raises one of NO_ANSWER."""
    query: dict[str, Any] = {"package": {"ecosystem": "Debian", "name": product}}
    for _ in range(MAX_PAGES):
        page = _ask(mirrors, OSV, query)
        for entry in page.get("vulns", []):
            names = [entry["id"], *entry.get("aliases", []), *entry.get("upstream", [])]
            for name in {match[0] for name in names if (match := re.search(r"CVE-\d+-\d+$", name))}:
                yield name, _day(entry["published"])
        if not page.get("next_page_token"):
            return
        query["page_token"] = page["next_page_token"]
    raise UnreachableError(f"{OSV}: more than {MAX_PAGES} pages")


def nvd(product: str, mirrors: Mirrors) -> Iterator[Listed]:
    """Yield all records whose text has the product's name. Raises one of NO_ANSWER."""
    at = 0
    for _ in range(MAX_PAGES):
        page = _ask(mirrors, f"{NVD}?{urllib.parse.urlencode({'keywordSearch': product, 'startIndex': at})}")
        for entry in page["vulnerabilities"]:
            yield entry["cve"]["id"], _day(entry["cve"]["published"])
        at += len(page["vulnerabilities"])
        if at >= page["totalResults"]:
            return
        if not page["vulnerabilities"]:
            break
    raise UnreachableError(f"{NVD}: {at} of its records came, which are not all")


def stub(name: str, record: dict[str, Any]) -> str:
    """Return a line for advisories.toml: the files that the record names, and its title to be put in other words."""
    files = sorted(set(re.findall(r"\blib(?:av|sw)\w+/[\w/-]+\.(?:c|S|asm)\b", json.dumps(record))))
    title = str(record.get("title", "TO BE READ")).replace('"', "'")
    named = f", files = {json.dumps(files)}" if files else ""
    return f'{name} = {{ title = "{title}"{named} }}  # TO DO: files or components, needs, fixed_in; own words'


def look(mirrors: Mirrors, known: advisories.Advisories) -> bool:
    """Print the findings; return True if every database answered and nothing is new."""
    have = {advisory.id for advisory in known.records}
    told: set[str] = set()
    clean = True
    for product in PRODUCTS:
        for database in (osv, nvd):
            name = database.__name__.upper()
            try:
                listed = {record for record, published in database(product, mirrors) if published >= known.since}
                if product == "ffmpeg" and not listed & have:
                    raise UnreachableError(f"it lists none of the {len(have)} records that are known here")
            except NO_ANSWER as error:
                clean = False
                print(f"{product}: NOT KNOWN: {name} did not answer ({_reason(error)})")
                continue
            asked_for = product if database is nvd else ""  # whose texts may only mention it
            lines = {record: _line(record, asked_for, mirrors) for record in sorted(listed - have, key=numbers)}
            fresh = {record: line for record, line in lines.items() if line}
            for record, line in fresh.items():
                if record not in told:
                    print(f"NEW of {product}: {line}")
            told |= fresh.keys()
            clean &= not fresh
            print(
                f"{product}: {name} has {len(listed)} records since {known.since}: {len(listed & have)} known here,"
                f" {len(fresh)} new, {len(lines) - len(fresh)} of other software"
            )
    return clean


def _line(name: str, product: str, mirrors: Mirrors) -> str:
    """Return a line for advisories.toml to begin with; "" if the record is of other products than `product`."""
    try:
        record: dict[str, Any] = _ask(mirrors, CVE_LIST + name)["containers"]["cna"]
        said = {str(entry.get(key)).lower() for entry in record.get("affected", []) for key in ("product", "vendor")}
    except NO_ANSWER as error:
        return f"{stub(name, {})}; the record itself was not read ({_reason(error)})"
    return "" if product and product not in said else stub(name, record)


def _ask(mirrors: Mirrors, url: str, query: dict[str, Any] | None = None) -> Any:
    body = None if query is None else json.dumps(query).encode()
    return json.loads(mirrors.read(url, body, **{"Content-Type": "application/json"}))


def _day(time: str) -> date:
    return date.fromisoformat(time[:10])


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, UnreachableError) else f"its answer has another form: {error!r}"


def main() -> int:
    """Look for new records; return the status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirror", action="append", default=[], metavar="FROM=TO", help="ask TO instead of FROM")
    mirrors = Mirrors(dict(mirror.split("=", 1) for mirror in parser.parse_args().mirror))
    known = advisories.load()
    clean = look(mirrors, known)
    if clean:
        print(f"nothing new: {len(known.records)} records are answered, as of {known.as_of}")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
