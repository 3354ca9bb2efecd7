from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from certs import files
from certs.authority import CertificateAuthority
from certs.files import CertificateFiles
from certs.keypair import KeyPair
from tests.certs.tls import NOW, assert_is_ca, assert_is_leaf, echo_server, served_serial, trusting
from webhook.cli import certs

UDPLB = typer.Typer()
UDPLB.add_typer(certs.app, name="certs")


def issue(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(UDPLB, ["certs", "issue", "--dir", str(directory), *arguments])


def pair_in(directory: Path) -> KeyPair:
    return KeyPair((directory / "tls.crt").read_bytes(), (directory / "tls.key").read_bytes())


def test_issue_makes_files_that_serve_the_names_asked_for(tmp_path: Path) -> None:
    result = issue(tmp_path, "--name", "localhost", "--name", "udplb.svc", "--ip", "127.0.0.1", "--ip", "::1")
    assert result.exit_code == 0, result.output

    async def scenario() -> None:
        certificate = CertificateFiles(tmp_path / "tls.crt", tmp_path / "tls.key", NOW)
        client = trusting((tmp_path / "ca.crt").read_bytes())
        async with echo_server(certificate.context) as port:
            for name in ("localhost", "udplb.svc", "127.0.0.1", "::1"):
                assert await served_serial(port, client, name)

    asyncio.run(scenario())


def test_issue_makes_an_authority_and_its_leaf(tmp_path: Path) -> None:
    issue(tmp_path, "--name", "localhost")

    authority = KeyPair((tmp_path / "ca.crt").read_bytes(), b"").certificate
    assert_is_ca(authority)
    assert_is_leaf(pair_in(tmp_path).certificate, authority)


def test_issue_says_in_one_line_what_was_made_and_until_when(tmp_path: Path) -> None:
    result = issue(tmp_path, "--name", "localhost", "--days", "7")
    expiry = pair_in(tmp_path).not_after

    assert abs(expiry - (NOW + timedelta(days=7))) < timedelta(minutes=5)
    assert result.stdout == (
        f"{tmp_path}: ca.crt, tls.crt, tls.key written; the certificate expires {expiry:%Y-%m-%d %H:%M} UTC\n"
    )


def test_issue_overwrites_only_when_forced(tmp_path: Path) -> None:
    issue(tmp_path, "--name", "localhost")
    before = pair_in(tmp_path)

    refused = issue(tmp_path, "--name", "localhost")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == f"{tmp_path} already holds ca.crt, tls.crt, tls.key; --force replaces them\n"
    assert pair_in(tmp_path) == before
    assert issue(tmp_path, "--name", "localhost", "--force").exit_code == 0
    assert pair_in(tmp_path) != before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "at least one DNS name", id="no-name"),
        pytest.param(["--ip", "localhost"], "not an IP address", id="name-as-address"),
        pytest.param(["--name", "bücher.example"], "is not a DNS name", id="not-ascii"),
        pytest.param(["--name", ""], "is not a DNS name", id="empty-name"),
        pytest.param(["--name", "localhost", "--days", "0"], "--days", id="no-days"),
    ],
)
def test_wrong_usage_exits_2_and_writes_nothing(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = issue(tmp_path / "tls", *arguments)

    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())  # as it was before it was framed
    assert not (tmp_path / "tls").exists()


def test_a_directory_that_cannot_be_made_exits_2_and_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = issue(tmp_path / "file" / "tls", "--name", "localhost")

    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path}/file/tls: Not a directory\n"


def inspect(directory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(UDPLB, ["certs", "inspect", "--dir", str(directory), *arguments])


def test_inspect_tells_names_issuer_life_and_that_clients_accept_it(tmp_path: Path) -> None:
    issue(tmp_path, "--name", "localhost", "--ip", "127.0.0.1", "--days", "30")
    pair = pair_in(tmp_path)
    result = inspect(tmp_path)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{tmp_path}/tls.crt: localhost, 127.0.0.1",
        f"issued by {pair.certificate.issuer.rfc4514_string()}",
        f"valid from {pair.not_before:%Y-%m-%d %H:%M} to {pair.not_after:%Y-%m-%d %H:%M} UTC, 29 days are left",
        "clients that trust ca.crt accept it",
    ]


def test_inspect_speaks_json(tmp_path: Path) -> None:
    issue(tmp_path, "--name", "localhost", "--days", "30")
    told = json.loads(inspect(tmp_path, "-o", "json").stdout)

    assert told["names"] == ["localhost"]
    assert told["notAfter"] == pair_in(tmp_path).not_after.isoformat()
    assert (told["daysLeft"], told["accepted"]) == (29, True)


def test_inspect_refuses_a_name_that_the_certificate_lacks(tmp_path: Path) -> None:
    issue(tmp_path, "--name", "localhost")
    result = inspect(tmp_path, "--name", "udplb.udplb-system.svc")

    assert result.exit_code == 1
    assert "a client that dials udplb.udplb-system.svc refuses it" in result.stdout


def test_inspect_refuses_an_authority_that_is_not_the_issuer(tmp_path: Path) -> None:
    issue(tmp_path, "--name", "localhost")
    issue(tmp_path / "other", "--name", "localhost")
    (tmp_path / "other" / "ca.crt").replace(tmp_path / "ca.crt")

    assert inspect(tmp_path).exit_code == 1


def test_inspect_asks_for_renewal_in_the_last_third(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(NOW - timedelta(days=20), lifetime=timedelta(days=30))
    leaf = authority.issue(["localhost"], [], NOW - timedelta(days=20), timedelta(days=30))
    files.write(tmp_path, leaf, authority.cert_pem)
    result = inspect(tmp_path)

    assert result.exit_code == 0
    assert result.stdout.endswith("less than a third of its life is left: renew it\n")


@pytest.mark.parametrize(
    ("file", "words"),
    [("tls.key", "No such file or directory"), ("tls.crt", "the certificate is not PEM that can be read")],
)
def test_inspect_names_the_file_that_cannot_be_read(tmp_path: Path, file: str, words: str) -> None:
    issue(tmp_path, "--name", "localhost")
    if file == "tls.key":
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text("nothing")
    result = inspect(tmp_path)

    assert (result.exit_code, result.stderr) == (2, f"{tmp_path}/{file}: {words}\n")
