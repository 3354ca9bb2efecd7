"""`udplb certs`: certificates for a webhook that runs on a host."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated

import typer

from certs import files
from certs.authority import CertificateAuthority

REFUSED, USAGE = 1, 2

app = typer.Typer(
    help="Make serving certificates.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@app.callback()
def certs() -> None:
    """Make serving certificates."""


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


def _fail(sentence: str, code: int) -> None:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
