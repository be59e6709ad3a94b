"""What S3 says when it refuses, as answers for the proxy to give."""

from __future__ import annotations

from tests.support.faults.rules import Answer


def error(status: int, code: str, message: str, **headers: str) -> Answer:
    """S3's error document. Header names are written with underscores."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>FAULT</RequestId><HostId>fault</HostId></Error>"
    )
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


SLOW_DOWN = error(503, "SlowDown", "Please reduce your request rate.")
INTERNAL = error(500, "InternalError", "We encountered an internal error. Please try again.")
TOO_MANY = error(429, "TooManyRequests", "Please slow down.", Retry_After="1")

NO_SUCH_BUCKET = error(404, "NoSuchBucket", "The specified bucket does not exist")
NO_SUCH_VERSION = error(404, "NoSuchVersion", "The specified version does not exist.")
ACCESS_DENIED = error(403, "AccessDenied", "Access Denied")
EXPIRED_URL = error(403, "AccessDenied", "Request has expired")
EXPIRED_TOKEN = error(400, "ExpiredToken", "The provided token has expired.")
TIME_SKEWED = error(
    403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
)

NO_KMS = error(
    403,
    "AccessDenied",
    "User: arn:aws:sts::000000000000:assumed-role/role/function is not authorized to perform: kms:Decrypt on the "
    "resource associated with this ciphertext because no identity-based policy allows the kms:Decrypt action",
)
KMS_DISABLED = error(400, "KMS.DisabledException", "The key is disabled.")
ARCHIVED = error(403, "InvalidObjectState", "The operation is not valid for the object's storage class")
REQUESTER_PAYS = error(403, "AccessDenied", "Access Denied (the bucket is a Requester Pays bucket)")
OTHER_REGION = error(
    301,
    "PermanentRedirect",
    "The bucket you are attempting to access must be addressed using the specified endpoint.",
    x_amz_bucket_region="eu-central-1",
)
OTHER_REGION_SIGNED = error(
    400,
    "AuthorizationHeaderMalformed",
    "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
)

SSE_C = error(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption.")
UNKNOWN = error(400, "NeverHeardOf", "Nobody knows this one")

BAD_DIGEST = error(400, "BadDigest", "The SHA256 you specified did not match what we received.")
LOCKED = error(403, "AccessDenied", "Access Denied because object protected by object lock.")
CONFLICT = error(409, "ConditionalRequestConflict", "A conflicting operation occurred during the request.")
PRECONDITION = error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
ERROR_IN_200 = error(200, "InternalError", "We encountered an internal error. Please try again.")
