"""Backups in a bucket of S3, or of what speaks like it: put in parts, listed, removed.

Only Python's own library: AWS's would make the app's image 30 MB larger for five calls. Requests
are signed by Signature Version 4 (docs.aws.amazon.com, "Signature Version 4 for API requests");
tests hold that against botocore's. Buckets are named in the path, which works everywhere.
"""

import base64
import hashlib
import hmac
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlsplit
from xml.etree import ElementTree

# S3 takes parts of 5 MiB to 5 GiB, and at most 10,000 of them.
SMALLEST_PART, MOST_PARTS = 16 * 2**20, 10_000
TRIES, SECONDS = 5, 120
REFUSALS = range(400, 500)
# no XML, of an encoding that Python does not know, or of one that its parser does not take
NO_XML = (ElementTree.ParseError, LookupError, ValueError)


class Refused(OSError):
    """The bucket does not do what it was asked; the text says what, and why."""


@dataclass(frozen=True)
class Credentials:
    """Who asks; `token` comes with those that last for some hours only."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Place:
    """Where the objects are: below `prefix`, which is empty or ends in a slash."""

    endpoint: str
    region: str
    bucket: str
    prefix: str = ""


class Bucket:
    """The objects below one prefix; every failure is an OSError."""

    def __init__(
        self, place: Place, credentials: Callable[[], Credentials], *, pause: float = 1.0
    ) -> None:
        self._place = place
        self._credentials = credentials
        self._pause = pause

    def __str__(self) -> str:
        return f"s3://{self._place.bucket}/{self._place.prefix}"

    def names(self) -> list[str]:
        """Return the names of all objects, without the prefix."""
        return list(self._sizes())

    def remove(self, name: str) -> None:
        self._ask("DELETE", name)

    @contextmanager
    def writing(self, name: str, size: int) -> Iterator["Upload"]:
        """Give what takes the bytes of an object; it is there at the end, or nothing is."""
        begun = _xml(self._ask("POST", name, {"uploads": ""}))
        upload = Upload(
            self, name, _text(begun, "UploadId"), max(SMALLEST_PART, -(-size // MOST_PARTS))
        )
        try:
            yield upload
            upload.complete()
        except BaseException:
            upload.abort()
            raise
        if (kept := self._sizes().get(name)) != size:
            self.remove(name)
            message = f"{self}{name} has {kept} bytes and not {size}"
            raise Refused(message)

    def _sizes(self) -> dict[str, int]:
        found: dict[str, int] = {}
        more: dict[str, str] = {}
        while True:
            asked = {"list-type": "2", "prefix": self._place.prefix, **more}
            page = _xml(self._ask("GET", None, asked))
            for each in page.iterfind("{*}Contents"):
                name = _text(each, "Key").removeprefix(self._place.prefix)
                found[name] = _size(each)
            if page.findtext("{*}IsTruncated") != "true":
                return found
            further = {"continuation-token": _text(page, "NextContinuationToken")}
            if further == more:
                message = "the bucket's list comes to no end"
                raise Refused(message)
            more = further

    def _ask(
        self, method: str, name: str | None, query: Mapping[str, str] = {}, body: bytes = b""
    ) -> bytes:
        return self.ask(method, name, query, body)[0]

    def ask(
        self, method: str, name: str | None, query: Mapping[str, str], body: bytes
    ) -> tuple[bytes, str]:
        """Return the body of an answer and its ETag. Raises Refused after some tries."""
        place = self._place
        path = f"/{place.bucket}" + ("" if name is None else f"/{place.prefix}{name}")
        url = f"{place.endpoint.rstrip('/')}{quote(path)}"
        if query:
            url += "?" + "&".join(f"{quoted(key)}={quoted(query[key])}" for key in sorted(query))
        headers = {
            "content-md5": base64.b64encode(
                hashlib.md5(body, usedforsecurity=False).digest()
            ).decode(),
            "content-type": "application/octet-stream",
        }
        for left in reversed(range(TRIES)):
            at = datetime.now(UTC)
            signed = sign(method, url, headers, body, self._credentials(), place.region, at)
            request = urllib.request.Request(
                url, body or None, {**headers, **signed}, method=method
            )
            try:
                with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                    return answer.read(), answer.headers.get("ETag", "")
            except urllib.error.HTTPError as error:
                said = _said(error)
                if error.code in REFUSALS or not left:
                    message = f"{self} refuses: {said}"
                    raise Refused(message) from None
            except (OSError, http.client.HTTPException) as error:
                if not left:
                    message = f"{self} cannot be reached: {error}"
                    raise Refused(message) from None
            time.sleep(self._pause * 2 ** (TRIES - 1 - left))
        raise AssertionError


class Upload:
    """One object on its way: parts, each held by the bucket against its MD5."""

    def __init__(self, bucket: Bucket, name: str, identity: str, part: int) -> None:
        self._bucket, self._name, self._part = bucket, name, part
        self._identity = {"uploadId": identity}
        self._waiting = bytearray()
        self._tags: list[str] = []

    def write(self, piece: bytes) -> int:
        self._waiting += piece
        while len(self._waiting) >= self._part:
            self._put(self._part)
        return len(piece)

    def complete(self) -> None:
        if self._waiting or not self._tags:
            self._put(len(self._waiting))
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
            for number, tag in enumerate(self._tags, start=1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        answer, _ = self._bucket.ask("POST", self._name, self._identity, body)
        # an error can come after the status, which is 200 then
        root = _xml(answer)
        if root.tag.rpartition("}")[2] == "Error":
            message = f"{self._bucket} refuses: {root.findtext('{*}Code') or root.findtext('Code')}"
            raise Refused(message)

    def abort(self) -> None:
        """Have the parts removed; what cannot be reached is left to the bucket's own rules."""
        try:
            self._bucket.ask("DELETE", self._name, self._identity, b"")
        except OSError:
            return

    def _put(self, size: int) -> None:
        body = bytes(self._waiting[:size])
        del self._waiting[:size]
        query = {**self._identity, "partNumber": str(len(self._tags) + 1)}
        self._tags.append(self._bucket.ask("PUT", self._name, query, body)[1])


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: Credentials,
    region: str,
    at: datetime,
) -> dict[str, str]:
    """Return the headers that sign a request; `headers` are signed with it."""
    parts, stamp = urlsplit(url), at.strftime("%Y%m%dT%H%M%SZ")
    digest = hashlib.sha256(body).hexdigest()
    added = {"x-amz-date": stamp, "x-amz-content-sha256": digest}
    if credentials.token is not None:
        added["x-amz-security-token"] = credentials.token
    everything = {"host": parts.netloc, **headers, **added}
    names = ";".join(sorted(everything))
    pairs = sorted((quoted(k), quoted(v)) for k, v in parse_qsl(parts.query, True))
    request = [
        method,
        parts.path,
        "&".join(f"{key}={value}" for key, value in pairs),
        *(f"{name}:{everything[name].strip()}" for name in sorted(everything)),
        "",
        names,
        digest,
    ]
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    hashed = hashlib.sha256("\n".join(request).encode()).hexdigest()
    key = f"AWS4{credentials.secret}".encode()
    for step in scope.split("/"):
        key = hmac.digest(key, step.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashed}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    added["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{scope},"
        f" SignedHeaders={names}, Signature={signature}"
    )
    return added


def quoted(text: str) -> str:
    return quote(text, safe="-_.~")


def _xml(text: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(text)
    except NO_XML:
        message = "the bucket's answer is not S3's"
        raise Refused(message) from None


def _text(element: ElementTree.Element, name: str) -> str:
    found = element.findtext(f"{{*}}{name}")
    if found is None:
        message = f"the bucket's answer has no {name}"
        raise Refused(message)
    return found


def _size(element: ElementTree.Element) -> int:
    size = _text(element, "Size")
    try:
        return int(size)
    except ValueError:
        message = f"the bucket's answer has {size[:20]!a} as a Size"
        raise Refused(message) from None


def _said(error: urllib.error.HTTPError) -> str:
    """Return what S3 says of a refusal: its code and its sentence."""
    try:
        root = ElementTree.fromstring(error.read())
    except (*NO_XML, OSError, http.client.HTTPException):
        return f"{error.code} {error.reason}"
    return " ".join(text for name in ("Code", "Message") if (text := root.findtext(f"{{*}}{name}")))
