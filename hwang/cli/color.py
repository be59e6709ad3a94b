"""Names of the numbers of ITU-T H.273, as the ffmpeg tool writes them."""

from __future__ import annotations

from hwang.index import Color

__all__ = ["color_names"]

_UNKNOWN = "unknown"
_PRIMARIES = {
    1: "bt709",
    2: _UNKNOWN,
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
_TRANSFER = {
    1: "bt709",
    2: _UNKNOWN,
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}
_MATRIX = {
    0: "gbr",
    1: "bt709",
    2: _UNKNOWN,
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    11: "smpte2085",
    12: "chroma-derived-nc",
    13: "chroma-derived-c",
    14: "ictcp",
}
_RANGE = {0: _UNKNOWN, 1: "limited", 2: "full"}


def color_names(color: Color) -> dict[str, str]:
    """What the container says of its colours; a number where there is no name."""
    tables = {"primaries": _PRIMARIES, "transfer": _TRANSFER, "matrix": _MATRIX, "range": _RANGE}
    return {kind: names.get(number, str(number)) for (kind, names), number in zip(tables.items(), color, strict=True)}
