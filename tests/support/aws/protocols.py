"""How requests and answers are written: each of AWS's protocols, read and spoken from the server's side."""

from __future__ import annotations

import json
import re
import uuid
from abc import ABC, abstractmethod
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape

from tests.support.aws.errors import AwsError
from tests.support.aws.messages import Reply, Request
from tests.support.aws.shapes import decode, encode


@cache
def model(service: str) -> ServiceModel:
    """botocore's own model."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


class Protocol(ABC):
    """The protocol of one service."""

    def __init__(self, service: str) -> None:
        self.model = model(service)

    @abstractmethod
    def read(self, request: Request) -> tuple[OperationModel, dict[str, Any]]:
        """What is asked for. Raises AwsError for what is no operation of the service, or not even readable."""

    @abstractmethod
    def answer(self, operation: OperationModel, result: dict[str, Any]) -> Reply: ...

    @abstractmethod
    def refuse(self, error: AwsError, status: int) -> Reply: ...

    def _operation(self, name: str) -> OperationModel:
        if name not in self.model.operation_names:
            raise AwsError("UnknownOperationException", f"{self.model.service_name} has no operation {name!r}", 404)
        return self.model.operation_model(name)


class Json(Protocol):
    """The operation is in a header, all the rest in the body."""

    def read(self, request: Request) -> tuple[OperationModel, dict[str, Any]]:
        operation = self._operation(request.headers.get("x-amz-target", "").rpartition(".")[2])
        return operation, _body(operation, request.body)

    def answer(self, operation: OperationModel, result: dict[str, Any]) -> Reply:
        body = encode(operation.output_shape, result) if operation.output_shape else {}
        return Reply(200, _headers("application/x-amz-json-1.1"), json.dumps(body).encode())

    def refuse(self, error: AwsError, status: int) -> Reply:
        body = {"__type": error.code, "message": error.message, **error.members}
        return Reply(status, _headers("application/x-amz-json-1.1"), json.dumps(body).encode())


class RestJson(Protocol):
    """The operation is in method and path, the parameters in path, query, headers and body."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        templates = {name: self.model.operation_model(name).http for name in self.model.operation_names}
        routes = [(http["method"], *_route(http["requestUri"]), name) for name, http in templates.items()]
        self._routes = sorted(routes, key=lambda route: route[3], reverse=True)

    def read(self, request: Request) -> tuple[OperationModel, dict[str, Any]]:
        for method, pattern, names, _, operation_name in self._routes:
            operation = self.model.operation_model(operation_name)
            fixed = operation.http["requestUri"].partition("?")[2]
            found = pattern.fullmatch(request.path) if method == request.method else None
            if found and fixed in request.query:
                in_path = {name: unquote(part) for name, part in zip(names, found.groups(), strict=True)}
                return operation, self._parameters(operation, request, in_path)
        raise AwsError("UnknownOperationException", f"{request.method} {request.path} is no operation", 404)

    def _parameters(self, operation: OperationModel, request: Request, in_path: dict[str, str]) -> dict[str, Any]:
        shape = operation.input_shape
        if shape is None:
            return {}
        query: dict[str, Any] = parse_qs(request.query, keep_blank_values=True)
        for name in parse_qs(operation.http["requestUri"].partition("?")[2]):
            del query[name]
        payload = shape.serialization.get("payload")
        found: dict[str, Any] = {}
        for name, member in shape.members.items():
            key = member.serialization.get("name", name)
            match member.serialization.get("location"):
                case "uri":
                    found[name] = _of_text(member, [in_path[key]])
                case "querystring" if key in query:
                    found[name] = _of_text(member, query.pop(key))
                case "header" if key.lower() in request.headers:
                    found[name] = _of_text(member, [request.headers[key.lower()]])
        if payload:
            if request.body:
                found[payload] = request.body
        elif request.body:
            found |= _body(operation, request.body)
        return found | query  # what is left of the query has no place in the model

    def answer(self, operation: OperationModel, result: dict[str, Any]) -> Reply:
        reply = Reply(operation.http.get("responseCode", 200), _headers("application/json"))
        shape = operation.output_shape
        if shape is None:
            return reply
        body = {}
        for name, value in result.items():
            member = shape.members[name]
            key = member.serialization.get("name", name)
            match member.serialization.get("location"):
                case "statusCode":
                    reply.status = value
                case "header":
                    reply.headers[key] = str(value)
                case _ if name == shape.serialization.get("payload"):
                    reply.body = value
                case _ if value is not None:
                    body[key] = encode(member, value)
        if not shape.serialization.get("payload"):
            reply.body = json.dumps(body).encode()
        return reply

    def refuse(self, error: AwsError, status: int) -> Reply:
        body = {"Type": "User" if status < 500 else "Service", "Message": error.message, **error.members}
        headers = _headers("application/json") | {"x-amzn-ErrorType": error.code}
        return Reply(status, headers, json.dumps(body | {"message": error.message}).encode())


class Query(Protocol):
    """A form is sent, XML comes back. Only for structures without structures in them."""

    def read(self, request: Request) -> tuple[OperationModel, dict[str, Any]]:
        form = dict(parse_qsl(request.body.decode()))
        form.pop("Version", None)
        return self._operation(form.pop("Action", "")), form

    def answer(self, operation: OperationModel, result: dict[str, Any]) -> Reply:
        members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in result.items())
        inner = f"<{operation.name}Result>{members}</{operation.name}Result>"
        return self._reply(200, f"{operation.name}Response", inner)

    def refuse(self, error: AwsError, status: int) -> Reply:
        inner = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
        return self._reply(status, "ErrorResponse", f"<Error>{inner}</Error>")

    def _reply(self, status: int, name: str, inner: str) -> Reply:
        identity = uuid.uuid4()
        document = (
            f'<{name} xmlns="{self.model.metadata["xmlNamespace"]}">{inner}'
            f"<ResponseMetadata><RequestId>{identity}</RequestId></ResponseMetadata></{name}>"
        )
        return Reply(status, {"Content-Type": "text/xml"}, document.encode())


def _headers(content_type: str) -> dict[str, str]:
    return {"Content-Type": content_type, "x-amzn-RequestId": str(uuid.uuid4())}


def _body(operation: OperationModel, body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", f"Could not parse request body into json: {error}") from error
    if not isinstance(value, dict) or operation.input_shape is None:
        raise AwsError("SerializationException", "Unexpected request body")
    decoded: dict[str, Any] = decode(operation.input_shape, value)
    return decoded


def _route(template: str) -> tuple[re.Pattern[str], list[str], int]:
    """A pattern for the path, the names of its parts, and how much of it is literal."""
    path, _, query = template.partition("?")
    pieces = re.split(r"\{([^}]+)\}", path)
    names, literals = [name.rstrip("+") for name in pieces[1::2]], pieces[::2]
    groups = ["(.+)" if name.endswith("+") else "([^/]+)" for name in pieces[1::2]]
    pattern = "".join(part for pair in zip(map(re.escape, literals), [*groups, ""], strict=True) for part in pair)
    return re.compile(pattern), names, sum(map(len, literals)) + len(query)


def _of_text(shape: Shape, texts: list[str]) -> Any:
    text = texts[0]
    match shape.type_name:
        case "list":
            return texts
        case "integer" | "long" if text.lstrip("-").isdecimal():
            return int(text)
        case "boolean" if text in ("true", "false"):
            return text == "true"
    return text
