"""Fetching: nothing but pinned archives gets through, and whatever a server does there is an answer to it, in time."""

from __future__ import annotations

import gzip
import hashlib
import platform
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import download
import fetch
import git_tree
import licences
import recipe
from tests.support.faults import authority
from tests.unit.build.archiveserver import Answer, ArchiveServer, answer, chunks, drip, hang_up, reset_after, silent
from tests.unit.build.test_git_tree import member, packed_otherwise, read, tar

ROOT = Path(__file__).resolve().parents[3]
BYTES = hashlib.sha512(b"no text").digest() * 2000  # 128,000 bytes, as little compressible as an archive
PAGE = b"<!doctype html><html><head><title>Making sure you're not a bot!</title></head><body>" + bytes(5000)
QUICK = download.DownloadPolicy(sleep=lambda _: None)
SHORT = {  # for faults that take time, the limit that ends them
    "silence": replace(QUICK, silence=0.3),
    "crawl": replace(QUICK, attempt=0.8),
    "crawl of headers": replace(QUICK, attempt=0.8),
}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with ArchiveServer() as serving:
        yield serving


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def recipe_of(*archives: recipe.Archive) -> recipe.Recipe:
    return recipe.Recipe("thing", "1.0", "MIT", archives, None, ())


def pinned(content: bytes, *urls: str, size: bool = True) -> recipe.Recipe:
    return recipe_of(recipe.archive(sha256(content), urls=urls, size=len(content) if size else None))


def tree_of(tmp_path: Path, *urls: str) -> recipe.Recipe:
    digest = f"git-tree:{git_tree.tree_id(read(tmp_path, packed_otherwise()))}"
    return recipe_of(recipe.archive(digest, urls=urls))


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


