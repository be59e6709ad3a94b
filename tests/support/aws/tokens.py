"""STS: who it is that asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.aws.identities import Identity
from tests.support.aws.shared_state import ACCOUNT


class Tokens:
    def get_caller_identity(self, asked: Mapping[str, Any], caller: Identity) -> dict[str, Any]:  # noqa: ARG002
        return {"UserId": caller.access_key, "Account": ACCOUNT, "Arn": caller.arn}
