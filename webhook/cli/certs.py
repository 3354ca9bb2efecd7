"""`udplb certs`: certificates for a webhook that runs on a host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from certs import files
from certs.authority import CertificateAuthority
from certs.keypair import KeyPair
from certs.validity import Broken, Expiring, Valid, judge
from webhook.cli.output import Format, Output, print_json

REFUSED, USAGE = 1, 2
NOTHING_LEFT = timedelta()

app = typer.Typer(
    help="Make and judge serving certificates.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def certs() -> None:
    """Make and judge serving certificates."""


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an IP address; names go to --name") from None


@app.command()
def issue(
    directory: Annotated[Path, typer.Option("--dir", help="Where ca.crt, tls.crt and tls.key go.")],
    names: Annotated[list[str] | None, typer.Option("--name", help="DNS name; repeat for more.")] = None,
    ips: Annotated[list[str] | None, typer.Option("--ip", help="IP address; repeat for more.")] = None,
    days: Annotated[int, typer.Option(min=1, max=36500, help="Days until the certificate expires.")] = 365,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
) -> None:
    """Make a new CA and a serving certificate signed by it.

    The CA's key is thrown away: to renew, issue again and give the new ca.crt to the clients too.
    Exit codes: 0 made, 1 files are there and --force is missing, 2 usage or a file that cannot be written.

    Example: udplb certs issue --dir tls --name localhost --ip 127.0.0.1
    """
    addresses = [_address(ip) for ip in ips or []]
    now, lifetime = datetime.now(UTC), timedelta(days=days)
    authority = CertificateAuthority.create(now, lifetime=lifetime)
    try:
        keypair = authority.issue(names or [], addresses, now, lifetime)
    except ValueError as fault:
        raise typer.BadParameter(f"{fault}; see --name and --ip") from None
    try:
        files.write(directory, keypair, authority.cert_pem, overwrite=force)
    except FileExistsError as present:
        _fail(f"{present}; --force replaces them", REFUSED)
    except OSError as failed:
        _fail(f"{failed.filename}: {failed.strerror}", USAGE)
    typer.echo(
        f"{directory}: {files.CA_CERT}, {files.CERT}, {files.KEY} written;"
        f" the certificate expires {keypair.not_after:%Y-%m-%d %H:%M} UTC"
    )


@app.command()
def inspect(
    directory: Annotated[Path, typer.Option("--dir", help="Where tls.crt, tls.key and ca.crt are.")],
    names: Annotated[
        list[str] | None,
        typer.Option(
            "--name", help="What clients dial; repeat for more. Without: each name of the certificate."
        ),
    ] = None,
    output: Output = Format.TEXT,
) -> None:
    """Tell what a serving certificate is for, until when, and whether clients accept it.

    The directory is one of `udplb certs issue`, or the files of a Secret of type kubernetes.io/tls. Clients
    trust ca.crt, as the API server trusts the caBundle of a webhook.

    Exit codes: 0 clients accept it, 1 they refuse it, 2 a file that cannot be read.

    Example: udplb certs inspect --dir tls --name udplb.udplb-system.svc
    """
    now = datetime.now(UTC)
    try:
        cert, key, trusted = (
            (directory / name).read_bytes() for name in (files.CERT, files.KEY, files.CA_CERT)
        )
    except OSError as failed:
        _fail(f"{failed.filename}: {failed.strerror}", USAGE)
    pair = KeyPair(cert, key)
    try:
        served = [*pair.dns_names, *map(str, pair.ips)]
    except ValueError as unreadable:
        _fail(f"{directory / files.CERT}: {unreadable}", USAGE)
    verdict = judge(pair, trusted, names or served, now)
    told = {
        "names": served,
        "issuer": pair.certificate.issuer.rfc4514_string(),
        "notBefore": pair.not_before.isoformat(),
        "notAfter": pair.not_after.isoformat(),
        "daysLeft": max(pair.not_after - now, NOTHING_LEFT).days,
        "accepted": not isinstance(verdict, Broken),
        "verdict": _in_words(verdict),
    }
    if output is Format.JSON:
        print_json(told)
    else:
        typer.echo(f"{directory / files.CERT}: {', '.join(served) or 'no name at all'}")
        typer.echo(f"issued by {told['issuer']}")
        typer.echo(
            f"valid from {pair.not_before:%Y-%m-%d %H:%M} to {pair.not_after:%Y-%m-%d %H:%M} UTC,"
            f" {told['daysLeft']} days are left"
        )
        typer.echo(told["verdict"])
    if isinstance(verdict, Broken):
        raise typer.Exit(REFUSED)


def _in_words(verdict: Valid | Expiring | Broken) -> str:
    match verdict:
        case Broken(reason):
            return reason
        case Expiring(at):
            return f"clients accept it until {at:%Y-%m-%d %H:%M} UTC; less than a third of its life is left: renew it"
        case Valid():
            return f"clients that trust {files.CA_CERT} accept it"


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
