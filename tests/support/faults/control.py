"""The proxy's control port: JSON over HTTP.

POST /_faults/rules        a rule; answers {"number": n}
GET /_faults/rules/n       {"hits": how many requests it acted on}
DELETE /_faults/rules/n    it acts no more
PUT /_faults/shape         the latency and the speed of everything
GET /_faults/log           the exchanges seen, oldest first
DELETE /_faults            no rules, no shape, an empty log
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import asdict
from functools import partial
from http import HTTPStatus

from tests.support.faults.board import Board
from tests.support.faults.http1 import HEAD_BYTES, Head, ProtocolError, read_head
from tests.support.faults.rules import Rule, Shape


async def serve(board: Board, host: str, port: int) -> asyncio.Server:
    return await asyncio.start_server(partial(_connection, board), host, port, limit=HEAD_BYTES)


async def _connection(board: Board, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request and its answer."""
    try:
        head = await read_head(reader)
        if head:
            body = await reader.readexactly(int(head.get("Content-Length") or 0))
            status, answer = _do(board, head.method, head.target, body)
            data = json.dumps(answer).encode()
            headers = (
                ("Content-Length", str(len(data))),
                ("Content-Type", "application/json"),
                ("Connection", "close"),
            )
            writer.write(Head.make(f"HTTP/1.1 {status.value} {status.phrase}", headers).raw + data)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, ProtocolError):
        pass
    finally:
        writer.close()


def _do(board: Board, method: str, path: str, body: bytes) -> tuple[HTTPStatus, object]:
    try:
        match method, path.strip("/").split("/")[1:]:
            case "POST", ["rules"]:
                return HTTPStatus.CREATED, {"number": board.add(Rule.from_json(json.loads(body)))}
            case "GET", ["rules", number]:
                return HTTPStatus.OK, {"hits": board.rules[int(number)].hits}
            case "DELETE", ["rules", number]:
                board.rules.pop(int(number), None)
                return HTTPStatus.OK, {}
            case "PUT", ["shape"]:
                board.shape = Shape(**json.loads(body))
                return HTTPStatus.OK, {}
            case "GET", ["log"]:
                return HTTPStatus.OK, [asdict(entry) for entry in board.log]
            case "DELETE", []:
                board.clear()
                return HTTPStatus.OK, {}
    except (KeyError, TypeError, ValueError, re.error) as error:
        return HTTPStatus.BAD_REQUEST, {"error": f"{type(error).__name__}: {error}"}
    return HTTPStatus.NOT_FOUND, {"error": f"{method} {path}"}
