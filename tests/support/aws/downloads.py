"""Where layers are fetched from: addresses that need no password, as S3's presigned ones."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import Final

from tests.support.aws.calls import Call
from tests.support.aws.ecr_state import EcrState, Repository
from tests.support.aws.errors import AwsError
from tests.support.aws.exchange import BeginCall, Edit, Exchange, Front
from tests.support.aws.messages import Reply, Request

PREFIX: Final = "/layers/"
_PATH: Final = re.compile(rf"{PREFIX}(?P<name>.+)/(?P<digest>sha256:[0-9a-f]{{64}})")


def layer_url(ecr_state: EcrState, repository: Repository, digest: str) -> str:
    return f"{ecr_state.shared_state.url}{PREFIX}{repository.name}/{digest}"


@dataclass
class Downloads(Front):
    ecr_state: EcrState

    def begin(self, request: Request, begin_call: BeginCall, over: threading.Event) -> Exchange:
        found = _PATH.fullmatch(request.path)
        return Download(self.ecr_state, begin_call("s3", "GetLayer", found.groupdict() if found else {}), over)


class Download(Exchange):
    def __init__(self, ecr_state: EcrState, call: Call, over: threading.Event) -> None:
        super().__init__(call, over)
        self._depot = ecr_state

    def proceed(self, edit: Edit | None = None) -> Reply:
        repository = self._depot.repositories.get(self.call.parameters.get("name", ""))
        data = repository.blobs.get(self.call.parameters["digest"]) if repository else None
        if data is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        headers = {"Content-Type": "application/octet-stream"}
        if edit:
            edit(headers)
        return Reply(200, headers, data)

    def refuse(self, error: AwsError) -> Reply:
        body = f"<Error><Code>{error.code}</Code><Message>{error.message}</Message></Error>"
        return Reply(error.status or 400, {"Content-Type": "application/xml"}, body.encode())
