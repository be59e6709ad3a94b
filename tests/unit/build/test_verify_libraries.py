"""What the judge of an image sees in libraries: whom they find, what they need, how they were compiled."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.build.elves import (
    RELRO,
    STACK,
    SYMBOLIC_COUNT,
    dynamic,
    numpy_tree,
    of_kind,
    of_machine,
    renamed,
    segment,
    spoiled,
)
from tests.unit.build.elves import nothing as whole
from verify import dynamic_linking, hardening
from verify.elf import Elf

Spoil = Callable[[bytearray], None]
IMPORT = "PyArg_ParseTupleAndKeywords"
NUMPY_LIBS = "$ORIGIN/../../numpy.libs"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    return numpy_tree(tmp_path)


@pytest.fixture
def libc() -> Elf:
    maps = Path("/proc/self/maps").read_text()
    return Elf(Path(re.findall(r"/\S+/libc\.so\.6", maps)[0]))


# What a file says of itself.


def test_a_library_tells_whom_it_needs_and_what_it_gives(library: Path) -> None:
    elf = Elf(library)
    assert any(name.startswith("libscipy_openblas") for name in elf.needed)
    assert "libc.so.6" in elf.needed
    assert elf.search_path == [NUMPY_LIBS]
    assert IMPORT in elf.imports
    assert IMPORT not in elf.exports
    assert "PyInit__multiarray_umath" in elf.exports
    assert (elf.interpreter, elf.is_position_independent) == (None, True)


def test_versions_are_those_of_the_libraries_it_was_linked_to(library: Path, libc: Elf) -> None:
    needed = {version for version in Elf(library).versions_needed if version.startswith("GLIBC_")}
    assert needed
    assert needed <= libc.versions_defined


def test_what_is_no_library_or_a_part_of_one_is_refused(library: Path, tmp_path: Path) -> None:
    for size in (0, 3, 40, 100):
        cut = tmp_path / f"cut{size}"
        cut.write_bytes(library.read_bytes()[:size])
        with pytest.raises(ValueError, match=r"no ELF file|is damaged"):
            Elf(cut)


# Whether it can be loaded.


def test_what_the_loader_finds_is_told(library: Path) -> None:
    elf = Elf(library)
    loaded, problems = dynamic_linking.load({"/numpy": elf})
    assert problems == []
    assert set(elf.needed) <= {*loaded, *(name for name in elf.needed if name.startswith("ld-linux"))}
    assert all(path.exists() for path in loaded.values())


def test_a_library_that_is_not_there_is_named(library: Path) -> None:
    (missing,) = (name for name in Elf(library).needed if name.startswith("libscipy_openblas"))
    (library.parents[2] / "numpy.libs" / missing).unlink()
    _, problems = dynamic_linking.load({"/numpy": Elf(library)})
    assert problems == [f"/numpy: {missing} => not found"]


@pytest.mark.parametrize(("machine", "called"), [(62, "x86_64"), (183, "aarch64"), (243, "machine 243")])
def test_a_library_for_another_architecture_is_told(machine: int, called: str, library: Path) -> None:
    _, problems = dynamic_linking.load({"/numpy": spoiled(library, of_machine(machine))})
    here = platform.machine()
    assert problems == ([] if called == here else [f"/numpy is for {called}, the image is for {here}"])


def newest(library: Path) -> str:
    return dynamic_linking.highest(Elf(library).versions_needed)["GLIBC"]


def test_a_release_of_the_c_library_that_the_base_has_not_is_named(library: Path) -> None:
    elf = spoiled(library, renamed(newest(library), "GLIBC_9.1"))
    loaded, complaints = dynamic_linking.load({"/numpy": elf})
    assert any("GLIBC_9.1' not found" in complaint for complaint in complaints)
    assert dynamic_linking.highest(elf.versions_needed)["GLIBC"] == "GLIBC_9.1"
    problems = dynamic_linking.too_new({"/numpy": elf}, loaded, is_stand_in=True)
    assert len(problems) == 1
    assert problems[0].startswith("/numpy needs GLIBC_9.1; there is GLIBC_2.")


def test_on_the_real_base_nothing_may_need_more_than_amazon_linux_2023_has(library: Path, libc: Elf) -> None:
    loaded, _ = dynamic_linking.load({"/numpy": Elf(library)})
    assert dynamic_linking.too_new({"/numpy": Elf(library)}, loaded, is_stand_in=False) == []
    elf = spoiled(library, renamed(newest(library), "GLIBC_2.35"))
    assert dynamic_linking.too_new({"/numpy": elf}, loaded, is_stand_in=False) == [
        "/numpy needs GLIBC_2.35; there is GLIBC_2.34"
    ]
    if "GLIBC_2.35" in libc.versions_defined:
        assert dynamic_linking.too_new({"/numpy": elf}, loaded, is_stand_in=True) == []


def test_the_highest_version_is_by_number_and_not_by_letters() -> None:
    found = dynamic_linking.highest(
        ["GLIBC_2.4", "GLIBC_2.34", "GLIBC_PRIVATE", "GLIBCXX_3.4.9", "GLIBCXX_3.4.29", "GCC_3.0"]
    )
    assert found == {"GLIBC": "GLIBC_2.34", "GLIBCXX": "GLIBCXX_3.4.29"}


# How it was compiled.

KEPT: dict[str, Spoil] = {
    "BIND_NOW": dynamic(SYMBOLIC_COUNT, 24, 0),
    "FORTIFY": renamed(IMPORT, "__printf_chk"),
    "stack protector": renamed(IMPORT, "__stack_chk_fail"),
}
BROKEN: dict[str, list[Spoil]] = {
    "RELRO": [segment(RELRO, 0, 0)],
    "BIND_NOW": [whole],
    "NX": [segment(STACK, 4, 7), segment(STACK, 0, 0), segment(1, 4, 7)],
    "PIE": [of_kind(2)],
    "stack protector": [whole],
    "FORTIFY": [whole],
    "no text relocations": [dynamic(SYMBOLIC_COUNT, 22, 0), dynamic(SYMBOLIC_COUNT, 30, 4)],
    "no foreign search path": [
        renamed("$ORIGIN/../../numpy.libs", "/srv/lib"),
        renamed("$ORIGIN/../../numpy.libs", ""),
    ],
}


def test_every_rule_is_tried() -> None:
    assert BROKEN.keys() == hardening.RULES.keys()


@pytest.mark.parametrize(("rule", "spoil"), [(rule, spoil) for rule, ways in BROKEN.items() for spoil in ways])
def test_a_library_that_breaks_a_rule_is_told_from_one_that_keeps_it(rule: str, spoil: Spoil, library: Path) -> None:
    original = library.read_bytes()
    assert rule not in hardening.lacking({"/numpy": spoiled(library, KEPT.get(rule, whole))})
    library.write_bytes(original)
    assert hardening.lacking({"/numpy": spoiled(library, spoil)}).get(rule) == ["/numpy"]


def test_of_what_is_compiled_here_every_rule_is_required(library: Path) -> None:
    elf = spoiled(library, segment(STACK, 4, 7))
    assert "/opt/lib/x.so is compiled without: NX" in hardening.problems({"/opt/lib/x.so": elf})


def test_what_a_module_exports_beside_its_init_is_told(library: Path) -> None:
    elf = Elf(library)
    assert hardening.exported("/m", elf, elf.exports) == []
    (problem,) = hardening.exported("/m", elf, elf.exports - {"PyInit__multiarray_umath"})
    assert problem == "/m exports 1 symbols that are not for others: PyInit__multiarray_umath"
