"""Who calls: access keys, sessions that end, and signatures that are really checked."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.aws.errors import AwsError
from tests.support.aws.messages import Request
from tests.support.aws.shared_state import ACCOUNT, REGION, SharedState

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_TOLERANCE: Final = timedelta(minutes=5)
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request, *"
    r"SignedHeaders=(?P<headers>[^,]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Identity:
    """A user, or with a `session_token` a role's session. `policy` is an IAM document; None allows everything."""

    name: str
    access_key: str = ""
    secret_key: str = ""
    session_token: str = ""
    policy: Mapping[str, Any] | None = None
    is_root: bool = False
    """The account itself, which tests act as behind everybody's back."""

    @property
    def arn(self) -> str:
        if self.is_root:
            return f"arn:aws:iam::{ACCOUNT}:root"
        if self.session_token:
            return f"arn:aws:sts::{ACCOUNT}:assumed-role/{self.name}/session"
        return f"arn:aws:iam::{ACCOUNT}:user/{self.name}"

    @property
    def environment(self) -> dict[str, str]:
        """What an SDK reads the credentials from."""
        keys = {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key}
        return keys | ({"AWS_SESSION_TOKEN": self.session_token} if self.session_token else {})


ROOT: Final = Identity("root", is_root=True)


class Identities:
    """All that have access keys."""

    def __init__(self, shared_state: SharedState) -> None:
        self._world = shared_state
        self._known: dict[str, Identity] = {}
        self._expired: set[str] = set()

    def add(self, name: str, policy: Mapping[str, Any] | None = None, *, session: bool = False) -> Identity:
        prefix = "ASIA" if session else "AKIA"
        token = secrets.token_urlsafe(60) if session else ""
        made = Identity(name, f"{prefix}{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30), token, policy)
        self._known[made.access_key] = made
        return made

    def allow(self, identity: Identity, policy: Mapping[str, Any] | None) -> None:
        """From now on, this is what the identity may do."""
        self._known[identity.access_key] = replace(identity, policy=policy)

    def expire(self, identity: Identity) -> None:
        """The session has ended."""
        self._expired.add(identity.access_key)

    def caller(self, request: Request) -> Identity:
        """Who signed the request. Raises AwsError as the services do."""
        found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if not found:
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
        known = self._known.get(found["key"])
        service = found["service"]
        if known is None or not hmac.compare_digest(
            known.session_token, request.headers.get("x-amz-security-token", "")
        ):
            code = "InvalidClientTokenId" if service == "sts" else "UnrecognizedClientException"
            raise AwsError(code, "The security token included in the request is invalid.")
        if known.access_key in self._expired:
            code = "ExpiredToken" if service == "sts" else "ExpiredTokenException"
            raise AwsError(code, "The security token included in the request is expired")
        self._require_signature(request, found, known)
        return known

    def _require_signature(self, request: Request, said: re.Match[str], known: Identity) -> None:
        code = "SignatureDoesNotMatch" if said["service"] == "sts" else "InvalidSignatureException"
        if said["region"] != REGION:
            raise AwsError(code, f"Credential should be scoped to a valid region, not '{said['region']}'.")
        stamp = request.headers.get("x-amz-date", "")
        now, signed = datetime.fromtimestamp(self._world.now(), UTC), _moment(stamp)
        if signed < now - _TOLERANCE:
            limit = f"{now - _TOLERANCE:{_STAMP}} ({now:{_STAMP}} - 5 min.)"
            raise AwsError(code, f"Signature expired: {stamp} is now earlier than {limit}")
        if signed > now + _TOLERANCE:
            limit = f"{now + _TOLERANCE:{_STAMP}} ({now:{_STAMP}} + 5 min.)"
            raise AwsError(code, f"Signature not yet current: {stamp} is still later than {limit}")
        if not hmac.compare_digest(_signature(request, said, known, stamp), said["signature"]):
            raise AwsError(
                code,
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
                "Access Key and signing method. Consult the service documentation for details.",
            )


def _moment(stamp: str) -> datetime:
    try:
        return datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
    except ValueError as error:
        words = f"Date must be in ISO-8601 'basic format', not {stamp!r}"
        raise AwsError("IncompleteSignatureException", words) from error


def _signature(request: Request, said: re.Match[str], known: Identity, stamp: str) -> str:
    headers = {name: request.headers.get(name, "") for name in said["headers"].split(";")}
    again = AWSRequest(
        request.method, f"http://{request.headers.get('host', '')}{request.target}", headers, request.body
    )
    again.context["timestamp"] = stamp
    signer = SigV4Auth(Credentials(known.access_key, known.secret_key), said["service"], said["region"])
    signature: str = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    return signature
