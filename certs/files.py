"""The certificate as files: written once by `certs issue`, read again and again by the server."""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import datetime
from pathlib import Path

from certs import validity
from certs.keypair import KeyPair
from certs.tls import HotSwap, Refused, Swapped, Unchanged

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


class CertificateFiles:
    """Serves a certificate and a key from two files, and follows them.

    One thread, the event loop's, polls and serves.
    """

    def __init__(self, cert_file: Path, key_file: Path, now: datetime) -> None:
        """Load and prove the pair; raise Unusable where there is none to start with."""
        self._cert_file = cert_file
        self._key_file = key_file
        self._refused = ""
        self._tls = HotSwap()
        self.context = self._tls.context
        self.keypair = self._read()
        self._serve(self.keypair, now)

    @property
    def not_after(self) -> datetime:
        """When the served certificate expires."""
        return self.keypair.not_after

    poll_seconds = 2.0
    unready = ""
    """Never a reason: without a certificate there is no start."""
    published: frozenset[bytes] = frozenset()
    """Whom clients trust is not known here."""

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
            self._serve(found, now)
        except Unusable as unusable:
            reason = str(unusable)
            if reason == self._refused:
                return Unchanged()
            self._refused = reason
            return Refused(reason)
        self.keypair, self._refused = found, ""
        return Swapped(found.not_after)

    def _read(self) -> KeyPair:
        """Both files of one moment: a volume may be swapped between two reads."""
        try:
            while True:
                pair = KeyPair(self._cert_file.read_bytes(), self._key_file.read_bytes())
                if pair.cert_pem == self._cert_file.read_bytes():
                    return pair
        except OSError as unreadable:
            raise Unusable(f"{unreadable.filename}: {unreadable.strerror}") from unreadable

    def _serve(self, pair: KeyPair, now: datetime) -> None:
        files = f"{self._cert_file} and {self._key_file}"
        reason = validity.fault(pair, now)
        if reason is not None:
            raise Unusable(f"{files}: {reason}")
        try:
            self._tls.serve(pair)
        except ssl.SSLError as failed:
            raise Unusable(f"{files}: no TLS handshake succeeds with them: {failed.reason}") from failed
