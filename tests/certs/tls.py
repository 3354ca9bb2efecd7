"""Real TLS over loopback with the standard library, and what a certificate of each kind is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

NOW = datetime.now(UTC)  # the standard library's clients read the real clock
DAY = timedelta(days=1)
SECONDS = 5.0


def assert_is_ca(certificate: x509.Certificate) -> None:
    extensions = certificate.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert basic.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert granted(usage.value) == {"key_cert_sign", "crl_sign"}
    identifier = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    assert extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == identifier
    authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == identifier.digest
    assert certificate.issuer == certificate.subject
    certificate.verify_directly_issued_by(certificate)


def assert_is_leaf(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    extensions = certificate.extensions
    basic = extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.value == x509.BasicConstraints(ca=False, path_length=None)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert granted(usage.value) == {"digital_signature"}
    extended = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(extended) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert extensions.get_extension_for_class(x509.SubjectAlternativeName).critical
    assert not list(certificate.subject)
    authority = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    issued_by = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert authority.key_identifier == issued_by.digest
    certificate.verify_directly_issued_by(issuer)


def granted(usage: x509.KeyUsage) -> set[str]:
    always = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    return {name for name in (*always, "key_agreement", "key_cert_sign", "crl_sign") if getattr(usage, name)}


def trusting(ca_pem: bytes, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=ca_pem.decode())
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


@asynccontextmanager
async def echo_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A listener on loopback that returns each line; its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Connection:
    """A client's open TLS connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @property
    def serial(self) -> int:
        """The served certificate's serial number."""
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True)
        assert certificate is not None
        return x509.load_der_x509_certificate(certificate).serial_number

    async def echoes(self) -> bool:
        self._writer.write(b"still here\n")
        return await asyncio.wait_for(self._reader.readline(), SECONDS) == b"still here\n"


@asynccontextmanager
async def connected(port: int, client: ssl.SSLContext, name: str) -> AsyncIterator[Connection]:
    """Dial the port as `name`; an address as name is sent without a server name, as RFC 6066 wants."""
    opening = asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
    reader, writer = await asyncio.wait_for(opening, SECONDS)
    try:
        yield Connection(reader, writer)
    finally:
        writer.close()
        await writer.wait_closed()


async def served_serial(port: int, client: ssl.SSLContext, name: str) -> int:
    async with connected(port, client, name) as connection:
        return connection.serial
