from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from certs.authority import CA_LIFETIME, CLOCK_SKEW, CertificateAuthority
from certs.keypair import KeyPair
from tests.certs.tls import DAY, NOW, assert_is_ca, assert_is_leaf

SECOND = timedelta(seconds=1)


def test_an_authority_is_a_ca() -> None:
    certificate = CertificateAuthority.create(NOW).keypair.certificate

    assert_is_ca(certificate)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)  # type: ignore[union-attr]


def test_an_issued_certificate_is_a_leaf_of_its_authority() -> None:
    authority = CertificateAuthority.create(NOW)

    assert_is_leaf(authority.issue(["localhost"], [], NOW, DAY).certificate, authority.keypair.certificate)


def test_an_issued_certificate_carries_the_names_and_addresses_asked_for() -> None:
    ips = [ip_address("127.0.0.1"), ip_address("::1")]
    pair = CertificateAuthority.create(NOW).issue(["a.example", "*.b.example"], ips, NOW, DAY)

    assert pair.dns_names == ("a.example", "*.b.example")
    assert pair.ips == tuple(ips)
    assert pair.matches


def test_lifetimes_count_from_now_and_start_early_for_late_clocks() -> None:
    authority = CertificateAuthority.create(NOW)
    leaf = authority.issue(["localhost"], [], NOW, DAY)

    for pair, lifetime in ((authority.keypair, CA_LIFETIME), (leaf, DAY)):
        assert abs(pair.not_before - (NOW - CLOCK_SKEW)) < SECOND
        assert abs(pair.not_after - (NOW + lifetime)) < SECOND


def test_every_certificate_has_a_key_and_a_serial_number_of_its_own() -> None:
    authority = CertificateAuthority.create(NOW)
    first, second = (authority.issue(["localhost"], [], NOW, DAY) for _ in range(2))

    assert first.key_pem != second.key_pem
    assert first.certificate.serial_number != second.certificate.serial_number


def test_a_certificate_without_a_name_is_not_issued() -> None:
    with pytest.raises(ValueError, match="at least one DNS name or IP address"):
        CertificateAuthority.create(NOW).issue([], [], NOW, DAY)


def test_a_certificate_never_outlives_its_authority() -> None:
    authority = CertificateAuthority.create(NOW, lifetime=DAY)

    assert authority.issue(["localhost"], [], NOW, DAY).not_after == authority.keypair.not_after
    with pytest.raises(ValueError, match="would outlive its authority"):
        authority.issue(["localhost"], [], NOW, DAY + SECOND)


def test_an_authority_with_another_kind_of_key_does_not_sign() -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority = CertificateAuthority.create(NOW)

    with pytest.raises(TypeError, match="ECDSA, not RSAPrivateKey"):
        CertificateAuthority(KeyPair(authority.cert_pem, key)).issue(["localhost"], [], NOW, DAY)


def test_an_authority_that_was_stored_signs_again() -> None:
    stored = CertificateAuthority.load(CertificateAuthority.create(NOW).keypair)
    assert_is_leaf(stored.issue(["localhost"], [], NOW, DAY).certificate, stored.keypair.certificate)


def bare(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> KeyPair:
    """A self-signed certificate without a single extension."""
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(NOW).not_valid_after(NOW + DAY)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(pem, key.private_bytes(*form))


BARE = bare(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (replace(CertificateAuthority.create(NOW).keypair, key_pem=BARE.key_pem), "the key is not"),
        (bare(rsa.generate_private_key(65537, 2048)), "the key is not"),
        (BARE, "no authority's"),
        (CertificateAuthority.create(NOW).issue(["localhost"], [], NOW, DAY), "no authority's"),
    ],
    ids=["another key", "RSA", "no constraints", "a leaf"],
)
def test_what_cannot_sign_is_no_authority(pair: KeyPair, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CertificateAuthority.load(pair)


def test_a_key_never_shows_in_a_repr() -> None:
    authority = CertificateAuthority.create(NOW)

    assert "PRIVATE" not in repr(authority)
    assert "key_pem" not in repr(authority.keypair)


def test_a_certificate_without_alternative_names_has_none() -> None:
    pair = CertificateAuthority.create(NOW).keypair

    assert pair.dns_names == ()
    assert pair.ips == ()
    assert isinstance(pair.certificate, x509.Certificate)
