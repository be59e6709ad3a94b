"""What AWS refuses, as it says it."""

from __future__ import annotations


class AwsError(Exception):
    """An error answer. `status` None is the one that the service's model gives this code; `members` are its own."""

    def __init__(self, code: str, message: str = "", status: int | None = None, **members: object) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


class BrokenError(Exception):
    """The connection is to be reset instead of an answer."""
