"""ECR's registry: the protocol of `docker push` and `docker pull`, with ECR's passwords, rights and refusals."""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import uuid
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from tests.support.aws.calls import Call
from tests.support.aws.downloads import layer_url
from tests.support.aws.ecr_state import INDEXES, MANIFESTS, EcrState, Manifest, Repository, digest_of
from tests.support.aws.errors import AwsError
from tests.support.aws.exchange import BeginCall, Edit, Exchange, Front
from tests.support.aws.identities import Identity
from tests.support.aws.messages import Reply, Request
from tests.support.aws.rights import allows, refusal
from tests.support.aws.shared_state import ACCOUNT, REGION

_CHALLENGE: Final = f'Basic realm="https://{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/",service="ecr.amazonaws.com"'
_ROUTES: Final = [
    (re.compile(r"/v2/"), {"GET": "Ping", "HEAD": "Ping"}),
    (re.compile(r"/v2/(?P<name>.+)/blobs/uploads/"), {"POST": "StartUpload"}),
    (
        re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<upload>[^/]+)"),
        {"PATCH": "UploadPart", "PUT": "CompleteUpload", "GET": "GetUpload", "DELETE": "CancelUpload"},
    ),
    (re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})"), {"HEAD": "HeadBlob", "GET": "GetBlob"}),
    (
        re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)"),
        {"HEAD": "HeadManifest", "GET": "GetManifest", "PUT": "PutManifest"},
    ),
    (re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>sha256:[0-9a-f]{64})"), {"GET": "ListReferrers"}),
    (re.compile(r"/v2/(?P<name>.+)/tags/list"), {"GET": "ListTags"}),
]  # fmt: skip
_ACTIONS: Final = {
    "HeadBlob": "ecr:BatchCheckLayerAvailability",
    "GetBlob": "ecr:GetDownloadUrlForLayer",
    "HeadManifest": "ecr:BatchGetImage",
    "GetManifest": "ecr:BatchGetImage",
    "ListReferrers": "ecr:BatchGetImage",
    "PutManifest": "ecr:PutImage",
    "StartUpload": "ecr:InitiateLayerUpload",
    "UploadPart": "ecr:UploadLayerPart",
    "GetUpload": "ecr:UploadLayerPart",
    "CancelUpload": "ecr:UploadLayerPart",
    "CompleteUpload": "ecr:CompleteLayerUpload",
    "ListTags": "ecr:ListImages",
}
_CODES: Final = {  # what the API's errors are called here
    "ImageTagAlreadyExistsException": "TAG_INVALID",
    "ImageAlreadyExistsException": "TAG_INVALID",
    "LayersNotFoundException": "MANIFEST_BLOB_UNKNOWN",
    "ReferencedImagesNotFoundException": "MANIFEST_BLOB_UNKNOWN",
}


@dataclass
class Registry(Front):
    """`expired_status` is what an expired password is answered with: 403 as ECR does, or 401."""

    ecr_state: EcrState
    expired_status: int = 403

    def begin(self, request: Request, begin_call: BeginCall, over: threading.Event) -> RegistryExchange:
        operation, parameters = _routed(request)
        return RegistryExchange(self, request, begin_call("registry", operation, parameters), over)

    def caller(self, request: Request) -> Identity:
        """Who the password was issued to. Raises AwsError."""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user = password = ""
        token = self.ecr_state.token(password) if scheme == "Basic" and user == "AWS" else None
        if token is None:
            raise AwsError("UNAUTHORIZED", "Not Authorized", 401)
        if token.expires <= self.ecr_state.shared_state.now():
            words = "Your authorization token has expired. Reauthenticate and try again."
            raise AwsError("DENIED", words, self.expired_status)
        return token.identity

    def do(self, repository: str, method: str, path: str, body: bytes = b"", content_type: str = "") -> Reply:
        """A request behind everybody's back: neither logged nor broken."""
        path, _, query = path.partition("?")
        request = Request(method, f"/v2/{repository}{path}", query, {"content-type": content_type}, body)
        operation, parameters = _routed(request)
        exchange = RegistryExchange(self, request, Call(0, "registry", operation, parameters), threading.Event())
        return exchange.perform()


