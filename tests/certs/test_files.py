from __future__ import annotations

import asyncio
import os
import ssl
import threading
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs import files
from certs.authority import CertificateAuthority
from certs.files import CertificateFiles, Unusable
from certs.keypair import KeyPair
from certs.tls import Refused, Swapped, Unchanged
from tests.certs.tls import DAY, NOW, connected, echo_server, served_serial, trusting

CA = CertificateAuthority.create(NOW)
TLS_VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def issued(now: datetime = NOW) -> KeyPair:
    return CA.issue(["localhost"], [ip_address("127.0.0.1")], now, DAY)


def put(directory: Path, pair: KeyPair) -> None:
    files.write(directory, pair, CA.cert_pem, overwrite=True)


def following(directory: Path) -> CertificateFiles:
    return CertificateFiles(directory / files.CERT, directory / files.KEY, NOW)


def unsupported() -> KeyPair:
    """A pair that loads and that TLS has no signature algorithm for."""
    key = ec.generate_private_key(ec.SECP256K1())
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.public_key(key.public_key()).not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    return KeyPair(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def test_the_written_files_are_the_pair_and_its_authority(tmp_path: Path) -> None:
    pair = issued()
    files.write(tmp_path / "new" / "tls", pair, CA.cert_pem)

    found = {path.name: path.read_bytes() for path in (tmp_path / "new" / "tls").iterdir()}
    assert found == {"ca.crt": CA.cert_pem, "tls.crt": pair.cert_pem, "tls.key": pair.key_pem}


@pytest.mark.parametrize("umask", [0o000, 0o077], ids=["open", "closed"])
def test_the_key_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        files.write(tmp_path / "tls", issued(), CA.cert_pem)
    finally:
        os.umask(before)

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "tls").iterdir()}
    assert modes == {"ca.crt": 0o644, "tls.crt": 0o644, "tls.key": 0o600}


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt", "tls.key"])
def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")

    with pytest.raises(FileExistsError, match=f"already holds {name}"):
        files.write(tmp_path, issued(), CA.cert_pem)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "precious")]


def test_a_key_readable_by_all_is_replaced_by_one_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "tls.key").write_text("old")
    (tmp_path / "tls.key").chmod(0o644)
    put(tmp_path, issued())

    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("version", TLS_VERSIONS)
@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"], ids=["with-server-name", "without-server-name"])
def test_new_connections_get_the_new_certificate_and_open_ones_stay(
    tmp_path: Path, name: str, version: ssl.TLSVersion
) -> None:
    async def scenario() -> None:
        old, new = issued(), issued()
        put(tmp_path, old)
        certificate, client = following(tmp_path), trusting(CA.cert_pem, version)
        async with echo_server(certificate.context) as port, connected(port, client, name) as before:
            assert before.serial == old.certificate.serial_number
            put(tmp_path, new)

            assert certificate.poll(NOW) == Swapped(new.not_after)
            assert certificate.not_after == new.not_after
            assert await served_serial(port, client, name) == new.certificate.serial_number
            assert await before.echoes()

    asyncio.run(scenario())


def test_a_client_that_dials_another_name_or_trusts_another_authority_fails(tmp_path: Path) -> None:
    async def scenario() -> None:
        put(tmp_path, issued())
        stranger = CertificateAuthority.create(NOW)
        async with echo_server(following(tmp_path).context) as port:
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await served_serial(port, trusting(CA.cert_pem), "other.example")
            with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
                await served_serial(port, trusting(CA.cert_pem), "127.0.0.2")
            with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
                await served_serial(port, trusting(stranger.cert_pem), "localhost")

    asyncio.run(scenario())


