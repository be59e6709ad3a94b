from __future__ import annotations

import gzip
import io
import posixpath
import zlib
from collections.abc import Mapping
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import ImageRefusedError
from deploy.image import filesystem, layers
from deploy.image.filesystem import EXECUTE, READ, Filesystem
from deploy.image.layers import Layer, filesystem_of
from deploy.image.streams import StoredBlob
from deploy.image.tarfiles import Kind
from tests.deploy.images import Item, digest_of, directory, hard_link, symlink, tar_of

Files: TypeAlias = Mapping[str, "Item | bytes"]

NOBODY = (993, frozenset({990}))


def layer_of(tar: bytes, *, gzipped: bool = False, diff_id: str = "", digest: str = "") -> Layer:
    stored = gzip.compress(tar, 1, mtime=0) if gzipped else tar
    blob = StoredBlob(digest or digest_of(stored), len(stored), lambda: io.BytesIO(stored))
    return Layer("layer 1", blob, diff_id or digest_of(tar), "", "gzip" if gzipped else "none")


def laid(*upwards: Files, gzipped: bool = False) -> Filesystem:
    return filesystem_of([layer_of(tar_of(files), gzipped=gzipped) for files in upwards])


# What is where.


def test_a_file_of_a_higher_layer_hides_one_below() -> None:
    files = laid({"a": b"below"}, {"a": Item(b"above", 0o600, 1, 2)})
    found = files.find("/a")
    assert found
    assert (found.node.entry.mode, found.node.entry.uid, found.node.entry.gid) == (0o600, 1, 2)
    assert files.read("/a", 100) == b"above"
    assert files.sizes == [5, 5]


def test_a_whiteout_removes_what_is_below_it_and_nothing_else() -> None:
    files = laid({"d/a": b"", "d/b": b"", "e/x/y": b""}, {"d/.wh.a": b"", ".wh.e": b"", "e/new": b""})
    assert files.names("/d") == ["b"]
    assert files.names("/e") == ["new"]


def test_a_whiteout_does_not_remove_what_its_own_layer_has() -> None:
    for order in (["d/a", "d/.wh.a"], ["d/.wh.a", "d/a"]):
        files = laid({"d/a": b"below"}, dict.fromkeys(order, b"above"))
        assert files.read("/d/a", 100) == b"above"


def test_an_opaque_directory_hides_all_that_is_below_it() -> None:
    for order in (["d/new", "d/.wh..wh..opq"], ["d/.wh..wh..opq", "d/new"]):
        files = laid({"d/a": b"", "d/e/f": b"", "other": b""}, dict.fromkeys(order, b""))
        assert files.names("/d") == ["new"]
        assert files.names("/") == ["d", "other"]


def test_a_directory_over_a_directory_keeps_the_files_and_takes_the_mode() -> None:
    files = laid({"d": directory(0o700), "d/a": b""}, {"d": directory(0o755, 5)})
    found = files.find("/d")
    assert found
    assert (found.node.entry.mode, found.node.entry.uid) == (0o755, 5)
    assert files.names("/d") == ["a"]


def test_a_directory_that_is_only_implied_keeps_the_mode_it_had() -> None:
    found = laid({"d": directory(0o700)}, {"d/a": b""}).find("/d")
    assert found
    assert found.node.entry.mode == 0o700


def test_a_file_over_a_directory_replaces_all_of_it() -> None:
    files = laid({"d/a": b""}, {"d": b"file"})
    assert files.read("/d", 10) == b"file"
    assert files.find("/d/a") is None


def test_something_below_a_link_replaces_the_link_as_overlays_do() -> None:
    files = laid({"lib": symlink("usr/lib"), "usr/lib/a": b""}, {"lib/b": b""})
    assert files.names("/lib") == ["b"]
    assert files.names("/usr/lib") == ["a"]


