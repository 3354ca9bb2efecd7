"""The certificate as files: written once by `certs issue`, read again and again by the server."""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from certs import validity
from certs.keypair import KeyPair

CA_CERT, CERT, KEY = "ca.crt", "tls.crt", "tls.key"
MODES = {KEY: 0o600, CERT: 0o644, CA_CERT: 0o644}


class Unusable(ValueError):
    """A pair that cannot be served; the message names the files and says why."""


def write(directory: Path, keypair: KeyPair, ca_cert_pem: bytes, *, overwrite: bool = False) -> None:
    """Put ca.crt, tls.crt and tls.key into `directory`, which is made where it is missing.

    All three are complete on disk before the first takes its name, and the key is its owner's alone from
    the moment that it exists. Raises FileExistsError where one is there and `overwrite` is off, and
    OSError.
    """
    present = [name for name in (CA_CERT, CERT, KEY) if (directory / name).exists()]
    if present and not overwrite:
        raise FileExistsError(f"{directory} already holds {', '.join(present)}")
    directory.mkdir(parents=True, exist_ok=True)
    contents = {KEY: keypair.key_pem, CERT: keypair.cert_pem, CA_CERT: ca_cert_pem}
    with tempfile.TemporaryDirectory(prefix=".certs-", dir=directory) as staging:
        for name, content in contents.items():
            _create(Path(staging, name), content, MODES[name])
        for name in contents:
            Path(staging, name).replace(directory / name)


def _create(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


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


class CertificateFiles:
    """Serves a certificate and a key from two files, and follows them.

    `context` is the listener's, made once and never touched again: for each handshake it hands over to the
    newest context that has been proved. Loading into a context in use is no way to swap: with a new
    certificate and an old key the load fails and leaves it unable to shake hands. One thread, the event
    loop's, polls and serves.
    """

    def __init__(self, cert_file: Path, key_file: Path, now: datetime) -> None:
        """Load and prove the pair; raise Unusable where there is none to start with."""
        self._cert_file = cert_file
        self._key_file = key_file
        self._refused = ""
        self.keypair = self._read()
        self._proved = self._prove(self.keypair, now)
        self.context = _server_context()
        self.context.sni_callback = self._hand_over

    @property
    def not_after(self) -> datetime:
        """When the served certificate expires."""
        return self.keypair.not_after

    def poll(self, now: datetime) -> Unchanged | Swapped | Refused:
        """Serve what the files hold now, if it is new and works; name each reason against it once.

        Compares content, for a Secret volume swaps a symlink and may keep times. A pair that is not valid
        yet is tried again by each poll.
        """
        try:
            found = self._read()
            if found == self.keypair:
                self._refused = ""
                return Unchanged()
            proved = self._prove(found, now)
        except Unusable as unusable:
            reason = str(unusable)
            if reason == self._refused:
                return Unchanged()
            self._refused = reason
            return Refused(reason)
        self.keypair, self._proved, self._refused = found, proved, ""
        return Swapped(found.not_after)

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # OpenSSL asks for every ClientHello, with None for one without a server name (a client that dials
        # an address sends none).
        connection.context = self._proved

    def _read(self) -> KeyPair:
        """Both files of one moment: a volume may be swapped between two reads."""
        try:
            while True:
                pair = KeyPair(self._cert_file.read_bytes(), self._key_file.read_bytes())
                if pair.cert_pem == self._cert_file.read_bytes():
                    return pair
        except OSError as unreadable:
            raise Unusable(f"{unreadable.filename}: {unreadable.strerror}") from unreadable

    def _prove(self, pair: KeyPair, now: datetime) -> ssl.SSLContext:
        files = f"{self._cert_file} and {self._key_file}"
        reason = validity.fault(pair, now)
        if reason is not None:
            raise Unusable(f"{files}: {reason}")
        try:
            return proved_context(pair)
        except ssl.SSLError as failed:
            raise Unusable(f"{files}: no TLS handshake succeeds with them: {failed.reason}") from failed


def proved_context(pair: KeyPair) -> ssl.SSLContext:
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
