"""Events as AWS delivers them, after the examples in its documentation."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus


def s3_record(key: str, bucket: str = "uploads", name: str = "ObjectCreated:Put", **of_object: Any) -> dict[str, Any]:
    """A record of an S3 notification; the key is given plain and encoded as S3 does it."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-11-12T10:11:12.345Z",
        "eventName": name,
        "userIdentity": {"principalId": "AWS:AROAEXAMPLEID:uploader"},
        "requestParameters": {"sourceIPAddress": "203.0.113.7"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "on-upload",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": {
                "key": quote_plus(key, safe="/*-._"),
                "size": 1024,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "0055AED6DCD90281E5",
                **of_object,
            },
        },
    }


def s3_notification(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records)}


def sns_event(message: object, identifier: str = "dc1e94d9-56c5-5e96-808d-cc7f68faa162") -> dict[str, Any]:
    """What SNS invokes a function with: one record."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": "arn:aws:sns:eu-central-1:111122223333:uploads:21be56ed-a058",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": identifier,
                    "TopicArn": "arn:aws:sns:eu-central-1:111122223333:uploads",
                    "Subject": None,
                    "Message": message if isinstance(message, str) else json.dumps(message),
                    "Timestamp": "2026-11-12T10:11:12.345Z",
                    "SignatureVersion": "1",
                    "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNK+gLPoBc1Q=",
                    "SigningCertUrl": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-example.pem",
                    "UnsubscribeUrl": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
                    "MessageAttributes": {},
                },
            }
        ]
    }


def s3_batch(*tasks: dict[str, Any], version: str = "1.0", **arguments: str) -> dict[str, Any]:
    """An invocation by S3 Batch Operations; the arguments are the job's, which schema 2.0 alone has."""
    return {
        "invocationSchemaVersion": version,
        "invocationId": "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo",
        "job": {"id": "f3cc4f60-61f6-4a2b-8a21-d07600c373ce", **({"userArguments": arguments} if arguments else {})},
        "tasks": list(tasks),
    }


def s3_task(key: str, name: str = "task-1", bucket: str = "uploads", version: str = "1.0") -> dict[str, Any]:
    """A task; the key is given plain and encoded. Schema 2.0 has the bucket's name, 1.0 its ARN."""
    place = {"s3Bucket": bucket} if version == "2.0" else {"s3BucketArn": f"arn:aws:s3:::{bucket}"}
    return {"taskId": name, "s3Key": quote_plus(key, safe="/*-._"), "s3VersionId": None, **place}


def s3_test_event(bucket: str = "uploads") -> dict[str, Any]:
    """What S3 sends when a notification is configured: no Records."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-11-12T10:11:12.345Z",
        "Bucket": bucket,
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR",
    }


def event_bridge(key: str, bucket: str = "uploads", name: str = "Object Created", **of_object: Any) -> dict[str, Any]:
    """S3's event by way of EventBridge; the key is not encoded."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": name,
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-12T10:11:12Z",
        "region": "eu-central-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": 1024,
                "etag": "b1946ac92492d2347c6235b4d2611184",
                "sequencer": "617f08299329d189",
                **of_object,
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "203.0.113.7",
            "reason": "PutObject",
        },
    }


def sns_envelope(message: object) -> dict[str, Any]:
    """A message that SNS sent on to a queue without raw delivery."""
    return {
        "Type": "Notification",
        "MessageId": "dc1e94d9-56c5-5e96-808d-cc7f68faa162",
        "TopicArn": "arn:aws:sns:eu-central-1:111122223333:uploads",
        "Subject": "Amazon S3 Notification",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-11-12T10:11:12.345Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNK+gLPoBc1Q=",
        "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-example.pem",
        "UnsubscribeURL": "https://sns.eu-central-1.amazonaws.com/?Action=Unsubscribe",
    }


def sqs_message(identifier: str, body: object) -> dict[str, Any]:
    return {
        "messageId": identifier,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:requests",
        "awsRegion": "eu-central-1",
    }


def fifo_batch(*messages: tuple[str, str, object]) -> dict[str, Any]:
    """Messages of a FIFO queue: the id, the message group, the body."""
    records = []
    for identifier, group, body in messages:
        record = sqs_message(identifier, body)
        record["attributes"] |= {"MessageGroupId": group, "SequenceNumber": "18849496460467696128"}
        records.append(record | {"eventSourceARN": "arn:aws:sqs:eu-central-1:111122223333:requests.fifo"})
    return {"Records": records}


def sqs_batch(*bodies: object) -> dict[str, Any]:
    """Messages m0, m1, …"""
    return {"Records": [sqs_message(f"m{number}", body) for number, body in enumerate(bodies)]}


def http_request(body: object, method: str = "POST", *, base64: bool = False) -> dict[str, Any]:
    """A request to a function URL, payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "abcdefg.lambda-url.eu-central-1.on.aws"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefg",
            "domainName": "abcdefg.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "abcdefg",
            "http": {
                "method": method,
                "path": "/",
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.0",
            },
            "requestId": "id",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Nov/2026:10:11:12 +0000",
            "timeEpoch": 1794478272000,
        },
        "isBase64Encoded": base64,
    }
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    return event


def http_get(query: str, **headers: str) -> dict[str, Any]:
    """A GET, payload format 2.0."""
    event = http_request(None, "GET")
    return event | {"rawQueryString": query, "headers": event["headers"] | headers}


def rest_request(
    body: object, method: str = "POST", query: dict[str, str] | None = None, **headers: str
) -> dict[str, Any]:
    """A request to a REST API of API Gateway, or to an HTTP API with payload format 1.0: its query is decoded."""
    return {
        "resource": "/frames",
        "path": "/frames",
        "httpMethod": method,
        "headers": {
            "Content-Type": "application/json",
            "Host": "70ixmpl4fl.execute-api.us-east-2.amazonaws.com",
            **headers,
        },
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} if query else None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/frames",
            "httpMethod": method,
            "path": "/Prod/frames",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "Prod",
            "requestId": "E7jzT0vKCdWkJ8M=",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.0"},
            "apiId": "70ixmpl4fl",
        },
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }
