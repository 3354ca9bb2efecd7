"""Would a TLS client accept this certificate, and for how much longer?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from certs.keypair import KeyPair


@dataclass(frozen=True, slots=True)
class Valid:
    """Clients accept it."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """Clients accept it until `at`; a third of its life or less is left, so renew it."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Broken:
    """Clients refuse it, or no server can serve it."""

    reason: str


def judge(
    keypair: KeyPair, ca_bundle_pem: bytes, names: Collection[str], now: datetime
) -> Valid | Expiring | Broken:
    """Judge as a client does that trusts `ca_bundle_pem` and dials each of `names` (DNS names, addresses)."""
    reason = fault(keypair, now)
    if reason is not None:
        return Broken(reason)
    try:
        trusted = Store(x509.load_pem_x509_certificates(ca_bundle_pem))
    except ValueError:
        return Broken("the CA bundle holds no certificate that can be read")
    leaf, *intermediates = keypair.chain
    for name in names:
        verifier = PolicyBuilder().store(trusted).time(now).build_server_verifier(_subject(name))
        try:
            verifier.verify(leaf, intermediates)
        except VerificationError as refused:
            said = str(refused).partition(" (encountered")[0]  # the rest is a certificate's repr
            return Broken(f"a client that dials {name} refuses it: {said}")
    if now >= renewal(keypair):
        return Expiring(keypair.not_after)
    return Valid()


def fault(keypair: KeyPair, now: datetime) -> str | None:
    """What keeps any server from serving the pair, whoever the clients are and whatever they dial."""
    try:
        if not keypair.matches:
            return "the key is not the certificate's; give both files of one pair"
    except ValueError as unreadable:
        return str(unreadable)
    if now < keypair.not_before:
        return f"the certificate is not valid before {keypair.not_before:%Y-%m-%d %H:%M} UTC"
    if now > keypair.not_after:
        return f"the certificate expired {keypair.not_after:%Y-%m-%d %H:%M} UTC; renew it"
    return None


def renewal(keypair: KeyPair) -> datetime:
    """When a third of the certificate's life is left."""
    return keypair.not_after - (keypair.not_after - keypair.not_before) / 3


def _subject(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
