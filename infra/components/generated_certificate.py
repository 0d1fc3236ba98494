"""A certificate as a resource: signed by an authority of the stack's own, renewed by later updates.

The authority's key is in the stack's encrypted state and nowhere else; it outlives what it signs,
so that callers who trust it go on.
"""

import ipaddress
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

Props = dict[str, Any]  # what the engine passes: plain values by name
AUTHORITY_DAYS, DAYS, RENEW_DAYS = 3650, 397, 60  # browsers take no more than 398
DAY = 86400
SECRETS = ("key", "authorityKey")
GIVEN = ("name", "hosts", "calls")


class GeneratedCertificateProvider(ResourceProvider):
    """What the engine calls; keys are in the state, and the state is encrypted."""

    serialize_as_secret_always = False  # it holds nothing, and a plain one keeps diffs readable

    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        renew = time.time() > float(_olds.get("renewAfter", 0))
        return DiffResult(renew or any(_olds.get(k) != _news.get(k) for k in GIVEN))

    def create(self, props: Props) -> CreateResult:
        return CreateResult(str(props["name"]), issued(props, *new_authority(str(props["name"]))))

    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        authority, key = str(_olds["ca"]), str(_olds["authorityKey"])
        left = x509.load_pem_x509_certificate(authority.encode()).not_valid_after_utc
        if left < datetime.now(UTC) + timedelta(days=DAYS):
            authority, key = new_authority(str(_news["name"]))
        return UpdateResult(issued(_news, authority, key))


class GeneratedCertificate(Resource, module="stackyard", name="GeneratedCertificate"):
    """One certificate; `ca` is what callers trust, `key` is secret. All are PEM.

    `calls`: its holder calls its like, and is known to them by it.
    """

    ca: pulumi.Output[str]
    certificate: pulumi.Output[str]
    key: pulumi.Output[str]

    def __init__(
        self,
        resource: str,
        name: str,
        hosts: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
        *,
        calls: bool = False,
    ) -> None:
        own = pulumi.ResourceOptions(additional_secret_outputs=list(SECRETS))
        computed = ("ca", "certificate", "key", "authorityKey", "renewAfter")
        super().__init__(
            GeneratedCertificateProvider(),
            resource,
            {
                "name": name,
                "hosts": list(hosts),
                **({"calls": True} if calls else {}),
                **dict.fromkeys(computed),
            },
            pulumi.ResourceOptions.merge(own, opts),
        )


def new_authority(name: str) -> tuple[str, str]:
    """Return certificate and key of a new authority, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {name}"[:64])])
    made = _begun(subject, subject, key.public_key(), AUTHORITY_DAYS)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = made.add_extension(_usage(signs=True), critical=True)
    signed = made.sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode(), _pem(key)


def issued(props: Props, authority: str, authority_key: str) -> Props:
    """Return the properties with a new certificate for their hosts, signed by the authority."""
    signer = x509.load_pem_x509_certificate(authority.encode())
    signing = serialization.load_pem_private_key(authority_key.encode(), None)
    if not isinstance(signing, ec.EllipticCurvePrivateKey):
        message = "the authority's key is of another kind than this program makes"
        raise TypeError(message)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, str(props["name"])[:64])])
    made = _begun(subject, signer.subject, key.public_key(), DAYS)
    uses = [ExtendedKeyUsageOID.SERVER_AUTH]
    if props.get("calls"):
        uses.append(ExtendedKeyUsageOID.CLIENT_AUTH)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs=False), True),
        (x509.ExtendedKeyUsage(uses), False),
        (x509.SubjectAlternativeName([_named(str(each)) for each in props["hosts"]]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), False),
    ):
        made = made.add_extension(extension, critical=critical)
    signed = made.sign(signing, hashes.SHA256())
    return {
        **props,
        "ca": authority,
        "authorityKey": authority_key,
        "certificate": signed.public_bytes(serialization.Encoding.PEM).decode(),
        "key": _pem(key),
        "renewAfter": str(int(time.time()) + (DAYS - RENEW_DAYS) * DAY),
    }


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC) - timedelta(minutes=5)  # clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
