"""`self`: an authority in one Secret, a leaf in the memory of each replica, and the order that keeps them trusted.

There is no leader. Every replica takes the same steps from what it reads: keep the Secret whole, publish its
authorities in every caBundle, and sign only by one that every API server has had the time to load. The design
is cert-manager's dynamic authority.
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509

from certs import trust
from certs.authority import CertificateAuthority
from certs.keypair import KeyPair
from certs.tls import HotSwap, Refused, Swapped, Unchanged
from certs.validity import renewal

LEAF_LIFETIME = timedelta(days=7)
LOADED_AFTER = timedelta(seconds=60)
"""How long an authority stands in every caBundle before it signs: each API server has its own informer."""
SECRET_AWAITED = timedelta(seconds=15)
"""How long a replica without an authority waits for one that remembers it, where a caBundle names one."""
JITTER = 0.1
"""The share of a leaf's life by which replicas renew earlier than at two thirds, each by its own draw."""
POLL_SECONDS, POLL_SECONDS_UNREADY = 5.0, 1.0


class Conflict(Exception):
    """Another replica wrote first; read again."""


class Unreachable(Exception):
    """The API server gave no answer, or refused; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """What the Secret holds: the authority, and the one before it until that expires."""

    current: CertificateAuthority
    previous: CertificateAuthority | None = None

    @property
    def newest_first(self) -> tuple[CertificateAuthority, ...]:
        return (self.current, self.previous) if self.previous else (self.current,)


@dataclass(frozen=True, slots=True)
class Stored:
    """The Secret as read: `version` is empty where there is none, `authorities` None where it is unusable."""

    authorities: Authorities | None
    version: str


class SecretStore(Protocol):
    """The one Secret that all replicas share."""

    def read(self) -> Stored:
        """Raises Unreachable."""

    def write(self, authorities: Authorities, version: str) -> None:
        """Replace that version, or create where it is empty. Raises Conflict, Unreachable."""


class CaBundles(Protocol):
    """The caBundles of the webhook configurations."""

    def read(self) -> Mapping[str, Collection[bytes]]:
        """Each configuration's different caBundles (PEM) by its name. Raises Unreachable."""

    def write(self, name: str, pem: bytes) -> None:
        """Give all webhooks of a configuration this one. Raises Conflict, Unreachable."""


