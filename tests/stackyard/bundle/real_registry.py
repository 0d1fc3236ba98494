"""Debian's docker-registry as a process on loopback: with TLS, a password, or a token's door."""

import datetime
import http.client
import ipaddress
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.sealed.machine import APT_PACKAGES, install_packages

USER, PASSWORD = "robot$loader", "sesame"
HASHED = "$2b$05$abcdefghijklmnopqrstuuKcS.CYWVYVaLiiCKrrc0A5s3mGesJ9O"  # bcrypt of it, cost 5
SECONDS = 20.0


def registry_command() -> str:
    """Return docker-registry, installed from Debian's package where it is absent."""
    APT_PACKAGES.setdefault("docker-registry", "docker-registry")
    install_packages(["docker-registry"])
    found = shutil.which("docker-registry")
    assert found, "docker-registry is on no PATH"
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class RealRegistry:
    """One registry; `address` is its host and port. It ends with the `with` block."""

    def __init__(
        self,
        folder: Path,
        *,
        tls: bool = False,
        password: bool = False,
        token: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.ca = folder / "ca.crt" if tls else None
        http_part: dict[str, Any] = {"addr": self.address, "relativeurls": True}
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(folder / "data")},
                "delete": {"enabled": True},
            },
            "http": http_part,
        }
        if tls:
            make_certificate(folder)
            http_part["tls"] = {
                "certificate": str(folder / "server.crt"),
                "key": str(folder / "server.key"),
            }
        if password:
            (folder / "htpasswd").write_text(f"{USER}:{HASHED}\n")
            config["auth"] = {"htpasswd": {"realm": "site", "path": str(folder / "htpasswd")}}
        if token is not None:
            config["auth"] = {"token": token}
        (folder / "config.yml").write_text(yaml.safe_dump({**config, **(more or {})}))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [registry_command(), "serve", str(self.folder / "config.yml")],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + SECONDS
        while not self._answers():
            assert time.monotonic() < end, (self.folder / "log").read_text()
            assert self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _answers(self) -> bool:
        connection: http.client.HTTPConnection
        if self.ca is not None:
            context = ssl.create_default_context(cafile=str(self.ca))
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, context=context, timeout=2
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/v2/")
            return connection.getresponse().status in (200, 401)
        except OSError:
            return False
        finally:
            connection.close()

    def content(self) -> dict[str, str]:
        """Return every repository's links, file -> text: what the registry says it has."""
        root = self.folder / "data/docker/registry/v2/repositories"
        return {
            str(f.relative_to(root)): f.read_text()
            for f in sorted(root.rglob("link"))
            if "_uploads" not in f.parts
        }

    def blobs(self) -> set[str]:
        root = self.folder / "data/docker/registry/v2/blobs"
        return {f.parent.name for f in root.rglob("data")}


def make_certificate(folder: Path) -> None:
    """Write a CA and a server's certificate for 127.0.0.1, for one day."""
    now = datetime.datetime.now(datetime.UTC)

    def build(
        name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Name,
        signer: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
        )
        return builder.sign(signer, hashes.SHA256())

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    own = f"the site's CA {x509.random_serial_number():x}"  # two of a name would hide each other
    root, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = build(own, root, named(own), root, ca=True)
    certificate = build("127.0.0.1", server, named(own), root, ca=False)
    pem = serialization.Encoding.PEM
    (folder / "ca.crt").write_bytes(authority.public_bytes(pem))
    (folder / "ca.key").write_bytes(private_text(root))
    (folder / "server.crt").write_bytes(certificate.public_bytes(pem))
    (folder / "server.key").write_bytes(private_text(server))


def private_text(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
