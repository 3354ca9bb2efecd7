"""`udplb serve`: the admission webhook. Its flags are the settings."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from webhook import settings

USAGE = 2

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_OPTIONS: dict[str, Any] = {
    "config": Annotated[
        Path | None, typer.Option("--config", envvar="UDPLB_CONFIG", help="YAML file of settings.")
    ],
    **{
        name.key: Annotated[str | None, typer.Option(name.flag, help=name.about, metavar="VALUE")]
        for name in settings.names()
    },
}


def serve(config: Path | None = None, **flags: str | None) -> None:
    """Answer the API server's reviews until SIGTERM.

    Flags beat the environment (UDPLB_OPS_PORT is --ops-port), that beats the file of --config.
    Exit codes: 0 stopped by a signal, 2 it cannot start; a line for each reason says why.

    Example: udplb serve --cert-file tls/tls.crt --key-file tls/tls.key --kubeconfig ~/.kube/config
    """
    given = {key: written for key, written in flags.items() if written is not None}
    try:
        loaded = settings.load(given, os.environ, config)
    except settings.SettingsError as error:
        _cannot_start(error.faults)
    from webhook import server  # after the settings, so that a fault is told at once

    try:
        server.run(loaded)
    except server.CannotStart as error:
        _cannot_start([str(error)])


def _cannot_start(reasons: list[str]) -> None:
    for reason in reasons:
        typer.echo(f"udplb serve: {reason}", err=True)
    raise typer.Exit(USAGE)


# Typer reads a command's options from its signature; these are made of the settings, so that each has one.
serve.__annotations__ = _OPTIONS
serve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, annotation=option, default=None)
        for key, option in _OPTIONS.items()
    ]
)
app.command()(serve)
