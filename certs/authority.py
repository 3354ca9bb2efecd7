"""A private certificate authority that signs serving certificates."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from certs.keypair import KeyPair

CLOCK_SKEW = timedelta(hours=1)
"""How far not_before lies back, for clients whose clock is behind the signer's."""

CA_LIFETIME = timedelta(days=365)


@dataclass(frozen=True)
class CertificateAuthority:
    """A self-signed certificate with its key (ECDSA P-256), in memory only."""

    keypair: KeyPair

    @classmethod
    def create(
        cls, now: datetime, *, name: str = "udplb", lifetime: timedelta = CA_LIFETIME
    ) -> CertificateAuthority:
        """Make a new authority that expires `lifetime` after `now`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _certificate(key.public_key(), subject, subject, now, lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        return cls(_keypair(certificate, key))

    @classmethod
    def load(cls, keypair: KeyPair) -> CertificateAuthority:
        """An authority as it was stored. Raises ValueError where no leaf that clients accept can be signed by it."""
        if not (keypair.matches and isinstance(keypair.private_key, ec.EllipticCurvePrivateKey)):
            raise ValueError("the key is not the certificate's own, of the kind ECDSA")
        try:
            constraints = keypair.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        except x509.ExtensionNotFound:
            raise ValueError("the certificate is no authority's") from None
        if not constraints.value.ca:
            raise ValueError("the certificate is no authority's")
        return cls(keypair)

    @property
    def cert_pem(self) -> bytes:
        """What clients are given to trust: the caBundle."""
        return self.keypair.cert_pem

    def issue(
        self,
        dns_names: Collection[str],
        ips: Collection[IPv4Address | IPv6Address],
        now: datetime,
        lifetime: timedelta,
    ) -> KeyPair:
        """Sign a serving certificate with a key of its own.

        Raises ValueError where no name is given, one is empty or not ASCII, or the certificate would outlive
        its authority.
        """
        for name in dns_names:
            if not name or not name.isascii():
                raise ValueError(f"{name!r} is not a DNS name; write it as DNS holds it, in ASCII")
        names = [*map(x509.DNSName, dns_names), *map(x509.IPAddress, ips)]
        if not names:
            raise ValueError("a serving certificate needs at least one DNS name or IP address")
        issuer = self.keypair.certificate
        if (now + lifetime).replace(microsecond=0) > self.keypair.not_after:
            raise ValueError(
                f"the certificate would outlive its authority, which expires {issuer.not_valid_after_utc:%Y-%m-%d}"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            # No common name: it holds 64 characters at most and clients read the alternative names alone,
            # which RFC 5280 4.1.2.6 then wants critical.
            _certificate(key.public_key(), x509.Name([]), issuer.subject, now, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(_issued_by(issuer), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return _keypair(certificate, key)

    @property
    def _key(self) -> ec.EllipticCurvePrivateKey:
        key = self.keypair.private_key
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"an authority's key is ECDSA, not {type(key).__name__}")
        return key


def _certificate(
    key: ec.EllipticCurvePublicKey, subject: x509.Name, issuer: x509.Name, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _issued_by(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _keypair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        cert_pem=certificate.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
