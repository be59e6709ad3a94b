"""One side of a connection: paced, counted, and closed in good order or by a reset."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import socket
import struct
import termios
import time

from tests.support.faults.http1 import HEAD_BYTES, PIECE_BYTES

_FLUSH_SECONDS = 2
_BREATH_SECONDS = 0.002  # shorter sleeps are not worth the event loop's while
_CATCH_UP_SECONDS = 0.05  # a sleep that took too long is made good, a pause is not


class Pacer:
    """Lets bytes through at a speed; None is as fast as they come."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._speed = bytes_per_second
        self._due = 0.0

    @property
    def piece_bytes(self) -> int:
        """Pieces that last about 10 ms."""
        return PIECE_BYTES if self._speed is None else max(1, min(PIECE_BYTES, int(self._speed / 100)))

    async def wait(self, size: int) -> None:
        """Returns when so many more bytes may have gone."""
        if self._speed is None:
            return
        now = time.monotonic()
        start = self._due if now - self._due < _CATCH_UP_SECONDS else now
        self._due = start + size / self._speed
        if self._due - now > _BREATH_SECONDS:
            await asyncio.sleep(self._due - now)


class Side:
    """The client's or the upstream's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer
        self._socket = writer.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    async def connect(cls, host: str, port: int) -> Side:
        return cls(*await asyncio.open_connection(host, port, limit=HEAD_BYTES))

    @property
    def ended(self) -> bool:
        return self.reader.at_eof() or self._writer.is_closing()

    async def send(self, data: bytes, pacer: Pacer | None = None) -> None:
        size = pacer.piece_bytes if pacer else len(data)
        for start in range(0, len(data), max(size, 1)):
            piece = data[start : start + size]
            if pacer:
                await pacer.wait(len(piece))
            self._writer.write(piece)
            await self._writer.drain()

    def reset(self) -> None:
        """Ends the connection with a TCP RST, now."""
        if not self._writer.is_closing():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def delivered(self) -> None:
        """Returns when the other end's kernel has all that was sent; what is not there yet is lost in a reset."""
        deadline = time.monotonic() + _FLUSH_SECONDS
        self._writer.transport.set_write_buffer_limits(0)
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        while not self._writer.is_closing() and time.monotonic() < deadline:
            unsent = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
            if int.from_bytes(unsent, "little") == 0:
                return
            await asyncio.sleep(_BREATH_SECONDS)

    async def close(self) -> None:
        """Ends the connection in good order. What the other end still sends is thrown away first, for a second."""
        if self._writer.is_closing():
            return
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            async with asyncio.timeout(1):
                while await self.reader.read(PIECE_BYTES):
                    pass
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
