"""An account for `make prove-on-aws`: ministack, behind a front that transforms SAM templates and breaks calls.

Of ECR's images ministack runs none, so the function of the stack runs the image that was pushed from this machine.
"""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode

from boto3.session import Session
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.stack import MapStack
from tests.support.aws.messages import Reply, Request
from tests.support.aws.server import Server

IMAGE: Final = "hwang-lambda:prove"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}


class Emulator(MapStack):
    """ministack alone, which runs functions as containers."""

    def _deploy(self) -> None:
        pass


@dataclass
class Front:
    """Forwards to ministack, as a context manager. `calls` are the names of the calls so far."""

    stack: Emulator
    calls: list[str] = field(default_factory=list)
    _breaks: dict[str, Callable[[], Reply | None]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self.server = Server(self._answer, print)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.server.close()

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a process finds this account."""
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://{self.server.host}", "NO_PROXY": "127.0.0.1"}

    @contextmanager
    def broken(self, call: str, happens: Callable[[], Reply | None]) -> Iterator[None]:
        """Each such call is answered with what `happens` returns; if that is None, as usual."""
        self._breaks[call] = happens
        try:
            yield
        finally:
            del self._breaks[call]

    def _answer(self, request: Request) -> Reply:
        name = call_name(request)
        with self._lock:
            self.calls.append(name)
        happens = self._breaks.get(name)
        return (happens and happens()) or self._forwarded(_transformed(request) if name == "CreateStack" else request)

    def _forwarded(self, request: Request) -> Reply:
        headers = {name: value for name, value in request.headers.items() if name not in _OF_A_CONNECTION}
        with closing(http.client.HTTPConnection(self.stack.cloud.removeprefix("http://"), timeout=300)) as connection:
            connection.request(request.method, request.target, request.body, headers)
            answer = connection.getresponse()
            body = answer.read()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_A_CONNECTION}
        return Reply(answer.status, kept, body)


_OF_A_CONNECTION: Final = {"content-length", "transfer-encoding", "connection", "expect", "keep-alive"}


def denied() -> Reply:
    """AccessDenied, in the words of XML and of JSON protocols at once as far as clients look."""
    error = "<Error><Code>AccessDenied</Code><Message>as the test wants it</Message></Error>"
    body = f"<ErrorResponse>{error}</ErrorResponse>".encode()
    return Reply(403, {"Content-Type": "text/xml", "x-amzn-ErrorType": "AccessDenied"}, body)


def call_name(request: Request) -> str:
    """The operation, such as CreateStack; of S3, which has only paths, PutObject for PUT and so on."""
    if target := request.headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if action := re.search(rb"(?:^|&)Action=(\w+)", request.body):
        return action[1].decode()
    if request.path.endswith("/invocations"):
        return "Invoke"
    if request.method == "GET" and "list-type" in request.query:
        return "ListObjects"
    return {"POST": "Delete", "HEAD": "Head"}.get(request.method, request.method.capitalize()) + "Object"


def _transformed(request: Request) -> Request:
    """CreateStack with the template that AWS's own SAM transform makes, and with the image of this machine."""
    asked = dict(parse_qsl(request.body.decode()))
    template: dict[str, Any] = yaml_parse(asked["TemplateBody"])
    del template["Parameters"]["ImageUri"]["AllowedPattern"]
    names = {key: asked[key.replace("Key", "Value")] for key in asked if key.endswith("ParameterKey")}
    values = {asked[key]: value for key, value in names.items()}
    translator = Translator({}, Parser(), boto_session=Session(region_name="us-east-1"))
    asked["TemplateBody"] = json.dumps(translator.translate(template, values))
    (image,) = [key.replace("Key", "Value") for key in names if asked[key] == "ImageUri"]
    asked[image] = IMAGE
    return Request(request.method, request.path, request.query, request.headers, urlencode(asked).encode())
