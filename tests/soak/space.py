"""The S3 server keeps what was deleted until it is told to let go of it, and it has only so much memory."""

from __future__ import annotations

from tests.cloud.stack import FaultStack

EVERY = 20  # requests
_VACUUM = """
import urllib.request
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
direct.open("http://127.0.0.1:9333/vol/vacuum?garbageThreshold=0.05", timeout=60).close()
"""


def reclaim(stack: FaultStack, done: int) -> None:
    """Now and then, by how many requests are done."""
    if done % EVERY == EVERY - 1:
        stack.python("s3", _VACUUM)
