"""The cluster that objects are judged for, by the webhook's settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from webhook import __version__
from webhook.cli.sources import fail
from webhook.policy.cluster import Cluster, Owner, Sidecar

DEFAULTS = Cluster(Sidecar(f"udp-healthcheck:{__version__}"), version=__version__)
"""What the settings make of nothing at all; spelt out, for their own import takes longer than a verb."""

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="YAML file of the webhook's settings, as serve takes it; else the defaults."
    ),
]
"""The option of every verb that decides as the webhook of a cluster would."""
OwnerOption = Annotated[
    Owner | None,
    typer.Option(
        "--owner",
        help="Who builds load balancers; else as --config says, else lbc (a live cluster is asked).",
    ),
]


def configured(config: Path | None, verb: str, owner: Owner | None) -> Cluster:
    """The cluster by the settings of this file; its owner is None where neither names one.

    Raises:
        typer.Exit: the file cannot be used; a line on stderr for each fault.
    """
    cluster = DEFAULTS
    if config:
        from webhook.settings import SettingsError, load  # here, for most calls have no file

        try:
            cluster = load({}, {}, config, serves=False).cluster()
        except SettingsError as error:
            fail(verb, *error.faults)
    return replace(cluster, owner=owner or cluster.owner)


def offline(config: Path | None, verb: str, owner: Owner | None) -> Cluster:
    """The same where nothing can be detected and no pod runs. Raises typer.Exit."""
    cluster = configured(config, verb, owner)
    return replace(cluster, owner=cluster.owner or Owner.LBC, sees_pods=False)
