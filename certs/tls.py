"""The TLS context of the listener, swapped under it without dropping a connection."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from datetime import datetime

from certs.keypair import KeyPair


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing to say: the files are those that are served, or a refusal that has been reported."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """New connections get the files' new certificate."""

    not_after: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """The files cannot be served; new connections still get the old certificate."""

    reason: str


class HotSwap:
    """Serves the newest pair that has been proved.

    `context` is the listener's, made once and never touched again: for each handshake it hands over to the
    newest context that has been proved. Loading into a context in use is no way to swap: with a new
    certificate and an old key the load fails and leaves it unable to shake hands. Before the first pair
    every handshake fails.
    """

    def __init__(self) -> None:
        self._proved: ssl.SSLContext | None = None
        self.context = _server_context()
        self.context.sni_callback = self._hand_over

    def serve(self, pair: KeyPair) -> None:
        """Give new connections this pair. Raises ssl.SSLError, and serves the old one on, where it cannot."""
        self._proved = _proved_context(pair)

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # OpenSSL asks for every ClientHello, with None for one without a server name (a client that dials
        # an address sends none).
        if self._proved is not None:
            connection.context = self._proved


def _proved_context(pair: KeyPair) -> ssl.SSLContext:
    """A server context that has served `pair` once, in memory; raises ssl.SSLError where it does not."""
    context = _server_context()
    # The ssl module loads from paths only. An anonymous file in memory needs no writable directory, leaves
    # no key on a disk, and holds what was judged, whatever happens to the files.
    with os.fdopen(os.memfd_create("certificate"), "w+b") as file:
        file.write(pair.key_pem + b"\n" + pair.cert_pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    _shake_hands(context)
    return context


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _shake_hands(server_context: ssl.SSLContext) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE  # whom clients trust is not known here
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server)
    # Both sides take turns; each stops where it needs the other's answer.
    while not all([_finished(client), _finished(server)]):
        pass


def _finished(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
