"""HTTP/1.1 as bytes on streams: heads that are kept as they came, and bodies piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

PIECE_BYTES = 256 * 1024
HEAD_BYTES = 1024 * 1024

# A number of bytes, or how else the end is found.
Framing: TypeAlias = int | Literal["chunked", "until close"]


class ProtocolError(Exception):
    """What arrived is not HTTP/1.1."""


@dataclass(frozen=True)
class Head:
    """A request's or an answer's first line and headers. `raw` is what is sent, to the byte as it came."""

    line: str
    headers: tuple[tuple[str, str], ...]
    raw: bytes

    @classmethod
    def parse(cls, raw: bytes) -> Head:
        line, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        headers = tuple((name, value.strip()) for name, _, value in (text.partition(":") for text in lines))
        if len(line.split(" ", 2)) < 2:
            raise ProtocolError(f"the first line is {line[:100]!r}")
        return cls(line, headers, raw)

    @classmethod
    def make(cls, line: str, headers: tuple[tuple[str, str], ...]) -> Head:
        lines = [line, *(f"{name}: {value}" for name, value in headers)]
        return cls(line, headers, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    @property
    def method(self) -> str:
        return self.line.split(" ")[0]

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]

    @property
    def status(self) -> int:
        return int(self.line.split(" ")[1])

    def get(self, name: str) -> str:
        """The header's value, "" if it is absent."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def changed(
        self, headers: Mapping[str, str] | None = None, remove: tuple[str, ...] = (), line: str | None = None
    ) -> Head:
        """Another head with these headers instead of those of the same names."""
        headers = headers or {}
        gone = {name.lower() for name in (*headers, *remove)}
        kept = tuple((name, value) for name, value in self.headers if name.lower() not in gone)
        return Head.make(line or self.line, (*kept, *headers.items()))

    @property
    def closes(self) -> bool:
        return self.get("Connection").lower() == "close"

    def request_framing(self) -> Framing:
        if "chunked" in self.get("Transfer-Encoding").lower():
            return "chunked"
        return int(self.get("Content-Length") or 0)

    def answer_framing(self, method: str) -> Framing:
        if method == "HEAD" or self.status in (204, 304) or self.status < 200:
            return 0
        if "chunked" in self.get("Transfer-Encoding").lower():
            return "chunked"
        length = self.get("Content-Length")
        return int(length) if length else "until close"


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None where the stream ends in good order before one. What begins as TLS does is no head."""
    try:
        first = await reader.read(1)
        if not first:
            return None
        if not first.isalpha():
            raise ProtocolError("this is not HTTP/1.1")
        return Head.parse(first + await reader.readuntil(b"\r\n\r\n"))
    except asyncio.LimitOverrunError as error:
        raise ProtocolError("the head does not end") from error


async def pieces(reader: asyncio.StreamReader, framing: Framing) -> AsyncIterator[bytes]:
    """The body as it arrives, without the chunks' own lines. Raises IncompleteReadError if it ends early."""
    if framing == "until close":
        while piece := await reader.read(PIECE_BYTES):
            yield piece
    elif framing == "chunked":
        while size := int((await reader.readline()).split(b";")[0] or b"-1", 16):
            if size < 0:
                raise asyncio.IncompleteReadError(b"", None)
            async for piece in pieces(reader, size):
                yield piece
            await reader.readexactly(2)
        while (await reader.readline()).strip():  # trailers
            pass
    else:
        left = framing
        while left:
            piece = await reader.read(min(left, PIECE_BYTES))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece


def chunk(piece: bytes) -> bytes:
    """The piece as one chunk; of an empty one the last chunk."""
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
