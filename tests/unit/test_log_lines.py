"""The container suites tell lines of JSON from others, and leave out the emulator's own."""

from __future__ import annotations

from tests.support.log_lines import not_json

LOG = """29 Nov 2026 20:16:12,123 [INFO] (rapid) exec '/lambda-entrypoint.sh' (cwd=/var/task, handler=)
START RequestId: 5f5a9c2e Version: $LATEST
{"_aws": {}, "Requests": 1}

END RequestId: 5f5a9c2e
REPORT RequestId: 5f5a9c2e\tDuration: 3.20 ms
/var/task/function/x.py:3: UserWarning: Pydantic serializer warnings:
[ERROR] BadRequest: {}
["a", "list"]
{"cut
"""


def test_what_is_no_json_object_is_found() -> None:
    assert [line[:9] for line in not_json(LOG)] == ["/var/task", "[ERROR] B", '["a", "li', '{"cut']