class Rotation:
    """The certificate of one replica; a step every few seconds keeps it and its authority valid.

    `draw` in [0, 1) spreads the replicas' renewals. A step blocks on the API server; one thread at a time takes
    them. A step that fails changes nothing that is served, and a ready replica stays ready.
    """

    def __init__(self, secret: SecretStore, bundles: CaBundles, names: Collection[str], draw: float) -> None:
        self._secret = secret
        self._bundles = bundles
        self._names = names
        self._early = JITTER * draw
        self._tls = HotSwap()
        self.context = self._tls.context
        self.keypair: KeyPair | None = None
        self.published: frozenset[bytes] = frozenset()
        self._authorities: Authorities | None = None
        self._signer: CertificateAuthority | None = None
        self._seen: dict[x509.Certificate, datetime] = {}
        self._awaited_since: datetime | None = None
        self._refused = ""
        self.unready = "no certificate yet"

    @property
    def not_after(self) -> datetime | None:
        """When the served certificate expires; None before the first."""
        return self.keypair.not_after if self.keypair else None

    @property
    def poll_seconds(self) -> float:
        return POLL_SECONDS_UNREADY if self.unready else POLL_SECONDS

    def poll(self, now: datetime) -> Unchanged | Swapped | Refused:
        """One step. Each fault is named once, until another follows or none."""
        try:
            outcome = self._step(now)
        except Conflict:
            return Unchanged()
        except (Unreachable, ssl.SSLError) as failed:
            if self.keypair is None:
                self.unready = str(failed)
            if str(failed) == self._refused:
                return Unchanged()
            self._refused = str(failed)
            return Refused(self._refused)
        self._refused = ""
        return outcome

    def _step(self, now: datetime) -> Unchanged | Swapped:
        held = self._bundles.read()
        authorities = self._keep_secret(held, now)
        if authorities is None:
            self.unready = "the authority's Secret is gone; waiting for a replica that remembers it"
            return Unchanged()
        self._publish(held, authorities, now)
        self._observe(held, authorities, now)
        return self._sign(held, authorities, now)

    def _keep_secret(self, held: Mapping[str, Collection[bytes]], now: datetime) -> Authorities | None:
        """Bring the Secret and our memory to what they should hold; None while others may know better."""
        stored = self._secret.read()
        known = stored.authorities or self._authorities
        if known is None and self._others_may_remember(held, now):
            return None
        wanted = due(known, now)
        if wanted != stored.authorities:
            self._secret.write(wanted, stored.version)
        self._authorities, self._awaited_since = wanted, None
        return wanted

    def _others_may_remember(self, held: Mapping[str, Collection[bytes]], now: datetime) -> bool:
        if not any(trust.trusted(bundles, now) for bundles in held.values()):
            return False
        self._awaited_since = self._awaited_since or now
        return now - self._awaited_since < SECRET_AWAITED

    def _publish(
        self, held: Mapping[str, Collection[bytes]], authorities: Authorities, now: datetime
    ) -> None:
        ours = [authority.keypair.certificate for authority in authorities.newest_first]
        wanted = {name: trust.merged(ours, bundles, now) for name, bundles in held.items()}
        for name, pem in wanted.items():
            if any(found != pem for found in held[name]):
                self._bundles.write(name, pem)
        self.published = frozenset(wanted.values())

    def _observe(
        self, held: Mapping[str, Collection[bytes]], authorities: Authorities, now: datetime
    ) -> None:
        """Remember since when each authority has stood in every caBundle without a break."""
        bundles = [trust.trusted([pem], now) for found in held.values() for pem in found]
        ours = [authority.keypair.certificate for authority in authorities.newest_first]
        everywhere = [one for one in ours if all(one in bundle for bundle in bundles)]
        self._seen = {one: self._seen.get(one, now) for one in everywhere}

    def _sign(
        self, held: Mapping[str, Collection[bytes]], authorities: Authorities, now: datetime
    ) -> Unchanged | Swapped:
        signer = self._signer_of(held, authorities, now)
        if signer is None:
            self.unready = self.unready and _awaited(authorities.current.keypair, now)
            return Unchanged()
        if self.keypair is not None and signer == self._signer and now < self._renew_at(self.keypair):
            return Unchanged()
        keypair = signer.issue(self._names, (), now, min(LEAF_LIFETIME, signer.keypair.not_after - now))
        self._tls.serve(keypair)
        self.keypair, self._signer, self.unready = keypair, signer, ""
        return Swapped(keypair.not_after)

    def _signer_of(
        self, held: Mapping[str, Collection[bytes]], authorities: Authorities, now: datetime
    ) -> CertificateAuthority | None:
        """The newest authority that every API server trusts by now; None where that is none of the Secret's.

        One that is not valid yet comes of a replica whose clock is far ahead: nobody would trust its leaves.
        """
        valid = [one for one in authorities.newest_first if one.keypair.not_before <= now]
        for authority in valid:
            since = self._seen.get(authority.keypair.certificate)
            if authority == self._signer or (since is not None and now - since >= LOADED_AFTER):
                return authority
        current, previous = authorities.current, authorities.previous
        if current in valid and {one for bundles in held.values() for one in trust.trusted(bundles, now)} <= {
            current.keypair.certificate
        }:
            return current  # the first one: nobody serves a leaf of another
        if self.keypair is None and previous is not None and previous.keypair.certificate in self._seen:
            return (
                previous  # a replica that starts during a rotation: it stood there before its successor came
            )
        return None

    def _renew_at(self, keypair: KeyPair) -> datetime:
        """At two thirds of the leaf's life, or somewhat earlier: not all replicas at once."""
        return renewal(keypair) - (keypair.not_after - keypair.not_before) * self._early


def _awaited(authority: KeyPair, now: datetime) -> str:
    if now < authority.not_before:
        return (
            f"the authority is not valid before {authority.not_before:%Y-%m-%d %H:%M} UTC: "
            "the clock of this node, or of the replica that made it, is wrong"
        )
    return "waiting until every API server has loaded the new authority"


def due(known: Authorities | None, now: datetime) -> Authorities:
    """What the Secret should hold: a successor with a third of the life left, no authority that has expired."""
    if known is None or now >= known.current.keypair.not_after:
        return Authorities(CertificateAuthority.create(now))
    if now >= renewal(known.current.keypair):
        return Authorities(CertificateAuthority.create(now), known.current)
    if known.previous is not None and now >= known.previous.keypair.not_after:
        return replace(known, previous=None)
    return known
