from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.image.streams import Pieces, Seekable
from deploy.image.tarfiles import MAX_EXTENSION_BYTES, Entry, Kind, TarError, entries
from tests.deploy.images import Item, directory, hard_link, symlink, tar_of

FORMS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def listed(data: bytes) -> list[Entry]:
    """What both ways of reading list, which is the same."""
    sought = list(entries(Seekable(io.BytesIO(data))))
    cut = [data[start : start + 700] for start in range(0, len(data), 700)]
    assert list(entries(Pieces(iter(cut)))) == sought
    return sought


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_of_member_is_listed_with_its_metadata(form: int) -> None:
    found = listed(
        tar_of(
            {
                "d": directory(0o1755, 1, 2),
                "d/file": Item(b"x" * 1000, 0o4751, 993, 990),
                "link": symlink("../d/file"),
                "other": hard_link("d/file"),
                "device": Item(kind=tarfile.CHRTYPE),
                "pipe": Item(kind=tarfile.FIFOTYPE),
            },
            form,
        )
    )
    assert [entry.kind for entry in found] == [
        Kind.DIRECTORY,
        Kind.FILE,
        Kind.SYMLINK,
        Kind.HARD_LINK,
        Kind.OTHER,
        Kind.OTHER,
    ]
    file = found[1]
    assert (file.mode, file.uid, file.gid, file.size, file.stored) == (0o4751, 993, 990, 1000, 1000)
    assert found[0].mode == 0o1755
    assert [entry.target for entry in found[2:4]] == ["../d/file", "d/file"]


def test_contents_are_where_the_entry_says() -> None:
    data = tar_of({"a" * 300: b"first", "b": b"second"})
    assert [data[entry.offset :][: entry.stored] for entry in listed(data)] == [b"first", b"second"]


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_targets_are_whole(form: int) -> None:
    name, target = "n" * 90 + "/" + "ü" * 200, "t" * 1000
    (entry,) = listed(tar_of({name: symlink(target)}, form))
    assert (entry.name, entry.target) == (name, target)


def test_ids_and_sizes_beyond_octal_are_read() -> None:
    (entry,) = listed(tar_of({"f": Item(b"", uid=2**31, gid=2**32)}, tarfile.GNU_FORMAT))
    assert (entry.uid, entry.gid) == (2**31, 2**32)


def test_a_name_that_is_no_utf8_is_kept() -> None:
    (entry,) = listed(tar_of({"caf\udce9": b""}, tarfile.GNU_FORMAT))
    assert entry.name == "caf\udce9"


def test_a_sparse_file_counts_with_its_holes() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("holes")
        info.size = 512
        claims = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(20 * 1024**3)}
        info.pax_headers = claims | {"GNU.sparse.name": "real name"}
        tar.addfile(info, io.BytesIO(bytes(512)))
    (entry,) = listed(out.getvalue())
    assert (entry.name, entry.size, entry.stored) == ("real name", 20 * 1024**3, 512)


def test_what_ends_without_the_two_empty_blocks_is_read() -> None:
    assert len(listed(tar_of({"a": b"1" * 512})[:1024])) == 1
    assert listed(b"") == []


@pytest.mark.parametrize("size", [100, 600, 1023])
def test_what_is_cut_off_is_refused(size: int) -> None:
    with pytest.raises(TarError, match="cut off"):
        listed(tar_of({"a": b"1" * 512})[:size])


def test_a_long_name_without_its_file_is_refused() -> None:
    with pytest.raises(TarError):
        listed(tar_of({"n" * 300: b""}, tarfile.GNU_FORMAT)[:1024])


def patched(change: Callable[[bytearray], None]) -> bytes:
    """A tar of one file whose header is changed and given the right checksum again."""
    data = bytearray(tar_of({"file": b"data"}, tarfile.USTAR_FORMAT))
    change(data)
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    return bytes(data)


def write(at: int, value: bytes) -> Callable[[bytearray], None]:
    def change(data: bytearray) -> None:
        data[at : at + len(value)] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        write(124, b"\xff" * 12),  # a negative size
        write(124, b"\x80" + b"\xff" * 11),  # a size that no disk has
        write(124, b"not octal!!!"),
        write(100, b"99999999"),
    ],
)
def test_numbers_that_are_none_are_refused(change: Callable[[bytearray], None]) -> None:
    with pytest.raises(TarError):
        listed(patched(change))


def test_a_wrong_checksum_is_refused() -> None:
    data = bytearray(tar_of({"file": b""}))
    data[0] ^= 1
    with pytest.raises(TarError, match="no tar header"):
        listed(bytes(data))


def test_a_name_of_a_gigabyte_is_refused_unread() -> None:
    def change(data: bytearray) -> None:
        data[156:157] = b"L"
        data[124:136] = f"{1024**3:011o}\0".encode()

    with pytest.raises(TarError, match="name and attributes"):
        listed(patched(change))
    assert MAX_EXTENSION_BYTES < 1024**3


@pytest.mark.parametrize(
    "record", [b"99 path=x\n", b"-1 path=x\n", b"x path=y\n", b"9 path=xy\n", b"8 path\n\n", b"\n"]
)
def test_a_damaged_pax_header_is_refused(record: bytes) -> None:
    data = bytearray(tar_of({"file": record}, tarfile.USTAR_FORMAT))
    data[156:157] = b"x"
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    with pytest.raises(TarError):
        listed(bytes(data))


@given(st.binary(max_size=4096))
def test_garbage_is_refused_or_empty(data: bytes) -> None:
    with suppress(TarError):
        assert listed(data) == []


@given(st.data())
def test_a_changed_byte_never_does_more_than_refuse(data: st.DataObject) -> None:
    whole = bytearray(tar_of([("n" * 200, b"x" * 600), ("dir", directory()), ("l", symlink("y" * 200))]))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    with suppress(TarError):
        listed(bytes(whole))


names = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=120)


@given(st.dictionaries(names, st.binary(max_size=1500), max_size=6), st.sampled_from(FORMS[1:]))
def test_what_python_writes_is_listed(files: dict[str, bytes], form: int) -> None:
    data = tar_of({name: Item(content) for name, content in files.items()}, form)
    found = listed(data)
    assert {entry.name: data[entry.offset :][: entry.stored] for entry in found} == files
