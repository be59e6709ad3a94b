"""A video behind HTTP for hwang: ranges over one kept connection a thread."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit


class HttpSource:
    """`size` and `read_ranges`, as hwang.Decoder takes them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._path = parts.netloc, parts.path
        self._local = threading.local()
        connection = self._connection()
        connection.request("HEAD", self._path)
        with connection.getresponse() as response:
            self.size = int(response.headers["Content-Length"])

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self._read(offset, length) for offset, length in ranges]

    def _read(self, offset: int, length: int) -> bytes:
        connection = self._connection()
        connection.request("GET", self._path, headers={"Range": f"bytes={offset}-{offset + length - 1}"})
        with connection.getresponse() as response:
            return response.read()

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = http.client.HTTPConnection(self._host, timeout=60)
        connection: http.client.HTTPConnection = self._local.connection
        return connection