class RegistryExchange(Exchange):
    def __init__(self, registry: Registry, request: Request, call: Call, over: threading.Event) -> None:
        super().__init__(call, over)
        self._registry = registry
        self._request = request

    def proceed(self, edit: Edit | None = None) -> Reply:
        caller = self._registry.caller(self._request)
        self.call.caller = caller.name
        action = _ACTIONS.get(self.call.operation)
        arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{self.call.parameters.get('name')}"
        if action and not allows(caller, action, arn):
            raise AwsError("DENIED", refusal(caller, action, arn), 403)
        reply = self.perform()
        if edit:
            edit(reply.headers)
        return reply

    def perform(self) -> Reply:
        """Whoever asks."""
        with self._registry.ecr_state.shared_state.lock:
            return self._answer()

    def refuse(self, error: AwsError) -> Reply:
        body = {"errors": [{"code": _CODES.get(error.code, error.code), "message": error.message}]}
        reply = _reply(error.status or 400, {"Content-Type": "application/json"}, json.dumps(body).encode())
        if reply.status == 401:
            reply.headers["Www-Authenticate"] = _CHALLENGE
        return reply

    def _answer(self) -> Reply:
        parameters, body = self.call.parameters, self._request.body
        if self.call.operation == "Unsupported":
            raise AwsError("UNSUPPORTED", "The operation is unsupported.", 405)
        if self.call.operation == "Ping":
            return _reply(200, {"Content-Type": "text/plain; charset=utf-8"})
        repository = self._registry.ecr_state.repositories.get(parameters.get("name", ""))
        if repository is None:
            raise AwsError(
                "NAME_UNKNOWN",
                f"The repository with name '{parameters.get('name')}' does not exist in the registry with id "
                f"'{ACCOUNT}'",
                404,
            )
        match self.call.operation:
            case "HeadBlob" | "GetBlob":
                return self._blob(repository, parameters["digest"])
            case "HeadManifest" | "GetManifest":
                return self._manifest(repository, parameters["reference"])
            case "PutManifest":
                return self._put_manifest(repository, parameters["reference"], body)
            case "ListReferrers":
                return self._referrers(repository, parameters["digest"])
            case "StartUpload":
                upload = str(uuid.uuid4())
                repository.uploads[upload] = bytearray()
                return self._upload(repository, upload, 202)
            case "ListTags":
                tags = json.dumps({"name": repository.name, "tags": sorted(repository.tags)}).encode()
                return _reply(200, {"Content-Type": "application/json"}, tags)
        upload = parameters.get("upload", "")
        if upload not in repository.uploads:
            raise AwsError("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry", 404)
        match self.call.operation:
            case "UploadPart":
                self._append(repository.uploads[upload], body)
                return self._upload(repository, upload, 202)
            case "CompleteUpload":
                return self._complete(repository, upload, body)
            case "CancelUpload":
                del repository.uploads[upload]
                return _reply(204)
        return self._upload(repository, upload, 204)

    def _append(self, so_far: bytearray, part: bytes) -> None:
        """A part that says where it belongs must continue what is there."""
        start = re.match(r"(?:bytes )?(\d+)-", self._request.headers.get("content-range", ""))
        if start and int(start[1]) != len(so_far):
            raise AwsError("BLOB_UPLOAD_INVALID", f"the next part begins at {len(so_far)}", 416)
        so_far += part

    def _upload(self, repository: Repository, upload: str, status: int) -> Reply:
        size = len(repository.uploads[upload])
        location = f"{self._registry.ecr_state.shared_state.url}/v2/{repository.name}/blobs/uploads/{upload}"
        return _reply(
            status,
            {"Location": location, "Range": f"0-{max(size - 1, 0)}", "Docker-Upload-Uuid": upload},
        )

    def _complete(self, repository: Repository, upload: str, last: bytes) -> Reply:
        data = bytes(repository.uploads[upload]) + last
        digest = parse_qs(self._request.query).get("digest", [""])[0]
        if digest_of(data) != digest:
            raise AwsError("DIGEST_INVALID", "provided digest did not match uploaded content")
        del repository.uploads[upload]
        repository.blobs[digest] = data
        location = f"{self._registry.ecr_state.shared_state.url}/v2/{repository.name}/blobs/{digest}"
        return _reply(201, {"Location": location, "Docker-Content-Digest": digest})

    def _blob(self, repository: Repository, digest: str) -> Reply:
        if digest not in repository.blobs:
            raise AwsError("BLOB_UNKNOWN", "blob unknown to registry", 404)
        if self._request.method == "GET":
            return _reply(307, {"Location": layer_url(self._registry.ecr_state, repository, digest)})
        return self._content(repository.blobs[digest], "application/octet-stream", digest)

    def _manifest(self, repository: Repository, reference: str) -> Reply:
        image = repository.find(reference)
        if image is None or image.archived:
            raise AwsError("MANIFEST_UNKNOWN", "Requested image not found", 404)
        return self._content(image.data, image.media_type, image.digest)

    def _content(self, data: bytes, content_type: str, digest: str) -> Reply:
        headers = {"Content-Type": content_type, "Docker-Content-Digest": digest, "Content-Length": str(len(data))}
        return _reply(200, headers, b"" if self._request.method == "HEAD" else data)

    def _put_manifest(self, repository: Repository, reference: str, body: bytes) -> Reply:
        content_type = self._request.headers.get("content-type", "")
        image = Manifest(body, content_type, self._registry.ecr_state.shared_state.now())
        try:
            said = image.document.get("mediaType", content_type)
        except ValueError as error:
            raise AwsError("MANIFEST_INVALID", str(error)) from error
        if said != content_type or image.document.get("schemaVersion") != 2:
            raise AwsError("MANIFEST_INVALID", f"manifest of type {said} sent as {content_type or MANIFESTS[0]}")
        by_digest = reference.startswith("sha256:")
        if by_digest and reference != image.digest:
            raise AwsError("DIGEST_INVALID", "provided digest did not match uploaded content")
        try:
            repository.put(image, None if by_digest else reference)
        except AwsError as error:
            if error.code != "ImageAlreadyExistsException" or (repository.is_immutable and not by_digest):
                raise _as_registry(error, repository, reference) from error
        location = f"{self._registry.ecr_state.shared_state.url}/v2/{repository.name}/manifests/{image.digest}"
        subject = {"OCI-Subject": image.subject} if image.subject else {}
        return _reply(201, {"Location": location, "Docker-Content-Digest": image.digest} | subject)

    def _referrers(self, repository: Repository, digest: str) -> Reply:
        """An index made for this answer: of none, if there are none."""
        manifests = [
            {
                "mediaType": found.media_type,
                "digest": found.digest,
                "size": len(found.data),
                "artifactType": found.artifact_type,
            }
            for found in repository.referrers(digest)
        ]
        index = {"schemaVersion": 2, "mediaType": INDEXES[1], "manifests": manifests}
        return _reply(200, {"Content-Type": INDEXES[1]}, json.dumps(index).encode())


def _as_registry(error: AwsError, repository: Repository, tag: str) -> AwsError:
    if _CODES.get(error.code) != "TAG_INVALID":
        return error
    return AwsError(
        "TAG_INVALID",
        f"The image tag '{tag}' already exists in the '{repository.name}' repository and cannot be overwritten because "
        "the repository is immutable.",
    )


def _routed(request: Request) -> tuple[str, dict[str, Any]]:
    path = unquote(request.path)
    for pattern, operations in _ROUTES:
        found = pattern.fullmatch(path)
        if found and request.method in operations:
            query = {"of": part[0]} if (part := parse_qs(request.query).get("digest")) else {}
            return operations[request.method], found.groupdict() | query
    return "Unsupported", {"method": request.method, "path": request.path}


def _reply(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Reply:
    return Reply(status, {"Docker-Distribution-Api-Version": "registry/2.0"} | (headers or {}), body)
