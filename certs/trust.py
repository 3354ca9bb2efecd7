"""What a caBundle says, and what it should say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

MOST = 8
"""Authorities in one caBundle: more would mean that somebody deletes the Secret again and again."""


def certificates(pem: bytes) -> tuple[x509.Certificate, ...]:
    """The certificates of a caBundle; none where it is empty or cannot be read, as for the API server."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return ()


def trusted(bundle: Iterable[bytes], now: datetime) -> set[x509.Certificate]:
    """The certificates of some caBundles that have not expired."""
    return {one for pem in bundle for one in certificates(pem) if now < one.not_valid_after_utc}


def merged(ours: Sequence[x509.Certificate], held: Collection[bytes], now: datetime) -> bytes:
    """Our authorities, then the earlier ones of the same name until they expire: leaves of theirs may be served.

    The same for every replica, whatever order it reads in.
    """
    names = {one.subject for one in ours}
    earlier = {one for one in trusted(held, now) if one.subject in names} - set(ours)
    youngest = sorted(earlier, key=lambda one: (one.not_valid_after_utc, one.serial_number), reverse=True)
    return b"".join(one.public_bytes(Encoding.PEM) for one in (*ours, *youngest)[:MOST])
