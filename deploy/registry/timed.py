"""Time-out for the whole head of an answer: the HTTP library's is for each read, however little it brings."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any, Final

import urllib3
import urllib3.connection
from requests.adapters import HTTPAdapter


@contextlib.contextmanager
def _in_time(connection: urllib3.connection.HTTPConnection) -> Iterator[None]:
    """Raises TimeoutError if the block reads from the connection for longer than the connection's time-out."""
    late = threading.Event()
    transport = connection.sock

    def give_up() -> None:
        late.set()
        with contextlib.suppress(OSError):
            transport.shutdown(socket.SHUT_RDWR)

    assert isinstance(connection.timeout, (int, float))
    timer = threading.Timer(connection.timeout, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():  # a head that was cut looks like a whole one
        raise TimeoutError("the head of the answer took too long")


class _Connection(urllib3.connection.HTTPConnection):
    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override] # as urllib3's own
        with _in_time(self):
            return super().getresponse()


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class TimedAdapter(HTTPAdapter):
    """Adapter for a requests.Session. Every request needs a read time-out."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make connections that keep the time-out."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Make connections through a proxy that keep the time-out."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