def test_a_hard_link_is_the_file_it_names_even_in_a_lower_layer() -> None:
    files = laid({"a": Item(b"data", 0o640, 7)}, {"b": hard_link("a"), "c": hard_link("/a")}, {"d": hard_link("b")})
    for path in ("/b", "/c", "/d"):
        found = files.find(path)
        assert found
        assert (found.node.entry.mode, found.node.entry.uid) == (0o640, 7)
        assert files.read(path, 10) == b"data"


def test_a_hard_link_to_nothing_is_a_problem() -> None:
    files = laid({"b": hard_link("gone")})
    assert "hard link" in files.problems[0]


def test_device_nodes_are_there_and_have_no_contents() -> None:
    files = laid({"dev/null": Item(kind=b"3")})
    found = files.find("/dev/null")
    assert found
    assert found.node.kind is Kind.OTHER
    with pytest.raises(FileNotFoundError):
        files.read("/dev/null", 10)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/../x", "a/../../b", "..", "d/.."])
def test_names_that_lead_out_are_a_problem_and_nothing_more(name: str) -> None:
    files = laid({"a": b"", name: b"out"})
    assert files.names("/") == ["a"]
    assert repr(name) in files.problems[0]


def test_many_bad_names_are_few_problems() -> None:
    assert len(laid({f"../{n}": b"" for n in range(1000)}).problems) == 10


@pytest.mark.parametrize("name", ["/etc/x", "./etc/x", "etc//x", "./etc/./x"])
def test_the_ways_to_write_a_name_are_one(name: str) -> None:
    assert laid({name: b"1"}).read("/etc/x", 1) == b"1"


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "MAX_NODES", 10)
    with pytest.raises(ImageRefusedError, match="more than 10 files"):
        laid({f"f{n}": b"" for n in range(11)})


# Links.


def test_links_are_followed_inside_the_image() -> None:
    files = laid(
        {
            "usr/lib/a": b"lib",
            "lib": symlink("usr/lib"),
            "abs": symlink("/lib/a"),
            "up": symlink("../../../usr/lib/../lib/a"),
            "d/rel": symlink("../abs"),
        }
    )
    for path in ("/lib/a", "/abs", "/up", "/d/rel", "/../d/./rel", "//lib//a"):
        found = files.find(path)
        assert found, path
        assert found.path == "/usr/lib/a"
        assert files.read(path, 10) == b"lib"


def test_a_link_itself_is_found_without_following() -> None:
    files = laid({"l": symlink("nowhere")})
    found = files.find("/l", follow=False)
    assert found
    assert found.node.entry.target == "nowhere"
    assert files.find("/l") is None


def test_links_in_circles_lead_nowhere() -> None:
    files = laid({"a": symlink("b"), "b": symlink("a"), "self": symlink("self/x/y"), "c/d": symlink("../c/d/d/d/d")})
    assert [files.find(path) for path in ("/a", "/b", "/self", "/c/d")] == [None] * 4


def test_a_file_is_no_directory() -> None:
    files = laid({"a": b""})
    assert files.find("/a/b") is None
    assert files.find("/a/..") is None


# Who may read.


def test_permission_is_needed_on_the_whole_way() -> None:
    files = laid({"open": directory(), "open/closed": directory(0o700), "open/closed/file": b"", "open/file": b""})
    assert files.permits("/open/file", *NOBODY)
    assert not files.permits("/open/closed/file", *NOBODY)
    assert files.permits("/open/closed/file", 0, frozenset())


def test_permission_is_needed_on_the_way_of_links_too() -> None:
    files = laid({"closed": directory(0o711), "closed/link": symlink("/file"), "file": b"", "shut": directory(0o600)})
    assert files.permits("/closed/link", *NOBODY)
    files = laid({"shut": directory(0o644), "shut/link": symlink("/file"), "file": b""})
    assert not files.permits("/shut/link", *NOBODY)


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "allowed"),
    [
        (0o004, 0, 0, True),
        (0o440, 0, 990, True),
        (0o404, 0, 990, False),  # the group's bits count for a member, not the others'
        (0o044, 993, 990, False),  # and the owner's for the owner
        (0o400, 993, 0, True),
        (0o000, 0, 0, False),
    ],
)
def test_the_first_class_that_fits_decides(mode: int, uid: int, gid: int, allowed: bool) -> None:
    assert laid({"f": Item(b"", mode, uid, gid)}).permits("/f", *NOBODY) is allowed


