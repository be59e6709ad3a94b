"""What is not held here: S3, which ministack holds if it runs. Requests and answers go through untouched."""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass
from typing import Final

from tests.support.aws.calls import Call
from tests.support.aws.errors import AwsError
from tests.support.aws.exchange import BeginCall, Edit, Exchange, Front
from tests.support.aws.messages import Reply, Request
from tests.support.aws.shared_state import SharedState

_SECONDS: Final = 60
_OF_ONE_CONNECTION: Final = {"connection", "transfer-encoding", "keep-alive"}


@dataclass
class Elsewhere(Front):
    """`host` is where the requests go; without one, none are expected."""

    shared_state: SharedState
    host: str

    def begin(self, request: Request, begin_call: BeginCall, over: threading.Event) -> Exchange:
        call = begin_call("s3", request.method.title(), {"path": request.path, "query": request.query})
        return Forwarded(self, request, call, over)


class Forwarded(Exchange):
    def __init__(self, elsewhere: Elsewhere, request: Request, call: Call, over: threading.Event) -> None:
        super().__init__(call, over)
        self._elsewhere = elsewhere
        self._request = request

    def proceed(self, edit: Edit | None = None) -> Reply:
        request = self._request
        if not self._elsewhere.host:
            self._elsewhere.shared_state.violations.append(f"nothing here answers {request.method} {request.target}")
            raise AwsError("NotImplemented", "There is no S3 in this account.", 501)
        headers = {name: value for name, value in request.headers.items() if name not in _OF_ONE_CONNECTION}
        connection = http.client.HTTPConnection(self._elsewhere.host, timeout=_SECONDS)
        try:
            connection.request(request.method, request.target, request.body, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_CONNECTION}
        reply = Reply(answer.status, kept, body)
        if edit:
            edit(reply.headers)
        return reply

    def refuse(self, error: AwsError) -> Reply:
        body = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>"
        return Reply(error.status or 400, {"Content-Type": "application/xml"}, body.encode())
