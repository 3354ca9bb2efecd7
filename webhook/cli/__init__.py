"""The command `udplb`: one verb a module, imported when it is called and not before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

VERBS = {
    "serve": "webhook.cli.serve",
    "inject": "webhook.cli.inject",
    "uninject": "webhook.cli.uninject",
    "explain": "webhook.cli.explain",
    "check": "webhook.cli.check",
    "audit": "webhook.cli.audit",
    "rules": "webhook.cli.rules",
    "certs": "webhook.cli.certs",
    "version": "webhook.cli.version",
}
"""Each module holds a Typer named `app`. Nobody waits for the imports of a verb that was not asked for."""


class Verbs(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 the base class's
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command = get_command(import_module(VERBS[cmd_name]).app)
        command.name = cmd_name
        return command


app = typer.Typer(cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def udplb() -> None:
    """Health checks for UDP Services behind an AWS Network Load Balancer."""


def main() -> None:
    app(prog_name="udplb")
