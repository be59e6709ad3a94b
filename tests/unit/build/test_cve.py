"""make cve: the program of the tree against OSV, the NVD and the CVE list on the loopback interface."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from verify import advisories

ROOT = Path(__file__).resolve().parents[3]
ADDRESSES = {
    "osv": "https://api.osv.dev/",
    "nvd": "https://services.nvd.nist.gov/",
    "list": "https://cveawg.mitre.org/",
}
KNOWN = "CVE-2026-125183"


@dataclass
class World:
    """What OSV and the NVD list of each product, pages of OSV's, and the CVE list's records."""

    osv: dict[str, list[list[dict[str, Any]]]] = field(default_factory=lambda: {"ffmpeg": [[of_debian(KNOWN)]]})
    nvd: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"ffmpeg": [of_the_nvd(KNOWN)]})
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: dict[str, bytes] = field(default_factory=dict)  # a path's beginning, and what it answers instead
    nvd_withholds: int = 0
    url: str = ""

    def run(self, *, silent: str = "") -> subprocess.CompletedProcess[str]:
        """Nobody listens where the database `silent` is asked."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        places = {name: nobody if name == silent else self.url for name in ADDRESSES}
        mirrors = [f"{ADDRESSES[name]}={place}/{name}/" for name, place in places.items()]
        command = [sys.executable, "-m", "maintain.cve", *(f"--mirror={mirror}" for mirror in mirrors)]
        environment = {"no_proxy": "*", "PYTHONPATH": str(ROOT / "build_stages")}
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    def answer(self, path: str, body: bytes) -> bytes | None:
        split = urlsplit(path)
        for beginning, instead in self.broken.items():
            if path.startswith(beginning):
                return instead
        if split.path == "/osv/v1/query":
            query = json.loads(body)
            assert query["package"]["ecosystem"] == "Debian"
            pages = self.osv.get(query["package"]["name"], [[]])
            at = int(query.get("page_token", 0))
            more = {"next_page_token": str(at + 1)} if at + 1 < len(pages) else {}
            return json.dumps({"vulns": pages[at], **more} if pages[at] else {}).encode()
        if split.path == "/nvd/rest/json/cves/2.0":
            asked = parse_qs(split.query)
            listed = self.nvd.get(asked["keywordSearch"][0], [])
            page = listed[int(asked["startIndex"][0]) :][:2]
            total = len(listed) + self.nvd_withholds
            return json.dumps({"totalResults": total, "resultsPerPage": len(page), "vulnerabilities": page}).encode()
        record = self.records.get(split.path.rpartition("/")[2])
        return json.dumps(record).encode() if record else None


@pytest.fixture
def world() -> Iterator[World]:
    built = World()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answer = built.answer(self.path, body)
            self.send_response(200 if answer is not None else 404)
            self.end_headers()
            self.wfile.write(answer or b'{"error": "CVE_RECORD_DNE"}')

        do_POST = do_GET  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    built.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield built
    server.shutdown()
    thread.join()
    server.server_close()


def of_debian(name: str, published: str = "2026-11-20T00:37:08Z") -> dict[str, Any]:
    """As OSV has what Debian tracks."""
    return {
        "id": f"DEBIAN-{name}",
        "published": published,
        "modified": "2026-11-21T10:00:00Z",
        "upstream": [name],
        "affected": [{"package": {"name": "ffmpeg", "ecosystem": "Debian:13", "purl": "pkg:deb/debian/ffmpeg"}}],
    }


def of_the_nvd(name: str, published: str = "2026-11-20T01:16:30.123") -> dict[str, Any]:
    said = [{"lang": "en", "value": "FFmpeg through 9.0.2 …"}]
    return {"cve": {"id": name, "published": published, "vulnStatus": "Received", "descriptions": said}}


def record(name: str, product: str = "FFmpeg", text: str = "in foo() in libavcodec/hevc/refs.c.") -> dict[str, Any]:
    """As the CVE list has it, format 5."""
    return {
        "dataType": "CVE_RECORD",
        "dataVersion": "5.2",
        "cveMetadata": {"cveId": name, "state": "PUBLISHED", "assignerShortName": "VulnCheck"},
        "containers": {
            "cna": {
                "title": f'{product} "Foo"',
                "descriptions": [{"lang": "en", "value": f"{product} through 9.0.2 has a hole {text}"}],
                "affected": [{"vendor": product, "product": product, "versions": [{"version": "0"}]}],
            }
        },
    }