def test_root_executes_only_what_somebody_may_execute() -> None:
    files = laid({"no": Item(b"", 0o644), "yes": Item(b"", 0o641)})
    assert not files.permits("/no", 0, frozenset(), EXECUTE)
    assert files.permits("/yes", 0, frozenset(), EXECUTE)
    assert files.permits("/no", 0, frozenset(), READ)


def test_what_is_unreadable_is_named_and_a_closed_directory_stands_for_its_files() -> None:
    files = laid(
        {
            "t": directory(),
            "t/ok": b"",
            "t/secret": Item(b"", 0o600),
            "t/closed": directory(0o700),
            "t/closed/a": b"",
            "t/listed-only": directory(0o744),
            "t/to-secret": symlink("secret"),
            "t/nowhere": symlink("gone"),
        }
    )
    assert list(files.unreadable("/t", *NOBODY)) == ["/t/closed", "/t/listed-only", "/t/secret", "/t/to-secret"]
    assert list(files.unreadable("/t/closed/a", *NOBODY)) == ["/t/closed/a"]
    assert list(files.unreadable("/gone", *NOBODY)) == []


# Contents, and what they cost.


@pytest.mark.parametrize("gzipped", [False, True])
def test_contents_come_from_the_layer_that_has_them(gzipped: bool) -> None:
    files = laid({"a": b"1" * 2_000_000, "b": b"below"}, {"c": b"above"}, gzipped=gzipped)
    assert (files.read("/b", 100), files.read("/c", 3), files.read("/a", 1)) == (b"below", b"abo", b"1")


def test_a_layer_with_other_bytes_than_its_digests_say_is_refused() -> None:
    tar, other = tar_of({"a": b"1"}), digest_of(b"other")
    for layer in (
        layer_of(tar, diff_id=other),
        layer_of(tar, gzipped=True, diff_id=other),
        layer_of(tar, gzipped=True, digest=other),
    ):
        with pytest.raises(ImageRefusedError, match="does not have the bytes it is named for"):
            filesystem_of([layer])


def test_bytes_after_the_end_of_the_tar_are_verified_too() -> None:
    tar = tar_of({"a": b"1"}) + b"more"
    assert filesystem_of([layer_of(tar)]).names("/") == ["a"]
    with pytest.raises(ImageRefusedError):
        filesystem_of([layer_of(tar, diff_id=digest_of(tar[:-4]))])


def test_several_gzip_streams_are_one_layer() -> None:
    tar = tar_of({"a": b"1", "b": b"2"})
    stored = gzip.compress(tar[:700], mtime=0) + gzip.compress(tar[700:], mtime=0)
    blob = StoredBlob(digest_of(stored), len(stored), lambda: io.BytesIO(stored))
    assert filesystem_of([Layer("layer 1", blob, digest_of(tar), "", "gzip")]).names("/") == ["a", "b"]


@pytest.mark.parametrize("change", [lambda data: data[:-9], lambda data: data[:20], lambda data: data + b"garbage"])
def test_damaged_gzip_is_refused(change: object) -> None:
    tar = tar_of({"a": b"1" * 5000})
    stored = change(gzip.compress(tar, mtime=0))  # type: ignore[operator]
    blob = StoredBlob(digest_of(stored), len(stored), lambda: io.BytesIO(stored))
    with pytest.raises(ImageRefusedError, match="layer 1"):
        filesystem_of([Layer("layer 1", blob, digest_of(tar), "", "gzip")])


def test_a_layer_that_is_no_tar_is_refused() -> None:
    with pytest.raises(ImageRefusedError, match="no sound tar"):
        filesystem_of([layer_of(bytes(range(256)) * 20)])


