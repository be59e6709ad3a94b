"""The account: all services on one port, and what is in them."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Any, Final, Self

from tests.support.aws.aliases import Aliases
from tests.support.aws.api import Api
from tests.support.aws.calls import Calls
from tests.support.aws.concurrency import Concurrency
from tests.support.aws.downloads import PREFIX, Downloads
from tests.support.aws.ecr_state import EcrState
from tests.support.aws.elsewhere import Elsewhere
from tests.support.aws.errors import AwsError, BrokenError
from tests.support.aws.exchange import Exchange, Front
from tests.support.aws.functions import Functions
from tests.support.aws.identities import ROOT, Identities
from tests.support.aws.images import Images
from tests.support.aws.invocations import Invocations
from tests.support.aws.logs import Logs
from tests.support.aws.messages import Reply, Request
from tests.support.aws.metrics import Metrics
from tests.support.aws.permissions import Permissions
from tests.support.aws.protocols import Json, Protocol, Query, RestJson
from tests.support.aws.registry import Registry
from tests.support.aws.repositories import Repositories
from tests.support.aws.rules import Rules
from tests.support.aws.server import Server
from tests.support.aws.settling import Pace
from tests.support.aws.shared_state import SharedState
from tests.support.aws.source import Sources
from tests.support.aws.store import Store
from tests.support.aws.tokens import Tokens
from tests.support.aws.versions import Versions

_TARGETS: Final = {"AmazonEC2ContainerRegistry": "ecr", "Logs": "logs", "GraniteServiceVersion20100801": "cloudwatch"}
_SIGNED_FOR: Final = re.compile(r"Credential=[^,]*/(\w+)/aws4_request")


class Account:
    """Answers on a port of its own, as a context manager. `deployer` is an identity that may do everything.

    `s3` is where the S3 requests go that come to this port, if anywhere.
    """

    def __init__(self, s3: str = "") -> None:
        self._world = SharedState()
        self._rules = Rules()
        self._calls = Calls()
        self._pace = Pace()
        self._identities = Identities(self._world)
        self.deployer = self._identities.add("deployer")
        self.ecr_state = EcrState(self._world)
        self.registry = Registry(self.ecr_state)
        self.store = Store()
        self.metrics = Metrics(self._world)
        self.logs = Logs(self._world)
        self.invocations = Invocations(self._world, self.store, self._pace, self.metrics, self.logs, self._rules.over)
        concurrency = Concurrency(self._world, self.store, self._pace)
        functions = Functions(self._world, self.store, Sources(self.ecr_state), self._pace)
        versions = Versions(self._world, self.store, self._pace)
        aliases = Aliases(self.store, concurrency)
        permissions = Permissions(self.store)
        self._apis = {
            "lambda": self._api(
                RestJson("lambda"), functions, versions, aliases, concurrency, permissions, self.invocations
            ),
            "ecr": self._api(Json("ecr"), Repositories(self.ecr_state), Images(self.ecr_state)),
            "logs": self._api(Json("logs"), self.logs),
            "cloudwatch": self._api(Json("cloudwatch"), self.metrics),
            "sts": self._api(Query("sts"), Tokens()),
        }
        self._downloads = Downloads(self.ecr_state)
        self._elsewhere = Elsewhere(self._world, s3)
        self._server = Server(self._answer, self.violations.append)
        self._world.host = self._server.host

    def _api(self, protocol: Protocol, *parts: object) -> Api:
        return Api(self._world, self._identities, protocol, protocol.model.service_name, parts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._rules.over.set()
        self._server.close()

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return self._world.url

    @property
    def violations(self) -> list[str]:
        """What no real client would ask for and no real AWS would answer."""
        return self._world.violations

    def do(self, operation: str, **asked: Any) -> dict[str, Any]:
        """An operation of Lambda, ECR, CloudWatch or its logs, right on the state.

        It is not logged, no rule acts on it, and it does not count as a look. Raises AwsError.
        """
        api = next(api for api in self._apis.values() if api.has(operation))
        return api.do(operation, asked, ROOT)

    def _answer(self, request: Request) -> Reply:
        exchange = self._front(request).begin(request, self._calls.begin, self._rules.over)
        call = exchange.call
        try:
            reply = self._acted(exchange)
            call.outcome = "answered"
        except AwsError as error:
            reply = exchange.refuse(error)
            call.code, call.outcome = error.code, "refused"
        except BrokenError:
            call.outcome = "broken off"
            raise
        call.status = reply.status
        return reply

    def _acted(self, exchange: Exchange) -> Reply:
        rule = self._rules.take(exchange.call)
        return rule.action.act(exchange) if rule else exchange.proceed()

    def _front(self, request: Request) -> Front:
        target = request.headers.get("x-amz-target", "").partition("_")[0].partition(".")[0]
        scope = _SIGNED_FOR.search(request.headers.get("authorization", ""))
        if request.path.startswith("/v2/"):
            return self.registry
        if request.path.startswith(PREFIX):
            return self._downloads
        if target in _TARGETS:
            return self._apis[_TARGETS[target]]
        if scope and scope[1] in ("lambda", "sts"):
            return self._apis[scope[1]]
        return self._elsewhere
