"""A bucket of backups over HTTP, against a double of S3; signatures against botocore's."""

import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from botocore.auth import S3SigV4Auth  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials as TheirCredentials  # type: ignore[import-untyped]

from app.backup import bucket as module
from app.backup.archive import BadArchive
from app.backup.bucket import Bucket, Credentials, Place, Refused, sign
from app.backup.following import prune
from app.backup.identity import of_file, of_pod
from tests.stackyard.fake_s3 import FakeS3

KEY = Credentials("AKID", "sec/ret+", "a-token=")
CONTENT = bytes(range(256)) * 900


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeS3]:
    monkeypatch.setattr(module, "SMALLEST_PART", 100_000)
    with FakeS3("vault", {"other/stackyard-20260101T030000Z.tar": b"not ours"}) as fake:
        yield fake


def bucket(s3: FakeS3, name: str = "vault") -> Bucket:
    return Bucket(Place(s3.url, "eu-central-1", name, "prod/"), lambda: KEY, pause=0)


def put(into: Bucket, name: str, content: bytes = CONTENT, size: int | None = None) -> None:
    with into.writing(name, len(content) if size is None else size) as out:
        for at in range(0, len(content), 70_000):
            out.write(content[at : at + 70_000])


def test_an_object_goes_in_parts_and_is_there_as_a_whole(s3: FakeS3) -> None:
    s3.failures = [500, 503]

    put(bucket(s3), "stackyard-1.tar.sealed")

    assert s3.objects["prod/stackyard-1.tar.sealed"] == CONTENT
    assert s3.parts == {}


def test_the_newest_stay_and_what_is_not_ours_too(s3: FakeS3) -> None:
    ours = bucket(s3)
    names = [f"stackyard-2026010{day}T030000Z.tar.sealed" for day in range(1, 6)]
    for name in [*names, "notes.txt"]:
        s3.objects[f"prod/{name}"] = b"x"

    gone = prune(ours, 2)

    assert gone == names[2::-1]
    assert ours.names() == ["notes.txt", *names[3:]]
    assert "other/stackyard-20260101T030000Z.tar" in s3.objects


def test_what_breaks_on_the_way_leaves_nothing(s3: FakeS3) -> None:
    ours = bucket(s3)
    writing = ours.writing("a", 10)
    writing.__enter__().write(CONTENT)

    error = BadArchive("it is cut")
    writing.__exit__(BadArchive, error, None)

    assert s3.parts == {}
    assert ours.names() == []


def test_an_object_of_another_size_is_removed_and_told(s3: FakeS3) -> None:
    s3.loses = 5

    with pytest.raises(Refused, match=f"s3://vault/prod/a has {len(CONTENT) - 5} bytes and not"):
        put(bucket(s3), "a")

    assert "prod/a" not in s3.objects


def test_a_refusal_is_told_with_its_code_and_not_tried_again(s3: FakeS3) -> None:
    with pytest.raises(Refused, match="s3://other/prod/ refuses: E404 no"):
        put(bucket(s3, "other"), "a")
    s3.failures = [500] * 5
    with pytest.raises(Refused, match="s3://vault/prod/ refuses: E500 no"):
        put(bucket(s3), "a")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'<?xml version="1.0" encoding="nobody-knows"?><R/>', "the bucket's answer is not S3's"),
        (b"<R><Contents><Key>a</Key><Size>1e3</Size></Contents></R>", "has '1e3' as a Size"),
        (
            b"<R><IsTruncated>true</IsTruncated>"
            b"<NextContinuationToken>x</NextContinuationToken></R>",
            "the bucket's list comes to no end",
        ),
    ],
    ids=["encoding", "size", "endless"],
)
def test_an_odd_list_is_refused(
    s3: FakeS3, monkeypatch: pytest.MonkeyPatch, answer: bytes, told: str
) -> None:
    monkeypatch.setattr(s3, "page", lambda _prefix, _after: answer.decode())

    with pytest.raises(Refused, match=told):
        bucket(s3).names()


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("PUT", "/vault/prod/a%20b%2Bc.tar", {"partNumber": "12", "uploadId": "a+/=&~ x"}),
        ("POST", "/vault/prod/a", {"uploads": ""}),
        ("GET", "/vault", {"list-type": "2", "prefix": "prod/", "continuation-token": "ö/="}),
        ("DELETE", "/vault/a", {}),
    ],
)
@pytest.mark.parametrize("token", [None, "a-token="])
def test_requests_are_signed_as_botocore_signs_them(
    method: str, path: str, query: dict[str, str], token: str | None
) -> None:
    url = f"https://s3.example.org:9000{path}"
    if query:
        url += "?" + "&".join(
            f"{module.quoted(name)}={module.quoted(query[name])}" for name in sorted(query)
        )
    body = b"some bytes"
    given = {"content-md5": "x==", "content-type": "application/octet-stream"}
    theirs = AWSRequest(method, url, headers=dict(given), data=body)
    S3SigV4Auth(TheirCredentials("AKID", "sec/ret", token), "s3", "eu-central-1").add_auth(theirs)
    at = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")

    ours = sign(method, url, given, body, Credentials("AKID", "sec/ret", token), "eu-central-1", at)

    assert ours["authorization"] == theirs.headers["Authorization"]


def test_a_key_of_a_file_is_two_parts_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("AKID:sec:ret/+\n")
    (tmp_path / "bad").write_text("hunter2")
    (tmp_path / "odd").write_bytes(b"AKID:\xff\0")

    assert of_file(tmp_path / "key")() == Credentials("AKID", "sec:ret/+")
    assert "sec" not in repr(Credentials("AKID", "secret", "secret")).replace("Credentials", "")
    for name in ("bad", "odd"):
        with pytest.raises(OSError, match="is not ID:SECRET") as refused:
            of_file(tmp_path / name)()
        assert "hunter2" not in str(refused.value)


class Agent(BaseHTTPRequestHandler):
    """What EKS runs on each node: credentials for the token that it gave the pod."""

    answer = b'{"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "AccountId": "1"}'

    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output quiet."""

    def do_GET(self) -> None:
        known = self.headers["authorization"] == "the-token"
        self.send_response(200 if known else 400)
        self.end_headers()
        self.wfile.write(self.answer if known else b"{}")


def test_a_pod_shows_its_token_to_the_agent_on_its_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    with HTTPServer(("127.0.0.1", 0), Agent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        ask = of_pod(f"http://127.0.0.1:{server.server_port}/v1/credentials", token)
        try:
            with pytest.raises(OSError, match="make a Pod Identity association"):
                ask()
            token.write_text("another")
            with pytest.raises(OSError, match="400"):
                ask()
            token.write_text("the-token\n")
            found = ask()
            for odd in (b'{"AccessKeyId": "A"}', b"[" * 9000, Agent.answer.replace(b'"T"', b"7")):
                monkeypatch.setattr(Agent, "answer", odd)
                with pytest.raises(OSError, match="gives no credentials"):
                    ask()
        finally:
            server.shutdown()
            thread.join()

    assert found == Credentials("A", "S", "T")