def test_nothing_new_is_said_after_everybody_answered(world: World) -> None:
    done = world.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ffmpeg: OSV has 1 records since 2026-06-01: 1 known here, 0 new" in done.stdout
    assert "dav1d: NVD has 0 records" in done.stdout
    assert f"nothing new: {len(advisories.load().records)} records are answered" in done.stdout


@pytest.mark.parametrize("silent", ["osv", "nvd"])
def test_a_database_that_does_not_answer_is_named_and_nothing_is_called_new_or_old(world: World, silent: str) -> None:
    done = world.run(silent=silent)
    assert done.returncode == 1
    for product in ("ffmpeg", "x264", "dav1d"):
        assert f"{product}: NOT KNOWN: {silent.upper()} did not answer (https://" in done.stdout
    assert "nothing new" not in done.stdout


def test_a_new_record_comes_with_a_line_to_begin_with(world: World) -> None:
    world.osv["ffmpeg"].append([of_debian("CVE-2026-199999")])  # a second page
    world.records["CVE-2026-199999"] = record("CVE-2026-199999")
    done = world.run()
    assert done.returncode == 1
    (line,) = re.findall(r"^NEW of ffmpeg: (.*)$", done.stdout, re.MULTILINE)
    facts = tomllib.loads(line)["CVE-2026-199999"]
    assert facts == {"title": "FFmpeg 'Foo'", "files": ["libavcodec/hevc/refs.c"]}
    assert "2 records since 2026-06-01: 1 known here, 1 new" in done.stdout


def test_a_record_that_only_mentions_the_product_is_left_out(world: World) -> None:
    world.nvd["ffmpeg"] += [of_the_nvd(f"CVE-2026-19999{digit}") for digit in range(3)]  # two pages
    for digit, product in enumerate(("Media Server", "FFmpeg", "Web Thing")):
        world.records[f"CVE-2026-19999{digit}"] = record(f"CVE-2026-19999{digit}", product)
    done = world.run()
    assert re.findall(r"^NEW of ffmpeg: (\S+)", done.stdout, re.MULTILINE) == ["CVE-2026-199991"]
    assert "4 records since 2026-06-01: 1 known here, 1 new, 2 of other software" in done.stdout


def test_a_record_that_cannot_be_read_is_new(world: World) -> None:
    world.nvd["dav1d"] = [of_the_nvd("CVE-2026-199999")]
    done = world.run()
    assert done.returncode == 1
    assert re.search(
        r"^NEW of dav1d: CVE-2026-199999 = .*; the record itself was not read \(", done.stdout, re.MULTILINE
    )


def test_what_was_published_before_is_not_asked_about(world: World) -> None:
    world.osv["ffmpeg"][0].append(of_debian("CVE-2019-1", "2019-05-01T00:00:00Z"))
    world.nvd["ffmpeg"].append(of_the_nvd("CVE-2024-2", "2024-05-01T00:00:00.000"))
    assert world.run().returncode == 0


@pytest.mark.parametrize("page", [b"<html>503</html>", b"[]", b"{}", b"\xff\xfe"])
def test_an_answer_of_another_form_is_no_answer(world: World, page: bytes) -> None:
    world.broken["/nvd/"] = page
    done = world.run()
    assert done.returncode == 1
    assert "NOT KNOWN: NVD did not answer" in done.stdout
    assert not done.stderr


@pytest.mark.parametrize("database", ["osv", "nvd"])
def test_a_list_without_any_record_that_is_known_is_no_answer(world: World, database: str) -> None:
    getattr(world, database).clear()
    done = world.run()
    assert done.returncode == 1
    assert f"ffmpeg: NOT KNOWN: {database.upper()} did not answer (it lists none of the" in done.stdout


def test_a_list_that_ends_early_is_no_answer(world: World) -> None:
    world.nvd_withholds = 5
    done = world.run()
    assert done.returncode == 1
    assert "1 of its records came, which are not all" in done.stdout
