"""The line of a request: metrics as CloudWatch documents them, and nothing that should not be in a log."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import Outcome, SourceNotFound
from function.runtime.emf_log import line

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "frames"}
TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
MILLISECONDS = {"open": 12.5, "decode": 800.0, "write": 40.25, "total": 855.0}  # the worker's
COUNTERS = {
    "bytes_read": 1_234_567,
    "requests": 7,
    "samples_decoded": 140,
    "samples_skipped": 20,
    "frames_decoded": 100,
}

UNITS = {"Milliseconds", "Bytes", "Count"}  # of CloudWatch's own, those that are used


def written(outcome: Outcome | None = None, key: str = "", action: str = "plan", **environment: str) -> dict[str, Any]:
    done = {"milliseconds": MILLISECONDS, "counters": COUNTERS} if outcome is None else outcome
    text = line("c6af9ac6-7b61", {"action": action}, done, 0.86012, key, LAMBDA | environment)
    assert "\n" not in text
    assert text.startswith('{"_aws"')
    assert text.isprintable()
    assert len(text.encode()) < 256_000
    value = json.loads(text, parse_constant=pytest.fail)
    assert isinstance(value, dict)
    return value


def check_embedded_metric_format(document: dict[str, Any]) -> None:
    """The rules of the specification's text and schema."""
    metadata = document["_aws"]
    assert set(metadata) == {"Timestamp", "CloudWatchMetrics"}
    assert isinstance(metadata["Timestamp"], int)
    assert 1.7e12 < metadata["Timestamp"] < 1e13
    for directive in metadata["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 255
        assert not directive["Namespace"].startswith("AWS/")
        assert directive["Dimensions"]
        for dimensions in directive["Dimensions"]:
            assert len(dimensions) <= 9
            for name in dimensions:
                assert 1 <= len(name) <= 250
                assert isinstance(document[name], str)
                assert 1 <= len(document[name]) <= 1024
                assert document[name].strip()
        assert 1 <= len(directive["Metrics"]) <= 100
        names = [metric["Name"] for metric in directive["Metrics"]]
        assert len(set(names)) == len(names)
        for metric in directive["Metrics"]:
            assert set(metric) == {"Name", "Unit"}
            assert metric["Unit"] in UNITS
            value = document[metric["Name"]]
            assert isinstance(value, int | float)
            assert not isinstance(value, bool)
            assert abs(value) <= 2**360


def test_a_line_is_valid_embedded_metric_format_with_the_documented_metrics() -> None:
    document = written()
    check_embedded_metric_format(document)
    (directive,) = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Hwang"
    assert directive["Dimensions"] == [["FunctionName"], ["FunctionName", "Code"]]
    assert {metric["Name"]: (document[metric["Name"]], metric["Unit"]) for metric in directive["Metrics"]} == {
        "Requests": (1, "Count"),
        "Errors": (0, "Count"),
        "Duration": (860.1, "Milliseconds"),
        "BytesRead": (1_234_567, "Bytes"),
        "SourceRequests": (7, "Count"),
        "SamplesDecoded": (140, "Count"),
        "Frames": (100, "Count"),
    }
    assert (document["FunctionName"], document["Code"]) == ("frames", "ok")


def test_a_line_tells_the_request_its_trace_its_phases_and_all_counters() -> None:
    document = written(key="m1", _X_AMZN_TRACE_ID=TRACE)
    assert (document["request_id"], document["key"], document["action"]) == ("c6af9ac6-7b61", "m1", "plan")
    assert document["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
    assert (document["milliseconds"], document["counters"]) == (MILLISECONDS | {"total": 860.1}, COUNTERS)
    assert "message" not in document


def test_a_failed_request_counts_as_an_error_under_its_code() -> None:
    document = written(SourceNotFound("it is gone", status=404))
    check_embedded_metric_format(document)
    assert (document["Requests"], document["Errors"], document["Code"]) == (1, 1, "SourceNotFound")
    assert (document["message"], document["detail"], document["trace"]) == ("it is gone", {"status": 404}, [])
    assert (document["action"], "key" in document, "BytesRead" in document) == ("plan", False, False)


@pytest.mark.parametrize(
    ("trace_id", "root"),
    [
        (TRACE, "1-5759e988-bd862e3fe1be46a994272793"),
        ("Parent=1;Root=1-a-b", "1-a-b"),
        ("Self=1-x; Root=1-a-b;Lineage=1:2:3", "1-a-b"),
        ("NotRoot=1-a-b", None),
        ("Root=", None),
        ("Root=<script>", None),
        ("Root=" + "1" * 100, None),
        ("", None),
    ],
)
def test_of_the_trace_only_the_root_is_told(trace_id: str, root: str | None) -> None:
    assert written(_X_AMZN_TRACE_ID=trace_id)["trace_id"] == root
    assert written()["trace_id"] is None


def test_the_namespace_is_configured_or_the_usual_one() -> None:
    for namespace, told in (("Team/Frames #1", "Team/Frames #1"), ("", "Hwang")):
        document = written(HWANG_METRICS_NAMESPACE=namespace)
        check_embedded_metric_format(document)
        assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == told


def test_a_dimension_is_never_empty() -> None:
    check_embedded_metric_format(written(AWS_LAMBDA_FUNCTION_NAME=""))


def test_secrets_are_cut_wherever_they_are() -> None:
    url = "https://user:hidden@example.com/v.mp4?X-Amz-Signature=topsecret"
    error = SourceNotFound(url, uri=url, parts=[url, {"url": url}])
    error.trace = [url]
    document = written(error, url, url)
    text = json.dumps(document)
    assert "topsecret" not in text
    assert "hidden" not in text
    assert "example.com/v.mp4" in document["message"]


def test_a_text_is_one_short_line() -> None:
    document = written(SourceNotFound("two\nlines\r\x00\u2028" + "x" * 1000, more=["://" * 10**6]))
    assert len(document["message"]) == 300
    assert document["message"].isprintable()
    assert len(document["detail"]["more"][0]) <= 300


def test_a_line_is_never_longer_than_cloudwatch_takes() -> None:
    assert len(written(SourceNotFound("", rows=list(range(1000))))["detail"]["rows"]) == 100
    document = written(SourceNotFound("", **{f"k{number}": ["x" * 1000] * 1000 for number in range(1000)}))
    check_embedded_metric_format(document)
    assert document["request_id"]
    assert "detail" not in document


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, st.text(), st.text())
def test_any_values_give_one_valid_line(value: Any, action: str, key: str) -> None:
    check_embedded_metric_format(written(SourceNotFound("", thing=value), key, action))
