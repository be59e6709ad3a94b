"""Answers whose head keeps time as a whole: to the HTTP library a time-out is one of each read, however little it brings."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Final

import urllib3
import urllib3.connection
from requests.adapters import HTTPAdapter


class _Timed:
    """Of a connection: the read time-out is for the head as a whole."""

    def getresponse(self) -> urllib3.HTTPResponse:
        late = threading.Event()
        connection: Any = self

        def give_up(transport: socket.socket = connection.sock) -> None:
            late.set()
            with contextlib.suppress(OSError):
                transport.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(connection.timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            response: urllib3.HTTPResponse = super().getresponse()  # type: ignore[misc]
        finally:
            timer.cancel()
        if late.is_set():  # a head that was cut looks like a whole one
            raise TimeoutError("the head of the answer took too long")
        return response


class _Connection(_Timed, urllib3.connection.HTTPConnection):
    pass


class _SecureConnection(_Timed, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS: Final = {"http": _Pool, "https": _SecurePool}


class TimedAdapter(HTTPAdapter):
    """For a requests.Session. Every request needs a read time-out."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
