"""Temporary storage for what has to be fetched whole: refused before a byte is fetched, if it does not fit."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest

from function.errors import StorageFull, from_exception
from hwang.errors import StorageFullError
from hwang.sources.local import CountingSource

SIZE = 20 << 20


class Remote:
    """A source of zeros."""

    size = SIZE

    def __init__(self) -> None:
        self.fetched = 0

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The ranges."""
        self.fetched += sum(length for _, length in ranges)
        return [bytes(length) for _, length in ranges]


@pytest.fixture
def spool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module, without the compiled core."""
    core = Mock(file_bytes=lambda descriptor, size: os.fstat(descriptor).st_size == size)
    monkeypatch.setitem(sys.modules, "hwang._core", core)
    monkeypatch.setattr("hwang._core", core, raising=False)
    monkeypatch.delitem(sys.modules, "hwang.spool", raising=False)
    yield importlib.import_module("hwang.spool")
    sys.modules.pop("hwang.spool", None)


def whole(spool: ModuleType, remote: Remote) -> Any:
    return spool.Spool(CountingSource(remote)).whole()


def test_a_video_that_fits_is_fetched_once(spool: ModuleType) -> None:
    remote = Remote()
    assert whole(spool, remote) is True
    assert remote.fetched == SIZE


def test_a_video_that_does_not_fit_is_refused_before_a_byte_is_fetched(
    spool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: Mock(free=SIZE - 1))
    monkeypatch.setattr(os, "posix_fallocate", Mock(side_effect=OSError(errno.ENOSPC, "full")))
    remote = Remote()
    with pytest.raises(StorageFullError, match="index that was made elsewhere") as caught:
        whole(spool, remote)
    assert remote.fetched == 0
    error = from_exception(caught.value, "s3://films/x.mkv")
    assert isinstance(error, StorageFull)
    assert error.detail == {"video": "s3://films/x.mkv", "wanted": SIZE, "free": SIZE - 1}
    assert error.message.endswith("is fetched")  # not cut


def test_a_file_system_that_reserves_nothing_is_good(spool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", Mock(side_effect=OSError(errno.EOPNOTSUPP, "no")))
    assert whole(spool, Remote()) is True
