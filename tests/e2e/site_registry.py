"""The registry of a sealed site: Debian's, empty, with a password and an authority of its own."""

import datetime
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.e2e.outside import Shell

USER, PASSWORD = "robot", "of-the-robot"
# bcrypt of PASSWORD: a registry takes no other
HTPASSWD = "robot:$2y$05$abcdefghijklmnopqrstuuylZdRurWKXKeZUfhe3i7KPdp/FI4yYS\n"
NAME = "stackyard-sealed-registry"


def authority(folder: Path, address: str) -> None:
    """Write ca.crt, and tls.crt and tls.key for an address."""
    key, ca_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The site's own authority")])
    now = datetime.datetime.now(datetime.UTC)

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, *, is_ca: bool
    ) -> x509.Certificate:
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
            made = made.add_extension(names, critical=False)
        return made.sign(ca_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    own = certificate(issuer, ca_key.public_key(), is_ca=True)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    (folder / "ca.crt").write_bytes(own.public_bytes(pem))
    (folder / "tls.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    # last: it is what the registry waits for
    (folder / "tls.new").write_bytes(
        certificate(name, key.public_key(), is_ca=False).public_bytes(pem)
    )
    (folder / "tls.new").rename(folder / "tls.crt")


@contextmanager
def site_registry(shell: Shell, image: str, folder: Path) -> Iterator[str]:
    """Run it, and give its address; ca.crt and password are in the folder."""
    (folder / "htpasswd").write_text(HTPASSWD)
    (folder / "password").write_text(PASSWORD)
    settings = {
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/site/tls.crt",
        "REGISTRY_HTTP_TLS_KEY": "/site/tls.key",
        "REGISTRY_AUTH_HTPASSWD_REALM": "site",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/site/htpasswd",
    }
    # its address is known once it runs, and its certificate names it
    serve = (
        "until [ -e /site/tls.crt ]; do sleep 0.2; done; "
        "exec docker-registry serve /etc/docker/registry/config.yml"
    )
    try:
        shell.docker(
            *("run", "--detach", "--name", NAME, "--network", "kind"),
            *("--volume", f"{folder}:/site:ro"),
            *(word for key, value in settings.items() for word in ("--env", f"{key}={value}")),
            *("--entrypoint", "/bin/sh", image, "-c", serve),
        )
        where = "{{.NetworkSettings.Networks.kind.IPAddress}}"
        address = shell.docker("inspect", "--format", where, NAME).strip()
        authority(folder, address)
        yield f"{address}:5000"
    finally:
        shell.docker("rm", "--force", "--volumes", NAME)
