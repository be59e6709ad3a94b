"""Parameter sets out of codec configuration records (ISO/IEC 14496-15)."""

from __future__ import annotations

__all__ = ["annexb_parameter_sets"]

START_CODE = b"\0\0\0\1"


def annexb_parameter_sets(codec: str, extradata: bytes) -> bytes:
    """Give the parameter sets of `extradata` with start codes.

    avcC and hvcC records are converted; anything else, damaged records included, is returned as it is.
    """
    if not extradata or extradata[0] != 1:
        return extradata
    try:
        if codec == "h264":
            units = _avc_units(extradata)
        elif codec == "hevc":
            units = _hevc_units(extradata)
        else:
            return extradata
    except IndexError:
        return extradata
    return b"".join(START_CODE + unit for unit in units)


def _unit(record: bytes, position: int) -> tuple[bytes, int]:
    """The length-prefixed unit at `position`, and the position behind it."""
    end = position + 2 + (record[position] << 8 | record[position + 1])
    if end > len(record):
        raise IndexError(end)
    return record[position + 2 : end], end


def _avc_units(record: bytes) -> list[bytes]:
    units, position = [], 5
    for mask in (0x1F, 0xFF):  # sequence, then picture parameter sets
        count, position = record[position] & mask, position + 1
        for _ in range(count):
            unit, position = _unit(record, position)
            units.append(unit)
    return units


def _hevc_units(record: bytes) -> list[bytes]:
    units, position = [], 23
    for _ in range(record[22]):
        count, position = record[position + 1] << 8 | record[position + 2], position + 3
        for _ in range(count):
            unit, position = _unit(record, position)
            units.append(unit)
    return units
