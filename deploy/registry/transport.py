"""Requests to a registry: logged in, over verified TLS, and with credentials for no other host.

Only the SDK's and the usual environment variables are read: no .netrc, no docker configuration.
"""

from __future__ import annotations

import base64
import io
import os
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies

from deploy.errors import PushFailedError, UsageError, innermost
from deploy.registry.address import Address, Login
from deploy.registry.retry import Attempts, RetryPolicy, TransientError
from deploy.registry.timed import TimedAdapter

MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024  # manifests and configurations; registries allow 4 MiB
_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
Headers: TypeAlias = Mapping[str, str]
Body: TypeAlias = io.BytesIO | None
NO_HEADERS: Final[Headers] = {}
_PIECE_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """A registry's answer to a request, read whole."""

    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes


class Transport:
    """HTTP requests to a registry. `login` is called at the first request, and again if the registry asks for it.

    The certificate authorities are the usual ones, or those of the file that AWS_CA_BUNDLE or REQUESTS_CA_BUNDLE names.
    Raises UsageError if there is no such file.
    """

    def __init__(self, address: Address, login: Callable[[], Login], retry_policy: RetryPolicy) -> None:
        self._address = address
        self._login = login
        self._retry_policy = retry_policy
        self._authorization = ""
        self._session = requests.Session()
        self._session.mount("http://", TimedAdapter())
        self._session.mount("https://", TimedAdapter())
        self._session.trust_env = False  # or ~/.netrc would be read
        self._session.headers["User-Agent"] = "ecr-push"
        self._session.verify = _authorities()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def url(self, location: str, base: str = "") -> str:
        """Return the absolute address of a path of the registry, or of a Location header in an answer from `base`.

        Raises PushFailedError for one without TLS, unless the registry is on this machine and it is too.
        """
        url = urllib.parse.urljoin(base or self._address.url, location)
        parts = urllib.parse.urlsplit(url)
        here = self._address.is_loopback and Address(parts.netloc, plain=False).is_loopback
        if "@" in parts.netloc or parts.scheme not in (("https", "http") if here else ("https",)):
            raise PushFailedError(
                f"the registry {self._address.host} leads to {parts.scheme}://{parts.hostname}, which is not followed",
                then="it is not as a registry should be; check its address",
            )
        return url

    def once(
        self, attempts: Attempts, method: str, url: str, headers: Headers = NO_HEADERS, body: Body = None
    ) -> Answer:
        """Send a request, and once more if the registry does not accept the login.

        Raises TransientError for a failure that may not occur the next time.
        """
        if not self._authorization:
            self._authorization = _basic(self._login())
        answer = self._followed(attempts, method, url, headers, body)
        if not _wants_login(method, answer):
            return answer
        self._authorization = _basic(self._login())
        if body:
            body.seek(0)
        return self._followed(attempts, method, url, headers, body)

    def _followed(self, attempts: Attempts, method: str, url: str, headers: Headers, body: Body) -> Answer:
        for _ in range(_MAX_REDIRECTS + 1):
            ours = _origin(url) == _origin(self._address.url)
            own = {**headers, "Authorization": self._authorization} if ours else headers
            answer = self._exchange(attempts, method, url, own, body)
            if method not in ("GET", "HEAD") or answer.status not in _REDIRECTS:
                return answer
            url = self.url(answer.headers.get("Location", ""), base=url)
        raise PushFailedError(f"the registry {self._address.host} redirects without end", then="check its address")

    def _exchange(self, attempts: Attempts, method: str, url: str, headers: Headers, body: Body) -> Answer:
        """Send one request. The body is sent piece by piece, so that a time-out is for a piece."""
        attempts.check()
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                data=body,
                timeout=(self._retry_policy.connect, self._retry_policy.read),
                proxies=get_environ_proxies(url),
                allow_redirects=False,
                stream=True,
            ) as response:
                answer = Answer(response.status_code, response.headers, self._body(attempts, response))
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise self._failure(error) from None
        if answer.status == 429 or answer.status >= 500:
            raise TransientError(f"it answers with status {answer.status}", _stated_seconds(answer))
        return answer

    def _body(self, attempts: Attempts, response: requests.Response) -> bytes:
        body = bytearray()
        # read1 returns the bytes that are there: they may only drip
        while piece := response.raw.read1(_PIECE_BYTES, decode_content=True):
            attempts.check()
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise PushFailedError(
                    f"the registry {self._address.host} answers with more than {MAX_ANSWER_BYTES} bytes",
                    then="it is not as a registry should be; check its address",
                )
        return bytes(body)

    def _failure(self, error: Exception) -> Exception:
        """Name the innermost cause, without the request's address, which may hold a signature."""
        cause = innermost(error)
        if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
            return TransientError("it does not answer in time")
        reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else "the connection was lost"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return PushFailedError(
                f"the certificate of the registry {self._address.host} is not to be trusted: {reason}",
                then="if it is your own authority's, name the authority's file in AWS_CA_BUNDLE",
            )
        return TransientError(reason)


def _authorities() -> str | bool:
    for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        if named := os.environ.get(variable):
            if not Path(named).exists():
                raise UsageError(f"{variable}={named} is missing", then=f"correct or unset {variable}")
            return named
    return True


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _basic(login: Login) -> str:
    return f"Basic {base64.b64encode(f'{login.user}:{login.password}'.encode()).decode()}"


def _wants_login(method: str, answer: Answer) -> bool:
    """Return whether the login is refused. ECR answers 403 to an old token, with a message except to HEAD."""
    is_old = answer.status == 403 and (method == "HEAD" or b"authorization token" in answer.body.lower())
    return is_old or answer.status == 401


def _stated_seconds(answer: Answer) -> float | None:
    stated = answer.headers.get("Retry-After", "")
    return float(stated) if stated.isdecimal() and len(stated) < 6 else None
