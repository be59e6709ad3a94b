"""A proxy that forwards HTTP/1.1 untouched, so that signatures still hold, and breaks what it is told to break.

python -m tests.support.faults.proxy --listen 0.0.0.0:9000 --upstream s3:8333 --control 0.0.0.0:9001

--listen and --upstream may be repeated, in pairs. What it may be told is in rules.py, how in control.py; tests use
client.py.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Iterator, Sequence

from tests.support.faults import control
from tests.support.faults.board import Board
from tests.support.faults.http1 import HEAD_BYTES
from tests.support.faults.relay import Relay
from tests.support.faults.streams import Side

Address = tuple[str, int]


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not HOST:PORT")
    return host, int(port)


async def listen(board: Board, numbers: Iterator[int], here: Address, upstream: Address) -> asyncio.Server:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Relay(next(numbers), Side(reader, writer), upstream, board).run()

    return await asyncio.start_server(connection, *here, limit=HEAD_BYTES)


async def serve(routes: Sequence[tuple[Address, Address]], control_address: Address) -> None:
    """Serves until it is cancelled. Prints the ports, the control's first, as soon as all are open."""
    board, numbers = Board(), itertools.count(1)
    servers = [await control.serve(board, *control_address)]
    servers += [await listen(board, numbers, here, upstream) for here, upstream in routes]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.support.faults.proxy", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--listen", type=address, action="append", required=True, metavar="HOST:PORT")
    parser.add_argument("--upstream", type=address, action="append", required=True, metavar="HOST:PORT")
    parser.add_argument("--control", type=address, required=True, metavar="HOST:PORT")
    options = parser.parse_args()
    if len(options.listen) != len(options.upstream):
        parser.error("every --listen needs its --upstream")
    asyncio.run(serve(list(zip(options.listen, options.upstream, strict=True)), options.control))


if __name__ == "__main__":
    main()
