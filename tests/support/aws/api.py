"""A service's API: every request and every answer is held against botocore's own model of the service."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from typing import Any, Final

from botocore import xform_name
from botocore.model import OperationModel, Shape

from tests.support.aws.calls import Call
from tests.support.aws.errors import AwsError
from tests.support.aws.exchange import BeginCall, Edit, Exchange, Front
from tests.support.aws.identities import Identities, Identity
from tests.support.aws.messages import Reply, Request
from tests.support.aws.protocols import Json, Protocol
from tests.support.aws.rights import action_of, require, resource_of
from tests.support.aws.shapes import broken_constraint, misfit
from tests.support.aws.shared_state import SharedState

# Errors that any service may answer with, and their status.
_COMMON: Final = {
    "AccessDeniedException": 403,
    "ExpiredToken": 403,
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 400,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "InvalidClientTokenId": 403,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "RequestExpired": 400,
    "SerializationException": 400,
    "ServiceUnavailable": 503,
    "ServiceUnavailableException": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 400,
    "ThrottlingException": 400,
    "TooManyRequestsException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationError": 400,
    "ValidationException": 400,
}
_TAKES_ITS_TIME: Final = {"Invoke"}


class Api(Front):
    """`parts` have a method for each operation, named as in boto3: it takes the parameters and who asks."""

    def __init__(
        self, shared_state: SharedState, identities: Identities, protocol: Protocol, name: str, parts: Sequence[object]
    ) -> None:
        self.name = name
        self.shared_state = shared_state
        self.identities = identities
        self.protocol = protocol
        self._parts = parts
        self._errors = {_code(shape): shape for shape in protocol.model.error_shapes}

    def begin(self, request: Request, begin_call: BeginCall, over: threading.Event) -> Exchange:
        try:
            operation, asked = self.protocol.read(request)
        except AwsError as error:
            self.shared_state.violations.append(f"{request.method} {request.target}: {error}")
            return Unreadable(self, begin_call(self.name, "?", {}), over, error)
        return ApiExchange(self, request, operation, asked, begin_call(self.name, operation.name, asked), over)

    def has(self, operation: str) -> bool:
        return operation in self.protocol.model.operation_names

    def do(self, operation: str, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:
        """The effect, and what comes of it. Raises AwsError."""
        model = self.protocol.model.operation_model(operation)
        self._require_fit(model, asked)
        method = next(filter(None, (getattr(part, xform_name(operation), None) for part in self._parts)), None)
        if method is None:
            self.shared_state.violations.append(f"{self.name}:{operation} is not there in this account")
            raise AwsError("UnknownOperationException", f"{operation} is not there in this account")
        with nullcontext() if operation in _TAKES_ITS_TIME else self.shared_state.lock:
            answer: dict[str, Any] = method(asked, caller)
        return answer

    def _require_fit(self, operation: OperationModel, asked: Mapping[str, Any]) -> None:
        wrong = misfit(operation.input_shape, dict(asked))
        if wrong:
            self.shared_state.violations.append(f"{self.name}:{operation.name} was asked for wrongly: {wrong}")
            raise AwsError("ValidationException", wrong, 400)
        broken = broken_constraint(operation.input_shape, asked) if operation.input_shape else ""
        if broken:
            is_lambda = self.name == "lambda"
            raise AwsError("ValidationException" if is_lambda else "InvalidParameterException", broken, 400)

    def write(self, operation: OperationModel, answer: dict[str, Any]) -> Reply:
        wrong = misfit(operation.output_shape, answer)
        if wrong:
            self.shared_state.violations.append(f"{self.name}:{operation.name} was answered wrongly: {wrong}")
            return self.refuse(AwsError("InternalFailure", wrong))
        return self.protocol.answer(operation, answer)

    def refuse(self, error: AwsError, operation: OperationModel | None = None) -> Reply:
        modelled = self._errors.get(error.code)
        known = {_code(shape) for shape in operation.error_shapes} if operation else {error.code}
        if error.code not in known and error.code not in _COMMON:
            self.shared_state.violations.append(
                f"{self.name}:{operation and operation.name} never answers {error.code}"
            )
        status = error.status or _COMMON.get(error.code, 400)
        if modelled and not error.status:
            status = modelled.metadata.get("error", {}).get("httpStatusCode", 400)
        if isinstance(self.protocol, Json) and not error.status and status < 500:
            status = 400  # whatever the error
        return self.protocol.refuse(error, status)


def _code(error: Shape) -> str:
    return str(error.metadata.get("error", {}).get("code", error.name))


class ApiExchange(Exchange):
    def __init__(
        self,
        api: Api,
        request: Request,
        operation: OperationModel,
        asked: dict[str, Any],
        call: Call,
        over: threading.Event,
    ) -> None:
        super().__init__(call, over)
        self._api = api
        self._request = request
        self._operation = operation
        self._asked = asked

    def proceed(self, edit: Edit | None = None) -> Reply:
        api, name = self._api, self._operation.name
        caller = api.identities.caller(self._request)
        self.call.caller = caller.name
        if api.name != "sts":  # everybody may ask who they are
            require(caller, action_of(api.name, name), resource_of(api.name, name, self._asked))
        answer = api.do(name, self._asked, caller)
        if edit:
            answer = deepcopy(answer)  # the state stays
            edit(answer)
        return api.write(self._operation, answer)

    def refuse(self, error: AwsError) -> Reply:
        return self._api.refuse(error, self._operation)


class Unreadable(Exchange):
    """What is no request of the service."""

    def __init__(self, api: Api, call: Call, over: threading.Event, error: AwsError) -> None:
        super().__init__(call, over)
        self._api = api
        self._error = error

    def proceed(self, edit: Edit | None = None) -> Reply:  # noqa: ARG002
        raise self._error

    def refuse(self, error: AwsError) -> Reply:
        return self._api.refuse(error)
