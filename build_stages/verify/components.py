"""Lists the components of FFmpeg's libraries, and compares them with components.txt.

components.py DIRECTORY     print the list of the libraries there, as components.txt has it
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import recipe

GOLDEN = Path(__file__).with_name("components.txt")
_CODECS_OF_A_PARSER = 7


class _Named(ctypes.Structure):
    """The beginning of FFmpeg's descriptions of components."""

    _fields_ = (("name", ctypes.c_char_p),)


class _Parser(ctypes.Structure):
    _fields_ = (("codecs", ctypes.c_int * _CODECS_OF_A_PARSER),)


@dataclass(frozen=True)
class Libraries:
    """FFmpeg's libraries, loaded from a directory."""

    codec: ctypes.CDLL
    format: ctypes.CDLL
    filter: ctypes.CDLL | None

    @classmethod
    def load(cls, directory: Path) -> Libraries:
        """Load them. Raises OSError if they are not there or cannot be loaded."""
        codec, format_ = (_load(directory, name) for name in ("avcodec", "avformat"))
        if codec is None or format_ is None:
            raise OSError(f"{directory} has no libavcodec and libavformat")
        return cls(codec, format_, _load(directory, "avfilter"))

    def components(self) -> list[str]:
        """Return a line of KIND and NAME for each component."""
        kinds: dict[str, Iterator[str]] = {
            "bsf": _names(self.codec.av_bsf_iterate),
            "decoder": self._codecs(self.codec.av_codec_is_decoder),
            "demuxer": _names(self.format.av_demuxer_iterate),
            "encoder": self._codecs(self.codec.av_codec_is_encoder),
            "filter": _names(self.filter.av_filter_iterate) if self.filter else iter(()),
            "muxer": _names(self.format.av_muxer_iterate),
            "parser": self._parsers(),
            "protocol": self._protocols(),
        }
        return sorted({f"{kind} {name}" for kind, names in kinds.items() for name in names})

    def licence(self) -> str:
        """Return the licence in FFmpeg's own words."""
        return _text(self.codec.avcodec_license)

    def configuration(self) -> list[str]:
        """Return the arguments that FFmpeg was configured with."""
        return _text(self.codec.avcodec_configuration).split()

    def version(self) -> str:
        """Return FFmpeg's version."""
        return _text(self.codec.av_version_info)

    def _codecs(self, wanted: Callable[[ctypes.c_void_p], int]) -> Iterator[str]:
        return (_name(at) for at in _iterate(self.codec.av_codec_iterate) if wanted(ctypes.c_void_p(at)))

    def _parsers(self) -> Iterator[str]:
        name_of = self.codec.avcodec_get_name
        name_of.restype = ctypes.c_char_p
        for at in _iterate(self.codec.av_parser_iterate):
            codecs = _Parser.from_address(at).codecs
            yield "+".join(name_of(codec).decode() for codec in codecs if codec)

    def _protocols(self) -> Iterator[str]:
        enumerate_ = self.format.avio_enum_protocols
        enumerate_.restype = ctypes.c_char_p
        for is_output in (0, 1):
            opaque = ctypes.c_void_p()
            while name := enumerate_(ctypes.byref(opaque), is_output):
                yield name.decode()


def expected(switched_on: frozenset[str]) -> list[str]:
    """Return the golden list and what add-ons bring. A line's further words are options that bring its component."""
    lines = [line.split() for line in GOLDEN.read_text().splitlines() if line and not line.startswith("#")]
    wanted = {f"{kind} {name}" for kind, name, *options in lines if not options or switched_on & {*options}}
    return sorted(wanted.union(*(recipe.facts(name)["judge"]["components"] for name in recipe.chosen(switched_on))))


def problems(libraries: Libraries, switched_on: frozenset[str]) -> list[str]:
    """Return a problem for each component that is not expected, and for each that is missing."""
    found, wanted = set(libraries.components()), set(expected(switched_on))
    surplus = [f"FFmpeg has {line}, which components.txt has not" for line in sorted(found - wanted)]
    return surplus + [f"FFmpeg lacks {line}, which components.txt has" for line in sorted(wanted - found)]


def _load(directory: Path, name: str) -> ctypes.CDLL | None:
    found = sorted(directory.glob(f"lib{name}.so.*"))
    return ctypes.CDLL(str(found[0])) if found else None


def _iterate(function: Callable[..., int]) -> Iterator[int]:
    function.restype = ctypes.c_void_p  # type: ignore[attr-defined]
    opaque = ctypes.c_void_p()
    while at := function(ctypes.byref(opaque)):
        yield at


def _names(function: Callable[..., int]) -> Iterator[str]:
    return (_name(at) for at in _iterate(function))


def _name(at: int) -> str:
    found: bytes = _Named.from_address(at).name
    return found.decode()


def _text(function: Callable[[], bytes]) -> str:
    function.restype = ctypes.c_char_p  # type: ignore[attr-defined]
    return function().decode()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("\n".join(Libraries.load(Path(sys.argv[1])).components()))
