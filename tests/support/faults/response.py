"""What becomes of an answer: its head as the client gets it, and how its body goes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from tests.support.faults.http1 import Framing, Head
from tests.support.faults.rules import (
    Action,
    Chunked,
    ReplaceBody,
    Reset,
    SetHeaders,
    SlowBody,
    SlowHead,
    Truncate,
    WrongLength,
    WrongRange,
)
from tests.support.faults.streams import Pacer


@dataclass(frozen=True)
class Plan:
    """`framing` is how the upstream's body is read, `chunked` how the client's is sent."""

    head: Head
    framing: Framing
    chunked: bool
    close: bool  # the connection ends with this answer
    applies: bool = True  # False: the action could not be done to this answer
    instead: bytes | None = None  # of the body
    stop_after: int | None = None
    stop_by_reset: bool = False
    head_pacer: Pacer | None = None
    body_pacer: Pacer | None = None


def plan(head: Head, framing: Framing, action: Action | None) -> Plan:
    """What to do with an answer of this head and body."""
    usual = Plan(head, framing, framing == "chunked", framing == "until close")
    impossible = replace(usual, applies=False)
    match action:
        case Reset(after) | Truncate(after):
            if isinstance(framing, int) and framing <= after:
                return impossible
            return replace(usual, stop_after=after, stop_by_reset=isinstance(action, Reset))
        case SlowHead(speed):
            return replace(usual, head_pacer=Pacer(speed))
        case SlowBody(speed):
            return replace(usual, body_pacer=Pacer(speed))
        case SetHeaders(headers, remove):
            return replace(usual, head=head.changed(headers, tuple(remove)))
        case WrongLength(difference):
            if not isinstance(framing, int):
                return impossible
            length = str(max(framing + difference, 0))
            return replace(usual, head=head.changed({"Content-Length": length}), close=True)
        case WrongRange():
            return replace(usual, head=_wrong_range(head, action)) if head.get("Content-Range") else impossible
        case Chunked():
            chunked = head.changed({"Transfer-Encoding": "chunked"}, remove=("Content-Length",))
            return replace(usual, head=chunked, chunked=True) if framing else impossible
        case ReplaceBody(body):
            data = body.encode()
            changed = head.changed({"Content-Length": str(len(data))}, remove=("Transfer-Encoding",))
            return replace(usual, head=changed, chunked=False, instead=data)
    return usual


def _wrong_range(head: Head, action: WrongRange) -> Head:
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", head.get("Content-Range"))
    if not match:
        return head
    start, end, size = (int(number) for number in match.groups())
    changed = f"bytes {start + action.shift}-{end + action.shift}/{size + action.size_difference}"
    return head.changed({"Content-Range": changed})
