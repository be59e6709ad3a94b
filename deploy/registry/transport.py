"""Requests to a registry: logged in, over verified TLS, with credentials for no other host, and repeated by urllib3.

Only the SDK's and the usual environment variables are read: no .netrc, no docker configuration. Limits of time are for
silence, not for size.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import botocore.httpsession
import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry, Timeout, make_headers

from deploy import errors
from deploy.registry.address import Address

_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_ASKED_SECONDS: Final = 60
_BUSY: Final = frozenset({429, *range(500, 600)})
Answer: TypeAlias = urllib3.BaseHTTPResponse
Headers: TypeAlias = Mapping[str, str]
NO_HEADERS: Final[Headers] = {}
_MAX_MESSAGE_CHARS: Final = 300
# Errors for answers without a message of the registry's own.
_STATUSES: Final[dict[int, type[errors.DeployError]]] = {
    401: errors.CredentialsError,
    403: errors.PermissionDeniedError,
}

# The first pattern that is found in the message decides: ECR answers "denied" to an old token.
_PATTERNS: Final[tuple[tuple[str, type[errors.DeployError]], ...]] = (
    (r"token has expired|no basic auth|unauthorized|authentication required", errors.CredentialsError),
    (r"immutable", errors.TagTakenError),
    (r"denied|forbidden|not authorized", errors.PermissionDeniedError),
    (r"name unknown|repository .*(does not exist|not found)", errors.RepositoryNotFoundError),
    (r"digest invalid|digest did not match", errors.DigestMismatchError),
)
_REMEDIES: Final[dict[type[errors.DeployError], str]] = {
    errors.CredentialsError: "check that the credentials are valid here: aws sts get-caller-identity",
    errors.TagTakenError: "choose another --tag; a tag is never moved",
    errors.PermissionDeniedError: "`ecr_push.py policy push` prints the rights that the user or role needs",
    errors.RepositoryNotFoundError: "check --repository and --region; push --create makes it",
    errors.DigestMismatchError: "the image changed meanwhile, or something on the way changes bytes; try again",
    errors.PushFailedError: "read the registry's message; trying again may help",
}


@dataclass(frozen=True)
class RetryPolicy:
    """Attempts at one request or piece of a blob, and limits in seconds: pauses between them, and silence.

    `chunk` is for the answer to a piece of a blob, which a proxy on the way may have taken at once and pass on slowly.
    """

    attempts: int = 6
    first_pause: float = 0.25
    max_pause: float = 20
    connect: float = 10
    read: float = 60
    chunk: float = 300

    @property
    def retries(self) -> Retry:
        """For a request that may be repeated."""
        return _Retry(
            total=self.attempts - 1,
            other=0,  # TLS that is not to be trusted stays so
            redirect=False,
            allowed_methods=None,
            status_forcelist=_BUSY,
            raise_on_status=False,
            backoff_factor=self.first_pause,
            backoff_max=self.max_pause,
            backoff_jitter=self.first_pause,
        )


class _Retry(Retry):
    def increment(self, *arguments: Any, **more: Any) -> Retry:  # type: ignore[override] # as urllib3 calls it
        """Give up if the other side asks for more patience than there is."""
        response = more.get("response")
        if response is not None and (self.get_retry_after(response) or 0) > _MAX_ASKED_SECONDS:
            raise MaxRetryError(more["_pool"], "")
        return super().increment(*arguments, **more)


class Transport:
    """HTTP requests to the repository `name`. `login` is called at the first, and again if the registry asks for it.

    The certificate authorities are the SDK's, or those of a file: the address's, AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE.
    Raises UsageError if there is no such file.
    """

    def __init__(self, address: Address, name: str, login: Callable[[], str], policy: RetryPolicy) -> None:
        self.place = f"{address.host}/{name}"
        self.policy = policy
        self._repository = f"{address.url}/v2/{name}/"
        self._address = address
        self._login = login
        self._authorization = ""
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._authorities = _authorities(address)

    def close(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            pool.clear()

    def url(self, location: str, base: str = "") -> str:
        """Return the absolute address of a path in the repository, or of a Location header in an answer from `base`.

        Raises PushFailedError for one without TLS, unless the registry is on this machine and it is too.
        """
        url = urllib.parse.urljoin(base or self._repository, location)
        parts = urllib.parse.urlsplit(url)
        here = self._address.is_loopback and Address(parts.netloc, plain=False).is_loopback
        if "@" in parts.netloc or parts.scheme not in (("https", "http") if here else ("https",)):
            raise self._failed(f"leads to {parts.scheme}://{parts.hostname}, which is not followed")
        return url

    def request(
        self, method: str, path: str, headers: Headers = NO_HEADERS, body: bytes | None = None, *, wanted: Sequence[int]
    ) -> Answer:
        """Send a request, as often as it takes, and once more if the login is refused. `path`: see `url`.

        Raises PushFailedError, and what the registry's refusal means if the answer's status is none of the wanted.
        """
        try:
            answer = self.once(method, self.url(path), headers, body, self.policy.retries)
        except HTTPError as error:
            raise self.failure(error) from None
        if answer.status not in wanted:
            raise self.refusal(answer)
        return answer

    def refusal(self, answer: Answer) -> errors.DeployError:
        """Return the error for an answer that is a refusal."""
        return error_of_answer(answer.status, answer.data, self.place)

    def once(
        self, method: str, url: str, headers: Headers, body: bytes | None, retries: Retry | bool = False
    ) -> Answer:
        """Send a request, and once more if the login is refused. Raises urllib3's HTTPError."""
        if not self._authorization:
            self._log_in()
        answer = self._followed(method, url, headers, body, retries)
        if not _wants_login(method, answer):
            return answer
        self._log_in()
        return self._followed(method, url, headers, body, retries)

    def _log_in(self) -> None:
        self._authorization = f"Basic {self._login()}"

    def _followed(self, method: str, url: str, headers: Headers, body: bytes | None, retries: Retry | bool) -> Answer:
        for _ in range(_MAX_REDIRECTS + 1):
            own = {"User-Agent": "ecr-push", **headers}
            if _origin(url) == _origin(self._address.url):
                own["Authorization"] = self._authorization
            timeout = Timeout(connect=self.policy.connect, read=self.policy.read if retries else self.policy.chunk)
            answer = self._pool(url).request(
                method, url, body=body, headers=own, redirect=False, retries=retries, timeout=timeout
            )
            if method not in ("GET", "HEAD") or answer.status not in _REDIRECTS:
                return answer
            url = self.url(answer.headers.get("Location", ""), base=url)
        raise self._failed("redirects without end")

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return connections to the url's host, through the environment's proxy if there is one for it."""
        parts = urllib.parse.urlsplit(url)
        proxy = "" if urllib.request.proxy_bypass(parts.netloc) else urllib.request.getproxies().get(parts.scheme, "")
        if proxy not in self._pools:
            options: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": self._authorities}
            self._pools[proxy] = _through(proxy, **options) if proxy else urllib3.PoolManager(**options)
        return self._pools[proxy]

    def failure(self, error: Exception) -> errors.DeployError:
        """Name the innermost cause, without the request's address, which may hold a signature."""
        cause = errors.innermost(error.reason if isinstance(error, MaxRetryError) and error.reason else error)
        reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else "the connection was lost"
        if isinstance(cause, ssl.SSLCertVerificationError):
            what = f"the certificate of the registry {self._address.host} is not to be trusted: {reason}"
            return errors.PushFailedError(what, then="if it is your own authority's, name its file in AWS_CA_BUNDLE")
        if isinstance(cause, TimeoutError):
            reason = "it does not answer in time"
        what = f"the registry {self._address.host} cannot be worked with: {reason}"
        return errors.PushFailedError(what, then="run the same command again; what the registry has is not sent again")

    def _failed(self, what: str) -> errors.PushFailedError:
        then = "it is not as a registry should be; check its address"
        return errors.PushFailedError(f"the registry {self._address.host} {what}", then=then)


