"""A call under way, between its arrival and its answer."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.support.aws.calls import Call
from tests.support.aws.errors import AwsError
from tests.support.aws.messages import Reply, Request

Edit: TypeAlias = Callable[[dict[str, Any]], None]
BeginCall: TypeAlias = Callable[[str, str, dict[str, Any]], Call]


class Exchange(ABC):
    """What is asked for; `proceed` makes it happen. `over` is set when the account is closed."""

    def __init__(self, call: Call, over: threading.Event) -> None:
        self.call = call
        self.over = over

    @abstractmethod
    def proceed(self, edit: Edit | None = None) -> Reply:
        """The effect and the answer, with what `edit` does to the members of an answer that is no error.

        Raises AwsError, BrokenError.
        """

    @abstractmethod
    def refuse(self, error: AwsError) -> Reply:
        """The error as an answer of this service."""


class Front(ABC):
    """A service, as requests come to it."""

    @abstractmethod
    def begin(self, request: Request, begin_call: BeginCall, over: threading.Event) -> Exchange: ...
