"""The test stack itself: the proxy breaks what it is told, the function has Lambda's limits, leftovers are found."""

from __future__ import annotations

import json
import textwrap
import time

import pytest

from tests.cloud.function import Function
from tests.cloud.postconditions import Postconditions
from tests.cloud.stack import RESULTS, VIDEOS, FaultStack, key_of
from tests.support.faults import rules
from tests.support.faults.client import Faults

MIB = 2**20


def test_a_reset_is_seen_as_a_reset(stack: FaultStack, faults: Faults) -> None:
    stack.web_put("data", bytes(100_000))
    code = textwrap.dedent("""
        import socket
        connection, got, end = socket.create_connection(("proxy", 9080)), b"", "closed"
        connection.sendall(b"GET /files/data HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n")
        try:
            while piece := connection.recv(65536):
                got += piece
        except ConnectionResetError:
            end = "reset"
        print(end, len(got.partition(b"\\r\\n\\r\\n")[2]))
    """)
    with faults.rule(rules.Reset(1000), path="/files/data"):
        assert stack.python("web", code).split() == ["reset", "1000"]
    with faults.rule(rules.Truncate(1000), path="/files/data"):
        assert stack.python("web", code).split() == ["closed", "1000"]


def test_latency_and_speed_are_as_told(stack: FaultStack, prefix: str, faults: Faults) -> None:
    s3 = stack.client(stack.proxy_url, key_of("tests").access, key_of("tests").secret)
    key, data = f"{prefix}big", bytes(32 * MIB)
    s3.put_object(Bucket=RESULTS, Key=key, Body=data)

    def seconds(**options: str) -> float:
        start = time.perf_counter()
        s3.get_object(Bucket=RESULTS, Key=key, **options)["Body"].read()  # type: ignore[arg-type]
        return time.perf_counter() - start

    faults.shape(latency_seconds=0.2)
    assert 0.2 <= seconds(Range="bytes=0-0") < 1
    faults.shape(bytes_per_second=80e6)
    assert 0.4 <= seconds() < 2
    faults.shape(bytes_per_second=10e6)
    assert 3 <= seconds() < 6


def test_the_function_has_lambdas_limits(function: Function) -> None:
    code = textwrap.dedent("""
        import json, os, resource, shutil
        status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())
        try:
            open("/var/task/x", "w")
        except OSError as error:
            root = error.strerror
        print(json.dumps({
            "user": [os.getuid(), os.getgid()],
            "capabilities": int(status["CapEff"], 16),
            "no new privileges": status["NoNewPrivs"],
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
            "root": root,
            "shared memory": os.path.exists("/dev/shm"),
            "tmp": shutil.disk_usage("/tmp").total,
        }))
    """)
    assert json.loads(function.stack.python("function", code)) == {
        "user": [993, 990],
        "capabilities": 0,
        "no new privileges": "1",
        "files": [1024, 1024],
        "root": "Read-only file system",
        "shared memory": False,
        "tmp": 512 * MIB,
    }
    host = function.stack.inspect("function")["HostConfig"]
    assert (host["Memory"], host["PidsLimit"]) == (3008 * MIB, 1024)


@pytest.mark.limits(memory_mb=1024, tmp_mb=64, timeout_seconds=5, environment={"EXTRA": "1"})
def test_a_test_may_give_the_function_other_limits(function: Function) -> None:
    described = function.stack.inspect("function")
    assert described["HostConfig"]["Memory"] == 1024 * MIB
    assert {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1024",
        "AWS_LAMBDA_FUNCTION_TIMEOUT=5",
        "EXTRA=1",
    } <= set(described["Config"]["Env"])


def test_the_web_server_is_trusted_by_its_authority_alone(stack: FaultStack) -> None:
    stack.web_put("page", b"hello")
    code = textwrap.dedent("""
        import ssl, sys, urllib.request
        context = ssl.create_default_context(cafile="/authority/ca.crt")
        try:
            print(urllib.request.urlopen(sys.argv[1], context=context).read().decode())
        except urllib.error.URLError as error:
            print(error.reason.verify_message)
    """)
    said = {
        port: stack.python("function", code, f"https://web:{port}/files/page").strip() for port in range(8443, 8448)
    }
    assert said == {
        8443: "hello",
        8444: "certificate has expired",
        8445: "certificate is not yet valid",
        8446: "Hostname mismatch, certificate is not valid for 'web'.",
        8447: "self-signed certificate",
    }
    assert stack.web_counts()["canary"] == 0


def test_a_good_request_meets_the_postconditions(
    function: Function, after: Postconditions, faults: Faults, prefix: str
) -> None:
    event = {"video": f"s3://{VIDEOS}/clip.mp4", "frames": "0:10", "output": f"s3://{RESULTS}/{prefix}x.npy"}
    answer = function.invoke(event)
    after.succeeded(answer, faults.log())


def test_a_refused_request_meets_the_postconditions(function: Function, after: Postconditions, prefix: str) -> None:
    event = {"video": f"s3://{VIDEOS}/missing.mp4", "frames": [0], "output": f"s3://{RESULTS}/{prefix}x.npy"}
    after.refused(function.invoke(event), "SourceNotFound", named="missing.mp4")


def test_what_is_left_over_is_found(function: Function, after: Postconditions) -> None:
    """The postconditions see a file, an upload and a changed video."""
    stack, answer = function.stack, function.invoke(function.good.event)
    after.hold(answer)
    stack.python("function", "open('/tmp/left', 'w').write('over')")
    try:
        with pytest.raises(AssertionError, match="left"):
            after.hold(answer)
    finally:
        stack.python("function", "import os; os.remove('/tmp/left')")
    upload = stack.s3.create_multipart_upload(Bucket=RESULTS, Key="left")
    try:
        with pytest.raises(AssertionError, match="left"):
            after.hold(answer)
    finally:
        stack.s3.abort_multipart_upload(Bucket=RESULTS, Key="left", UploadId=upload["UploadId"])
    stack.s3.put_object(Bucket=VIDEOS, Key="left", Body=b"over")
    try:
        with pytest.raises(AssertionError, match="left"):
            after.hold(answer)
    finally:
        stack.s3.delete_object(Bucket=VIDEOS, Key="left")