def _through(proxy: str, **options: Any) -> urllib3.ProxyManager:
    parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    user = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
    headers = make_headers(proxy_basic_auth=user) if parts.username else None
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return urllib3.ProxyManager(address, proxy_headers=headers, **options)


def _authorities(address: Address) -> str:
    named = {"ca_bundle": address.authorities}
    named |= {variable: os.environ.get(variable, "") for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE")}
    for where, path in named.items():
        if path and not Path(path).exists():
            raise errors.UsageError(f"{where}={path} is missing", then=f"correct or unset {where}")
        if path:
            return path
    return str(botocore.httpsession.get_cert_path(True))


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


def _wants_login(method: str, answer: Answer) -> bool:
    """Return whether the login is refused. ECR answers 403 to an old token, with a message except to HEAD."""
    is_old = answer.status == 403 and (method == "HEAD" or b"authorization token" in answer.data.lower())
    return is_old or answer.status == 401


def error_of_answer(status: int, body: bytes, registry: str) -> errors.DeployError:
    """Return the error for a refusal by the registry (HOST/NAME): by its message, or by its status if there is none."""
    kind: type[errors.DeployError] = errors.PushFailedError
    try:
        error = json.loads(body)["errors"][0]
        code = str(error["code"]).replace("_", " ").lower()
        message = f"{code}: {error.get('message') or ''}".removesuffix(": ")
        message = "".join(c if c.isprintable() else " " for c in message).strip()[:_MAX_MESSAGE_CHARS]
        kind = next((found for pattern, found in _PATTERNS if re.search(pattern, message, re.IGNORECASE)), kind)
    except (ValueError, LookupError, TypeError):
        message, kind = f"status {status}", _STATUSES.get(status, kind)
    return kind(f"the registry {registry} refuses: {message}", then=_REMEDIES[kind])
