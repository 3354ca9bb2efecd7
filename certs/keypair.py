"""A certificate with its private key, as PEM, and what can be read from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


@dataclass(frozen=True)
class KeyPair:
    """A serving certificate, intermediates behind it, and its key.

    Nothing is parsed until it is asked for; then PEM that cannot be read raises ValueError with a sentence
    that never quotes it. The key stays out of the repr, hence out of logs and tracebacks.
    """

    cert_pem: bytes
    key_pem: bytes = field(repr=False)

    @cached_property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """The leaf, then its intermediates."""
        try:
            return tuple(x509.load_pem_x509_certificates(self.cert_pem))
        except ValueError:
            raise ValueError("the certificate is not PEM that can be read") from None

    @property
    def certificate(self) -> x509.Certificate:
        return self.chain[0]

    @property
    def private_key(self) -> PrivateKeyTypes:
        try:
            return serialization.load_pem_private_key(self.key_pem, password=None)
        except TypeError:
            raise ValueError("the key is encrypted; give it without a passphrase") from None
        except (ValueError, UnsupportedAlgorithm):
            raise ValueError("the key is not a PEM private key that can be read") from None

    @property
    def matches(self) -> bool:
        """Whether the key is the certificate's own."""
        return self.private_key.public_key() == self.certificate.public_key()

    @property
    def not_before(self) -> datetime:
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.certificate.not_valid_after_utc

    @property
    def dns_names(self) -> tuple[str, ...]:
        return tuple(self._alternative_names.get_values_for_type(x509.DNSName))

    @property
    def ips(self) -> tuple[IPv4Address | IPv6Address, ...]:
        found = self._alternative_names.get_values_for_type(x509.IPAddress)
        return tuple(ip for ip in found if isinstance(ip, IPv4Address | IPv6Address))

    @property
    def _alternative_names(self) -> x509.SubjectAlternativeName:
        try:
            return self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return x509.SubjectAlternativeName([])
