"""One client's connection: requests one after the other, each forwarded, and what a rule does to it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import urllib.parse

from tests.support.faults.board import Active, Board
from tests.support.faults.http1 import Framing, Head, ProtocolError, chunk, pieces, read_head
from tests.support.faults.response import Plan, plan
from tests.support.faults.rules import Action, Answer, CutRequest, Delay, Drop, Exchange, IgnoreRange, LoseAnswer
from tests.support.faults.streams import Pacer, Side

_LATE_BODY_SECONDS = 2  # for the rest of a request that was answered before its end


class Ended(Exception):  # noqa: N818 - it is how a fault ends an exchange, not an error
    """A rule ended the connection."""


class Relay:
    def __init__(self, number: int, client: Side, upstream: tuple[str, int], board: Board) -> None:
        self._number = number
        self._client = client
        self._address = upstream
        self._upstream: Side | None = None
        self._board = board
        self._down, self._up = Pacer(None), Pacer(None)

    async def run(self) -> None:
        """Returns when either side has ended the connection, or a rule has."""
        try:
            while head := await read_head(self._client.reader):
                entry = self._board.begin(self._number, head)
                try:
                    if not await self._exchange(head, entry):
                        break
                finally:
                    self._board.stop_with(self._number, None)
                    entry.outcome = entry.outcome or "broken off"
                    entry.end = time.time()
        except (OSError, asyncio.IncompleteReadError, ProtocolError, Ended):
            self._client.reset()  # as the upstream did; a rule has done it already
        except asyncio.CancelledError:
            self._client.reset()
            raise
        finally:
            await self._client.close()
            if self._upstream:
                await self._upstream.close()

    async def _exchange(self, head: Head, entry: Exchange) -> bool:
        """One request and its answer; whether another may follow."""
        shape = self._board.shape
        self._down, self._up = Pacer(shape.bytes_per_second), Pacer(shape.bytes_per_second)
        active = self._board.take(head)
        if active and not _applies(active.rule.action, head):
            active.give_back()
            active = None
        action = active.rule.action if active else None
        if active:
            entry.rule = active.number
            self._board.stop_with(self._number, _current_task().cancel)
        await asyncio.sleep(shape.latency_seconds)
        match action:
            case Delay(seconds):
                await asyncio.sleep(seconds)
            case Drop():
                self._end(entry, "dropped")
            case Answer():
                return await self._answer(head, action, entry)
            case IgnoreRange():
                head = head.changed(remove=("Range",))
        return await self._forward(head, active, entry)

    def _end(self, entry: Exchange, outcome: str) -> None:
        entry.outcome = outcome
        self._client.reset()
        if self._upstream:
            self._upstream.reset()
        raise Ended(outcome)

    async def _answer(self, head: Head, action: Answer, entry: Exchange) -> bool:
        waits = head.get("Expect").lower() == "100-continue"  # then the body is not sent at all
        if not waits:
            async for piece in pieces(self._client.reader, head.request_framing()):
                entry.request_bytes += len(piece)
        body = action.body.encode()
        headers = {"Content-Length": str(len(body)), "Content-Type": "application/xml", **action.headers}
        close = waits or head.closes or "Content-Length" in action.headers
        if close:
            headers["Connection"] = "close"
        entry.status = action.status
        await self._client.send(Head.make(f"HTTP/1.1 {action.status} Fault", tuple(headers.items())).raw)
        if head.method != "HEAD":
            await self._client.send(body)
            entry.response_bytes = len(body)
        entry.outcome = "ok"
        return not close

    async def _forward(self, head: Head, active: Active | None, entry: Exchange) -> bool:
        if not self._upstream or self._upstream.ended:
            self._upstream = await Side.connect(*self._address)
        await self._upstream.send(head.raw)
        sending = asyncio.create_task(self._send_body(self._upstream, head, active, entry))
        try:
            answer = await self._answer_head(self._upstream)
            if active and isinstance(active.rule.action, LoseAnswer):
                self._end(entry, f"lost an answer of status {answer.status}")
            todo = plan(answer, answer.answer_framing(head.method), active.rule.action if active else None)
            if active and not todo.applies:
                active.give_back()
                entry.rule = None
            more = await self._send_answer(self._upstream, todo, entry)
            with contextlib.suppress(asyncio.TimeoutError, OSError, asyncio.IncompleteReadError):
                await asyncio.wait_for(asyncio.shield(sending), 0 if sending.done() else _LATE_BODY_SECONDS)
                return more and not head.closes and not answer.closes
            return False
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send_body(self, upstream: Side, head: Head, active: Active | None, entry: Exchange) -> None:
        """The request's body. If it ends early, or a rule cuts it, so does the upstream's connection."""
        framing = head.request_framing()
        action = active.rule.action if active else None
        cut = action.after if isinstance(action, CutRequest) else None
        try:
            async for piece in pieces(self._client.reader, framing):
                kept = piece if cut is None else piece[: cut - entry.request_bytes]
                entry.request_bytes += len(kept)
                await upstream.send(chunk(kept) if framing == "chunked" else kept, self._up)
                if cut is not None and entry.request_bytes >= cut:
                    await upstream.delivered()
                    self._end(entry, f"request cut after {cut} bytes")
            if framing == "chunked":
                await upstream.send(chunk(b""))
        except (OSError, asyncio.IncompleteReadError, Ended):
            upstream.reset()
            raise

    async def _answer_head(self, upstream: Side) -> Head:
        while True:
            answer = await read_head(upstream.reader)
            if answer is None:
                raise ConnectionResetError("the upstream ended the connection without an answer")
            if answer.status != 100:
                return answer
            await self._client.send(answer.raw)

    async def _send_answer(self, upstream: Side, todo: Plan, entry: Exchange) -> bool:
        """The answer as planned; whether another request may follow."""
        entry.status = todo.head.status
        await self._client.send(todo.head.raw, todo.head_pacer)
        pacer = todo.body_pacer or self._down
        async for piece in pieces(upstream.reader, todo.framing):
            kept = b"" if todo.instead is not None else piece
            if todo.stop_after is not None:
                kept = piece[: todo.stop_after - entry.response_bytes]
            if kept:
                await self._send_piece(kept, todo.chunked, pacer, entry)
            if todo.stop_after is not None and entry.response_bytes >= todo.stop_after:
                await self._client.delivered()
                if todo.stop_by_reset:
                    self._end(entry, f"reset after {todo.stop_after} bytes")
                entry.outcome = f"truncated after {todo.stop_after} bytes"
                upstream.reset()
                return False
        if todo.instead:
            await self._send_piece(todo.instead, todo.chunked, pacer, entry)
        if todo.chunked:
            await self._client.send(chunk(b""))
        entry.outcome = "ok"
        return not todo.close

    async def _send_piece(self, piece: bytes, chunked: bool, pacer: Pacer, entry: Exchange) -> None:
        if chunked:
            await self._client.send(chunk(piece), pacer)
            entry.response_bytes += len(piece)
            return
        for start in range(0, len(piece), pacer.piece_bytes):  # counted as it goes, for those who break off
            part = piece[start : start + pacer.piece_bytes]
            await self._client.send(part, pacer)
            entry.response_bytes += len(part)


def _applies(action: Action, head: Head) -> bool:
    """Whether the action can be done to this request; of the answer `plan` knows."""
    framing: Framing = head.request_framing()
    match action:
        case CutRequest(after):
            return framing == "chunked" or (isinstance(framing, int) and framing > after)
        case IgnoreRange():
            signed = re.findall(
                r"signedheaders=([\w;-]*)", urllib.parse.unquote(f"{head.target} {head.get('Authorization')}").lower()
            )
            return bool(head.get("Range")) and not any("range" in names.split(";") for names in signed)
    return True


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task
    return task