def test_tls_below_1_2_is_not_spoken(tmp_path: Path) -> None:
    put(tmp_path, issued())

    assert following(tmp_path).context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(KeyPair(issued().cert_pem, issued().key_pem), "not the certificate's", id="mismatch"),
        pytest.param(issued(NOW - 2 * DAY), "expired", id="expired"),
        pytest.param(KeyPair(b"", b""), "not PEM|not a PEM", id="empty"),
        pytest.param(unsupported(), "no TLS handshake succeeds", id="curve-that-tls-lacks"),
    ],
)
def test_a_pair_that_cannot_serve_is_refused_once_and_the_old_one_keeps_serving(
    tmp_path: Path, found: KeyPair, reason: str
) -> None:
    async def scenario() -> None:
        old = issued()
        put(tmp_path, old)
        certificate = following(tmp_path)
        put(tmp_path, found)
        refused = certificate.poll(NOW)

        assert isinstance(refused, Refused)
        assert str(tmp_path / "tls.crt") in refused.reason
        assert any(words in refused.reason for words in reason.split("|"))
        assert certificate.poll(NOW) == Unchanged()
        assert certificate.not_after == old.not_after
        async with echo_server(certificate.context) as port:
            serial = await served_serial(port, trusting(CA.cert_pem), "localhost")
        assert serial == old.certificate.serial_number

    asyncio.run(scenario())


def test_a_missing_file_is_refused_once_until_it_is_back(tmp_path: Path) -> None:
    pair = issued()
    put(tmp_path, pair)
    certificate = following(tmp_path)
    missing = Refused(f"{tmp_path}/tls.key: No such file or directory")

    for _ in range(2):
        (tmp_path / "tls.key").unlink()
        assert [certificate.poll(NOW), certificate.poll(NOW)] == [missing, Unchanged()]
        put(tmp_path, pair)
        assert certificate.poll(NOW) == Unchanged()


def test_a_certificate_from_the_future_is_served_once_its_time_has_come(tmp_path: Path) -> None:
    put(tmp_path, issued())
    certificate = following(tmp_path)
    later = issued(NOW + timedelta(hours=2))
    put(tmp_path, later)

    assert isinstance(certificate.poll(NOW), Refused)
    assert certificate.poll(NOW) == Unchanged()
    assert certificate.poll(NOW + timedelta(hours=2)) == Swapped(later.not_after)


def test_a_chain_is_served_with_its_intermediates(tmp_path: Path) -> None:
    pair = issued()
    put(tmp_path, KeyPair(pair.cert_pem + CA.cert_pem, pair.key_pem))

    assert len(following(tmp_path).keypair.chain) == 2


def test_a_secret_volume_that_swaps_its_symlink_is_followed(tmp_path: Path) -> None:
    old, new = issued(), issued()
    for version, pair in (("..1", old), ("..2", new)):
        put(tmp_path / version, pair)
    (tmp_path / "..data").symlink_to("..1")
    for name in (files.CERT, files.KEY):
        (tmp_path / name).symlink_to(Path("..data", name))
    certificate = following(tmp_path)
    (tmp_path / "..next").symlink_to("..2")
    (tmp_path / "..next").rename(tmp_path / "..data")

    assert certificate.poll(NOW) == Swapped(new.not_after)
    assert certificate.keypair == new


def test_files_swapped_between_two_reads_are_read_again(tmp_path: Path) -> None:
    old, new = issued(), issued()
    put(tmp_path / "old", old)
    put(tmp_path / "new", new)
    cert, key = tmp_path / "old" / "tls.crt", tmp_path / "old" / "tls.key"
    key.unlink()
    os.mkfifo(key)

    def swap_while_the_key_is_read() -> None:
        with key.open("wb") as pipe:  # opens once the reader has the old certificate and wants the key
            (tmp_path / "new" / "tls.crt").replace(cert)
            (tmp_path / "new" / "tls.key").replace(key)
            pipe.write(new.key_pem)

    writer = threading.Thread(target=swap_while_the_key_is_read, daemon=True)
    writer.start()
    certificate = CertificateFiles(cert, key, NOW)
    writer.join()

    assert certificate.keypair == new


def test_a_server_does_not_start_without_a_pair_that_serves(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"tls\.crt: No such file or directory"):
        following(tmp_path)
    put(tmp_path, KeyPair(issued().cert_pem, issued().key_pem))
    with pytest.raises(Unusable, match=r"tls\.key: the key is not the certificate's; give both"):
        following(tmp_path)