# An answer, how often the address is asked if it always answers so, and what is said of it.
FAULTS: dict[str, tuple[Answer, int, str]] = {
    "not found": (answer(b"", "404 Not Found"), 1, "HTTP 404 Not Found"),
    "forbidden, with a page": (
        answer(PAGE, "403 Forbidden"),
        1,
        "HTTP 403 Forbidden, an HTML page instead of an archive",
    ),
    "bot wall": (answer(PAGE), 1, "an HTML page instead of an archive"),
    "page after spaces": (
        answer(b"\xef\xbb\xbf\r\n <p>Log in</p>"),
        1,
        "an HTML page instead of an archive",
    ),
    "overloaded": (answer(b"", "503 Service Unavailable"), 3, "HTTP 503 Service Unavailable (attempt 3 of 3)"),
    "bad gateway, with a page": (answer(b"<h1>Bad", "502 Bad Gateway"), 3, "HTTP 502 Bad Gateway, an HTML page"),
    "too many requests": (answer(b"", "429 Too Many"), 3, "HTTP 429 Too Many (attempt 3 of 3)"),
    "reset in mid body": (reset_after(1000, BYTES), 3, "Connection reset by peer"),
    "early end": (answer(BYTES[:-1000], length=len(BYTES)), 3, "it ends 1000 bytes early (attempt 3 of 3)"),
    "early end, no length": (answer(BYTES[:-1000], length=-1), 3, "it ends 1000 bytes early (attempt 3 of 3)"),
    "early end of chunks": (chunks(BYTES[:5000], end=False), 3, "it ends early (attempt 3 of 3)"),
    "hang-up": (hang_up, 3, "Remote end closed connection without response"),
    "no HTTP": (lambda _, connection: connection.sendall(b"220 ftp ready\r\n\r\n"), 3, "220 ftp ready"),
    "longer": (answer(BYTES + b"x"), 1, f"more than the {len(BYTES)} bytes that are pinned"),
    "without end": (chunks(*[BYTES] * 9, end=False), 1, f"more than the {len(BYTES)} bytes that are pinned"),
    "changed bytes": (
        answer(BYTES[::-1]),
        1,
        f"it is {sha256(BYTES[::-1])}, not the pinned {sha256(BYTES)}",
    ),
    "shorter": (answer(BYTES[:-1]), 1, f"{len(BYTES) - 1} bytes instead of the {len(BYTES)} that are pinned"),
    "empty": (answer(b""), 1, f"0 bytes instead of the {len(BYTES)} that are pinned"),
    "crawl": (drip(BYTES), 1, "not finished after 0.8 s"),
    "crawl of headers": (drip(BYTES, headers=True, pause=0.1), 1, "not finished after 0.8 s"),
    "silence": (silent, 3, "no answer for 0.3 s (attempt 3 of 3)"),
    "to a file": (
        answer(b"", "302 Found", Location="file:///etc/passwd"),
        1,
        "redirected to file:///etc/passwd: only https is followed",
    ),
    "to another scheme": (answer(b"", "301 Moved", Location="ftp://x/y"), 1, "redirected to ftp://x/y: only https"),
    "in a circle": (
        answer(b"", "302 Found", Location="/first.tar"),
        6,
        "more than 5 redirects, the last one to http://",
    ),
    "nowhere": (answer(b"", "302 Found"), 1, "HTTP 302 Found"),
    "to nonsense": (answer(b"", "302 Found", Location="http://[::1"), 1, "not an address"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_after_any_fault_the_next_address_is_asked(
    fault: str, server: ArchiveServer, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, asked, reason = FAULTS[fault]
    urls = [server.serve("/first.tar", bad), server.serve("/second.tar", answer(BYTES))]
    found = fetch.fetch(pinned(BYTES, *urls), [cache], SHORT.get(fault, QUICK))
    assert found.path.read_bytes() == BYTES
    assert found.origin.startswith(urls[1])
    assert server.asked == ["/first.tar"] * asked + ["/second.tar"]
    said = capsys.readouterr().err.splitlines()
    attempts = 1 if "circle" in fault else asked
    assert len(said) == attempts
    assert f"fetch: {urls[0]}: {reason}" in said[-1]
    assert all("asked again in " in line for line in said[:-1])
    assert [path.name for path in cache.iterdir()] == ["second.tar"]


@pytest.mark.parametrize("fault", FAULTS)
def test_if_no_address_is_left_nothing_is_and_the_error_says_why(
    fault: str, server: ArchiveServer, cache: Path
) -> None:
    bad, _, reason = FAULTS[fault]
    facts = pinned(BYTES, server.serve("/first.tar", bad))
    with pytest.raises(fetch.FetchError) as failure:
        fetch.fetch(facts, [cache], SHORT.get(fault, QUICK))
    assert f"\n  {facts.archives[0].urls[0]}: " in str(failure.value)
    assert reason in str(failure.value)
    assert "put the archive (first.tar) into a folder DIR" in str(failure.value)
    assert list(cache.iterdir()) == []


PASSING = (
    "overloaded",
    "too many requests",
    "reset in mid body",
    "early end",
    "early end of chunks",
    "hang-up",
    "silence",
)


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_waited_for(fault: str, server: ArchiveServer, cache: Path) -> None:
    waited: list[float] = []
    url = server.serve("/first.tar", FAULTS[fault][0], FAULTS[fault][0], answer(BYTES))
    policy = replace(SHORT.get(fault, QUICK), sleep=waited.append)
    assert fetch.fetch(pinned(BYTES, url), [cache], policy).path.read_bytes() == BYTES
    first, second = waited
    assert 0.5 <= first <= 1 <= second <= 2


def test_a_refused_connection_is_tried_again_and_then_left(cache: Path) -> None:
    waited: list[float] = []
    with pytest.raises(fetch.FetchError, match=r"Connection refused \(attempt 3 of 3\)"):
        fetch.fetch(
            pinned(BYTES, f"http://127.0.0.1:{closed_port()}/x.tar"), [cache], replace(QUICK, sleep=waited.append)
        )
    assert len(waited) == 2


@pytest.mark.parametrize(("code", "attempts"), [(socket.EAI_NONAME, 1), (socket.EAI_AGAIN, 3)])
def test_a_name_that_does_not_exist_is_left_at_once(
    code: int, attempts: int, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = []

    def look_up(host: str, *_: object, **__: object) -> None:
        looked_up.append(host)
        raise socket.gaierror(code, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(fetch.FetchError, match=r"its name is not found \(no such name\)"):
        fetch.fetch(pinned(BYTES, "https://nobody.invalid/x.tar"), [cache], QUICK)
    assert looked_up == ["nobody.invalid"] * attempts


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_only_the_web_is_asked(url: str, cache: Path) -> None:
    with pytest.raises(fetch.FetchError, match="only https is asked"):
        fetch.fetch(pinned(b"x", url), [cache], QUICK)


def test_a_redirect_is_followed_and_the_archive_keeps_its_name(server: ArchiveServer, cache: Path) -> None:
    server.serve("/elsewhere?token=1", answer(BYTES))
    url = server.serve("/thing-1.0.tar", answer(b"", "302 Found", Location="/elsewhere?token=1"))
    assert fetch.fetch(pinned(BYTES, url), [cache], QUICK).path == cache / "thing-1.0.tar"


def test_the_request_says_who_asks(server: ArchiveServer, cache: Path) -> None:
    fetch.fetch(pinned(BYTES, server.serve("/x.tar", answer(BYTES))), [cache], QUICK)
    assert server.headers[0]["user-agent"] == f"hwang-lambda-build Python/{platform.python_version()}"
    assert server.headers[0]["accept-encoding"] == "identity"


def test_an_archive_of_unknown_size_is_bounded_too(
    server: ArchiveServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "MAX_ARCHIVE", 1000)
    facts = pinned(BYTES, server.serve("/x.tar", chunks(*[BYTES] * 9, end=False)), size=False)
    with pytest.raises(fetch.FetchError, match="more than 1000 bytes"):
        fetch.fetch(facts, [cache], QUICK)
    assert server.asked == ["/x.tar"]


def test_a_server_that_keeps_the_connection_open_is_not_waited_for(server: ArchiveServer, cache: Path) -> None:
    def keep(serving: ArchiveServer, connection: socket.socket) -> None:
        answer(BYTES)(serving, connection)
        serving.closing.wait(10)

    facts = pinned(BYTES, server.serve("/x.tar", keep))
    assert fetch.fetch(facts, [cache], QUICK).path.read_bytes() == BYTES
    assert server.asked == ["/x.tar"]


# Over TLS.


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("authority")
    authority.make(directory, ["127.0.0.1"])
    return directory


@pytest.fixture
def secure(certificates: Path) -> Iterator[ArchiveServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "good.pem")
    with ArchiveServer(context) as serving:
        yield serving


def test_from_https_only_https_is_followed(
    secure: ArchiveServer, server: ArchiveServer, certificates: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "ca.crt"))
    plain = server.serve("/x.tar", answer(BYTES))
    facts = pinned(BYTES, secure.serve("/x.tar", answer(b"", "302 Found", Location=plain)))
    with pytest.raises(fetch.FetchError, match=f"redirected to {plain}: only https is followed"):
        fetch.fetch(facts, [cache], QUICK)
    assert server.asked == []
    secure.serve("/moved.tar", answer(BYTES))
    facts = pinned(BYTES, secure.serve("/x.tar", answer(b"", "302 Found", Location="/moved.tar")))
    assert fetch.fetch(facts, [cache], QUICK).path.read_bytes() == BYTES


def test_a_certificate_that_is_not_trusted_is_answered_with_the_way_to_trust_it(
    secure: ArchiveServer, cache: Path
) -> None:
    facts = pinned(BYTES, secure.serve("/x.tar", answer(BYTES)))
    with pytest.raises(fetch.FetchError) as failure:
        fetch.fetch(facts, [cache], QUICK)
    assert "its TLS certificate is not trusted (unable to get local issuer certificate)" in str(failure.value)
    assert "`SSL_CERT_FILE=FILE make image`, or `docker build --secret id=ca,src=FILE`" in str(failure.value)
    assert "attempt" not in str(failure.value)


# Archives that are pinned by their tree.

HOSTILE: dict[str, tuple[bytes, str]] = {
    "truncated": (gzip.compress(packed_otherwise())[:-30], "damaged, or no tar archive"),
    "of another tree": (gzip.compress(tar(member("x/f", content=b"f"))), "it is git-tree:"),
    "symbolic link": (tar(member("x/f"), member("x/l", tarfile.SYMTYPE, linkname="f")), "'x/l' is not a plain file"),
    "hard link": (tar(member("x/f"), member("x/h", tarfile.LNKTYPE, linkname="x/f")), "'x/h' is not a plain file"),
    "device": (tar(member("x/d", tarfile.BLKTYPE)), "'x/d' is not a plain file"),
    "parent": (tar(member("x/../../f", content=b"f")), "'x/../../f' is no plain path"),
    "bomb": (gzip.compress(tar(member("x/zeros", content=bytes(1 << 20)))), "larger than 100000 bytes"),
    "no archive": (BYTES, "damaged, or no tar archive"),
}


@pytest.mark.parametrize("harm", HOSTILE)
def test_an_archive_of_anything_but_the_tree_leads_to_the_next_address(
    harm: str, server: ArchiveServer, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_tree, "MAX_UNPACKED", 100_000)
    content, reason = HOSTILE[harm]
    bad, good = server.serve("/first.tar.gz", answer(content)), server.serve("/good.tar", answer(packed_otherwise()))
    with pytest.raises(fetch.FetchError) as failure:
        fetch.fetch(tree_of(tmp_path, bad), [cache], QUICK)
    assert reason in str(failure.value)
    assert list(cache.iterdir()) == []
    assert fetch.fetch(tree_of(tmp_path, bad, good), [cache], QUICK).origin.startswith(good)
    assert server.asked == ["/first.tar.gz"] * 2 + ["/good.tar"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "cache"]  # nothing was unpacked


def test_whoever_serves_the_tree_and_however_the_same_is_compiled(server: ArchiveServer, tmp_path: Path) -> None:
    made = []
    for number, content in enumerate(
        (packed_otherwise(), gzip.compress(packed_otherwise()), gzip.compress(packed_otherwise(), 1))
    ):
        directory = tmp_path / str(number)
        directory.mkdir()
        facts = tree_of(tmp_path, server.serve(f"/thing-{number}.tar", answer(content)))
        fetch.deliver(fetch.fetch(facts, [directory], QUICK), facts, directory)
        assert (directory / f"thing-{number}.tar").read_bytes() == content
        made.append((directory / "source.tar").read_bytes())
    assert len(set(made)) == 1
    with tarfile.open(tmp_path / "0/source.tar") as packed:
        assert {name.split("/")[0] for name in packed.getnames()} == {"thing-1.0"}


def test_the_offer_of_source_names_the_tree(tmp_path: Path) -> None:
    facts = tree_of(tmp_path, "https://one.example/x.tar.gz", "https://two.example/x.tar.bz2")
    tree = facts.archives[0].tree
    offered = licences.offer((facts,))
    assert (
        f"* https://one.example/x.tar.gz\n  https://two.example/x.tar.bz2\n  git-tree:{tree} (swh:1:dir:{tree})"
        in offered
    )


# Caches.


def test_what_was_fetched_once_is_taken_from_the_cache(server: ArchiveServer, cache: Path) -> None:
    facts = pinned(BYTES, server.serve("/thing-1.0.tar.xz", answer(BYTES)))
    first = fetch.fetch(facts, [cache], QUICK)
    assert (first.path, facts.archives[0].digest in first.origin) == (cache / "thing-1.0.tar.xz", True)
    again = fetch.fetch(facts, [cache], QUICK)
    assert (again.path, "from the cache" in again.origin) == (first.path, True)
    assert server.asked == ["/thing-1.0.tar.xz"]


@pytest.mark.parametrize("damage", [b"half", b"", BYTES[::-1]])
def test_a_damaged_cache_is_not_trusted(damage: bytes, server: ArchiveServer, cache: Path) -> None:
    (cache / "thing-1.0.tar.xz").write_bytes(damage)
    facts = pinned(BYTES, server.serve("/thing-1.0.tar.xz", answer(BYTES)))
    assert fetch.fetch(facts, [cache], QUICK).path.read_bytes() == BYTES


def test_a_folder_of_archives_may_have_the_tree_by_any_of_its_names(cache: Path, tmp_path: Path) -> None:
    facts = tree_of(tmp_path, "https://one.invalid/a%2Bb.tar.bz2", "https://two.invalid/1.0.tar.gz")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a+b.tar.bz2").write_bytes(b"damaged")
    (folder / "1.0.tar.gz").write_bytes(gzip.compress(packed_otherwise()))
    assert fetch.fetch(facts, [cache, folder], QUICK).path == folder / "1.0.tar.gz"
    assert list(cache.iterdir()) == []


# The program.


def program(tmp_path: Path, facts: str, *arguments: str, limits: str = "true") -> subprocess.Popen[str]:
    """fetch.py, with what the Dockerfile copies beside it alone and a recipe of these facts."""
    (copied,) = (
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY") and "/fetch.py" in line
    )
    stages = tmp_path / "build_stages"
    (stages / "thing").mkdir(parents=True)
    for word in copied.split():
        if word.startswith("build_stages/"):
            shutil.copy(ROOT / word, stages)
    (stages / "thing/source.toml").write_text(f'version = "1.0"\nlicence = "MIT"\n[[archive]]\n{facts}\n')
    command = [
        "/bin/sh",
        "-c",
        f'{limits} && exec "$@"',
        "sh",
        sys.executable,
        "-B",
        str(stages / "fetch.py"),
        "thing",
        str(tmp_path / "source"),
        *arguments,
    ]
    environment = {"PATH": str(tmp_path), "no_proxy": "*"}  # without apt
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def facts_of(*urls: str) -> str:
    return f'urls = {list(urls)}\ndigest = "{sha256(BYTES)}"'


def test_the_program_writes_source_and_origin(server: ArchiveServer, tmp_path: Path) -> None:
    urls = [server.serve("/thing.tar", answer(b"", "404 Not Found")), server.serve("/other.tar", answer(BYTES))]
    running = program(tmp_path, facts_of(*urls), "--cache", str(tmp_path / "cache"))
    out, err = running.communicate(timeout=30)
    assert (running.returncode, err) == (0, f"fetch: {urls[0]}: HTTP 404 Not Found\n")
    assert (tmp_path / "source/source.tar").read_bytes() == BYTES
    origin = (tmp_path / "source/origin").read_text()
    assert (origin.split(",")[0], out) == (urls[1], f"fetch: thing: {origin}")


def test_the_program_ends_with_every_address_and_what_to_do(server: ArchiveServer, tmp_path: Path) -> None:
    urls = [server.serve("/thing.tar", answer(PAGE)), server.serve("/other.tar", answer(b"", "410 Gone"))]
    running = program(tmp_path, facts_of(*urls))
    _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "Traceback" not in err
    said = err[err.index("fetch: thing 1.0 is not to be had:") :].splitlines()
    assert [line.partition(": ")[0] for line in said[1:3]] == [f"  {url}" for url in urls]
    assert "(thing.tar or other.tar)" in said[3]
    assert "make image SOURCES=DIR" in said[3]
    assert "--build-context sources=DIR" in said[3]


def test_an_interrupt_leaves_nothing_behind(server: ArchiveServer, tmp_path: Path) -> None:
    url = server.serve("/thing.tar", drip(BYTES))
    running = program(tmp_path, facts_of(url), "--cache", str(tmp_path / "cache"))
    assert server.sent.wait(30)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode not in (0, None)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_full_disk_is_no_address_s_fault(server: ArchiveServer, tmp_path: Path) -> None:
    urls = [server.serve(path, answer(BYTES)) for path in ("/thing.tar", "/other.tar")]
    running = program(tmp_path, facts_of(*urls), "--cache", str(tmp_path / "cache"), limits="ulimit -f 20")
    _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert err == "fetch: cannot write the archive: [Errno 27] File too large; make room, or name another --cache\n"
    assert (server.asked, list((tmp_path / "cache").iterdir())) == (["/thing.tar"], [])
