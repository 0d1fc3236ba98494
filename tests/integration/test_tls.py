"""TLS at the app: a certificate of files, read again when it is renewed."""

import datetime
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.tls import keep_certificate_fresh
from tests.app.fake_qdrant import FakeQdrant
from tests.app.process import KEY, AppProcess, until
from tests.fakes.nim import FakeNim

pytestmark = pytest.mark.integration


def write_certificate(folder: Path) -> int:
    """Write a new pair and return the certificate's serial number."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate.serial_number


def served_serial(url: str) -> int:
    address = urlsplit(url)
    pem = ssl.get_server_certificate((str(address.hostname), address.port or 0), timeout=10)
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


class TlsApp(AppProcess):
    """Is asked whether it is alive over TLS."""

    def _is_alive(self) -> bool:
        self.url = self.url.replace("http://", "https://")
        try:
            return httpx.get(f"{self.url}/healthz", verify=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[str]:
    """Shake hands with everybody, and say nothing."""

    class Handshake(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with context.wrap_socket(self.request, server_side=True):
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handshake) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        try:
            yield f"https://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def test_the_app_speaks_tls_and_takes_a_renewed_certificate(
    tmp_path: Path, nim: FakeNim, qdrant: FakeQdrant
) -> None:
    first = write_certificate(tmp_path)
    environment = {
        "RAG_TLS_CERTIFICATE_FILE": str(tmp_path / "tls.crt"),
        "RAG_TLS_KEY_FILE": str(tmp_path / "tls.key"),
    }
    app = TlsApp(tmp_path, nim, qdrant, environment=environment)
    try:
        app.start()
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = httpx.get(f"{app.url}/v1/models", headers=headers, verify=False)
        plain = app.url.replace("https://", "http://")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{plain}/v1/models", headers=headers)
        seen = served_serial(app.url)
        second = write_certificate(tmp_path)
        assert until(lambda: served_serial(app.url) == second or None, 40)
    finally:
        app.stop()

    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert seen == first


def test_no_handshake_fails_while_certificates_are_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tls.LOOK_SECONDS", 0.001)
    write_certificate(tmp_path)
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    keep_certificate_fresh(context, certificate, key)
    shown = set[int]()

    with tls_server(context) as url:
        for _ in range(50):
            renewed = write_certificate(tmp_path)
            while (serial := served_serial(url)) != renewed:
                shown.add(serial)

    assert shown