def test_a_layer_that_unpacks_to_too_much_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "MAX_IMAGE_BYTES", 64 * 1024**2)
    pack = zlib.compressobj(9, zlib.DEFLATED, 31)
    header = tar_of({"zeros": b""})[:512]
    stored = pack.compress(header) + b"".join(pack.compress(bytes(2**20)) for _ in range(100)) + pack.flush()
    blob = StoredBlob(digest_of(stored), len(stored), lambda: io.BytesIO(stored))
    with pytest.raises(ImageRefusedError, match="unpacked"):
        filesystem_of([Layer("layer 1", blob, digest_of(b""), "", "gzip")])


# Against a model: every layer is a tree, and laying it over is done path by path.

Path: TypeAlias = tuple[str, ...]
Tree: TypeAlias = "dict[str, Tree | int]"  # a number is a file with this mode

NAMES = st.sampled_from(["a", "b", "c"])
MODES = st.sampled_from([0o600, 0o640, 0o644])
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(NAMES, MODES, max_size=2),
    lambda inner: st.dictionaries(NAMES, MODES | inner, max_size=3),
    max_leaves=8,
)
PATHS = st.lists(NAMES, max_size=2).map(tuple)


@st.composite
def layer_files(draw: st.DrawFn) -> list[tuple[str, Item]]:
    """A layer: a tree whose directories may be listed or not, whiteouts and opaque marks, in any order."""
    members: list[tuple[str, Item]] = []
    pending: list[tuple[Path, Tree]] = [((), draw(TREES))]
    while pending:
        path, tree = pending.pop()
        for name, value in tree.items():
            if isinstance(value, int):
                members.append(("/".join((*path, name)), Item(b"", value)))
            else:
                if draw(st.booleans()):
                    members.append(("/".join((*path, name)), directory(draw(st.sampled_from([0o700, 0o711])))))
                pending.append(((*path, name), value))
    for path in draw(st.lists(PATHS, max_size=2)):
        mark = draw(st.sampled_from([".wh.a", ".wh.b", ".wh..wh..opq"]))
        if not any(name == "/".join(path[:end]) and item.kind != b"5" for end in (1, 2) for name, item in members):
            members.append(("/".join((*path, mark)), Item()))
    return draw(st.permutations(members))


State: TypeAlias = dict[Path, tuple[bool, int]]  # whether it is a directory, and its mode


def model(stack: list[list[tuple[str, Item]]]) -> State:
    state: State = {}
    for members in stack:
        marks = [tuple(name.split("/")) for name, _ in members if ".wh." in name]
        for *where, mark in marks:
            if mark == ".wh..wh..opq":
                gone = [path for path in state if len(path) > len(where) and path[: len(where)] == tuple(where)]
            else:
                target = (*where, mark.removeprefix(".wh."))
                gone = [path for path in state if path[: len(target)] == target]
            for path in gone:
                del state[path]
        upper = {tuple(name.split("/")): item for name, item in members if ".wh." not in name}
        implied = {path[:end] for path in upper for end in range(1, len(path))} - upper.keys()
        for path in sorted({*upper, *implied}, key=len):
            item = upper.get(path)
            was_directory = state.get(path, (False, 0))[0]
            if item is None:
                if not was_directory:
                    state[path] = (True, 0o755)
            elif item.kind == b"5":
                state[path] = (True, item.mode)
            else:
                for inner in [inner for inner in state if inner[: len(path)] == path]:
                    del state[inner]
                state[path] = (False, item.mode)
    return state


def listing(files: Filesystem) -> State:
    state: State = {}
    pending: list[Path] = [()]
    while pending:
        path = pending.pop()
        for name in files.names("/" + "/".join(path)):
            inner = (*path, name)
            found = files.find(posixpath.join("/", *inner))
            assert found
            state[inner] = (found.node.is_directory, found.node.entry.mode)
            pending.append(inner)
    return state


@given(st.lists(layer_files(), max_size=4))
def test_layers_lie_over_each_other_as_the_model_says(stack: list[list[tuple[str, Item]]]) -> None:
    files = filesystem_of([layer_of(tar_of(members)) for members in stack])
    assert listing(files) == model(stack)
