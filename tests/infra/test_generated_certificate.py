"""The stack's own certificate: what it is for, and how it is renewed under the same authority."""

import ssl
import time
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from infra.components.generated_certificate import GeneratedCertificateProvider

SERVES, CALLS = (f"1.3.6.1.5.5.7.3.{number}" for number in (1, 2))  # RFC 5280
WANTED: dict[str, Any] = {"name": "stackyard dev", "hosts": ["rag.lan", "127.0.0.1"]}


def read(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def test_it_is_for_its_hosts_and_signed_by_its_authority() -> None:
    made = GeneratedCertificateProvider().create(WANTED).outs

    assert made is not None
    leaf, authority = read(made["certificate"]), read(made["ca"])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    leaf.verify_directly_issued_by(authority)
    assert names.get_values_for_type(x509.DNSName) == ["rag.lan"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 397
    constraints = leaf.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    ssl.create_default_context(cadata=made["ca"])


def test_an_update_before_its_end_renews_it_and_callers_trust_it_still() -> None:
    provider = GeneratedCertificateProvider()
    made = provider.create(WANTED).outs
    assert made is not None
    old = {**made, "renewAfter": str(int(time.time()) - 1)}

    new = provider.update("id", old, WANTED).outs

    assert provider.diff("id", made, WANTED).changes is False
    assert provider.diff("id", old, WANTED).changes is True
    assert new is not None
    assert new["ca"] == made["ca"]
    assert new["certificate"] != made["certificate"]
    read(new["certificate"]).verify_directly_issued_by(read(made["ca"]))


def test_another_host_is_a_change() -> None:
    made = GeneratedCertificateProvider().create(WANTED).outs
    wanted = {**WANTED, "hosts": ["other.lan"]}

    assert GeneratedCertificateProvider().diff("id", made or {}, wanted).changes is True


def test_one_that_calls_its_like_is_a_clients_too() -> None:
    provider = GeneratedCertificateProvider()
    made, calling = provider.create(WANTED).outs, provider.create({**WANTED, "calls": True}).outs
    assert made is not None
    assert calling is not None

    def uses(pem: str) -> set[str]:
        found = read(pem).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return {each.dotted_string for each in found}

    assert uses(made["certificate"]) == {SERVES}
    assert uses(calling["certificate"]) == {SERVES, CALLS}
    assert provider.diff("id", made, {**WANTED, "calls": True}).changes is True
    assert provider.diff("id", calling, {**WANTED, "calls": True}).changes is False
