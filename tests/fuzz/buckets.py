"""Parsers of what a bucket and those who vouch for us answer: S3, AWS's agent, files of a site."""

import functools
import io
import random
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from typing import ClassVar
from unittest import mock
from xml.sax.saxutils import escape

import botocore.session  # type: ignore[import-untyped]
import certifi
from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped]

from app.authorities import bundle
from app.backup import identity
from app.backup.bucket import Bucket, Credentials, Place, sign
from stackyard import buckets
from stackyard.errors import Trouble
from tests.fuzz.mutation import ODD_NUMBERS, ODD_TEXTS, mutated
from tests.fuzz.parser import Parser, from_bytes, from_json

NAMESPACE = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
LISTING = (
    XML + b"<ListBucketResult " + NAMESPACE + b"><Name>vault</Name><Prefix>prod/</Prefix>"
    b"<KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>%s</IsTruncated>"
    b"<Contents><Key>prod/a.tar</Key><LastModified>2026-11-27T03:00:00.000Z</LastModified>"
    b"<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><Size>5</Size></Contents>"
    b"<Contents><Key>prod/b &amp; c.md</Key><Size>10737418240</Size></Contents>%s"
    b"</ListBucketResult>"
)
TOKEN = b"<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J/wm36Hy4v</NextContinuationToken>"
BEGUN = XML + b"<InitiateMultipartUploadResult " + NAMESPACE + (
    b"><Bucket>vault</Bucket><Key>prod/a</Key><UploadId>VXBsb2Fk+/=</UploadId>"
    b"</InitiateMultipartUploadResult>"
)  # fmt: skip
ENDED = XML + b"<CompleteMultipartUploadResult " + NAMESPACE + (
    b"><Location>http://s3/vault/a</Location><ETag>&quot;3858f62230ac3c91-9&quot;</ETag>"
    b"</CompleteMultipartUploadResult>"
)  # fmt: skip
ERROR = XML + (
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message>"
    b"<RequestId>656c76696e6727732072657175657374</RequestId></Error>"
)
ODD = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><Error>&c;&c;</Error>',
    b'<?xml version="1.0" encoding="UTF-16"?><Error/>',
    b'<?xml version="1.0" encoding="cp037"?><Error/>',
)
LISTINGS = [LISTING % (b"false", b""), LISTING % (b"true", TOKEN), ERROR, *ODD]
POD = {
    "AccessKeyId": "ASIAEXAMPLE",
    "SecretAccessKey": "sec/ret+",
    "Token": "IQoJb3JpZ2luX2VjE=",
    "AccountId": "111122223333",
    "Expiration": "2026-11-27T09:00:00Z",
}
KEY = Credentials("AKID", "sec/ret+", "a-token=")
CONTENT = b"Pumps"


class Answers:
    """Stands where `urlopen` does: a bucket that answers well, but for one thing."""

    def __init__(self, **said: bytes) -> None:
        well = {"begun": BEGUN, "part": b"", "ended": ENDED, "listing": LISTINGS[0], "gone": b""}
        self._said = well | said

    def __call__(self, request: urllib.request.Request, **_: object) -> "Answer":
        url, method = request.full_url, request.get_method()
        steps = {"PUT": "part", "DELETE": "gone", "GET": "listing"}
        step = steps.get(method) or ("begun" if "uploads=" in url else "ended")
        if "refused" in self._said:
            body = io.BytesIO(self._said["refused"])
            raise urllib.error.HTTPError(url, 403, "Forbidden", Message(), body)
        return Answer(self._said[step])


class Answer(io.BytesIO):
    """An answer of 200."""

    headers: ClassVar = {"ETag": '"5d41402abc4b2a76b9719d911017c592"'}


def bucket_parsers(folder: Path) -> list[Parser]:
    """Return the parsers behind backups in a bucket and `ingest s3://`."""
    file, token = folder / "of-a-site", folder / "of-a-pod"
    token.write_text("shown")

    def kept(step: str) -> Callable[[bytes], object]:
        """Put an object into a bucket that answers oddly at one step."""

        def run(data: bytes) -> object:
            ours = Bucket(Place("http://s3", "r", "vault", "prod/"), lambda: KEY, pause=0)
            with mock.patch.object(urllib.request, "urlopen", Answers(**{step: data})):
                with ours.writing("a.tar", len(CONTENT)) as out:
                    out.write(CONTENT)
                return ours.names()

        return run

    @functools.cache
    def client() -> object:
        session = botocore.session.Session()
        session.set_credentials("id", "secret")
        return session.create_client("s3", region_name="r-1", endpoint_url="http://s3")

    def listed(data: bytes) -> object:
        """List by AWS's client, which has no network here."""

        def answer(**_: object) -> AWSResponse:
            return AWSResponse("http://s3", 200, {}, mock.Mock(stream=lambda: iter([data])))

        made = client()
        events = made.meta.events  # type: ignore[attr-defined]
        events.register("before-send.s3", answer, unique_id="answer")
        try:
            with mock.patch.object(buckets, "_client", client):
                return [(str(each), each.size()) for each in buckets.listed("s3://vault/prod")]
        finally:
            events.unregister("before-send.s3", unique_id="answer")

    def of_agent(data: bytes) -> object:
        opener, answer = urllib.request.OpenerDirector, Answer(data)
        with mock.patch.object(opener, "open", return_value=answer):
            return _signed(identity.of_pod("http://agent", token)())

    def of_file(data: bytes) -> object:
        file.write_bytes(data)
        return _signed(identity.of_file(file)())

    def trusted(data: bytes) -> object:
        file.write_bytes(data)
        bundle(file).unlink()
        return None

    steps = {"begun": [BEGUN, ERROR], "ended": [ENDED, ERROR], "listing": LISTINGS,
             "refused": [ERROR]}  # fmt: skip
    return [
        *(Parser(f"bucket-{step}", _xml(*seeds * 3, *ODD), kept(step), (OSError,))
          for step, seeds in steps.items()),
        Parser("bucket-objects", _xml(*LISTINGS), listed, (Trouble,)),
        Parser("bucket-key", from_bytes([b"AKID:sec/ret+:=\n"]), of_file, (OSError,)),
        Parser("pod-identity", from_json(tuple(POD), POD), of_agent, (OSError,)),
        Parser("authorities", from_bytes([_authority()]), trusted, (ValueError,)),
    ]  # fmt: skip


def _xml(*seeds: bytes) -> Callable[[random.Random], bytes]:
    """Return what makes XML, and what was XML; more of the first, which is looked into."""

    def made(chance: random.Random) -> bytes:
        if chance.random() < 0.3:
            return mutated(chance, seeds)
        parts = re.split(rb"(?<=>)([^<]*)(?=<)", chance.choice(seeds))
        for _ in range(chance.randint(1, 3)):
            text = chance.choice((*ODD_TEXTS, *map(str, ODD_NUMBERS), "true"))
            at = chance.randrange(len(parts) // 2) * 2 + 1  # between are the tags
            parts[at] = escape(text).encode("utf-8", "replace")
        if chance.random() < 0.2:
            parts[chance.randrange(len(parts))] = chance.choice(parts)
        return b"".join(parts)

    return made


def _signed(credentials: Credentials) -> dict[str, str]:
    """Sign a request; what is signed must be a line of HTTP."""
    at = datetime(2026, 11, 27, tzinfo=UTC)
    signed = sign("GET", "http://s3/vault", {}, b"", credentials, "r", at)
    assert all(each.isascii() and each.isprintable() for each in signed.values()), signed
    return signed


def _authority() -> bytes:
    """Return a public authority's certificate, and what is said of it before."""
    first, end, _ = Path(certifi.where()).read_bytes().partition(b"-----END CERTIFICATE-----")
    return first + end + b"\n"
