"""`udplb rules`: every rule on one line."""

from __future__ import annotations

import typer

from webhook.cli.output import Format, Output, print_json, print_table
from webhook.policy import catalogue

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def rules(output: Output = Format.TEXT) -> None:
    """List the rules: code, whether it rejects or warns, and what it is about.

    `udplb explain CODE` tells more of one. In JSON, `waivable` says whether udplb/allow and the setting
    ruleSeverity can change a rule.

    Exit codes: 0 printed, 2 usage.

    \b
    Examples:
      udplb rules
      udplb rules -o json | jq -r '.[] | select(.severity == "reject") | .code'
    """
    if output is Format.JSON:
        print_json([catalogue.as_json(row) for row in catalogue.rows()])
    else:
        print_table((row.code, row.severity.value, row.title) for row in catalogue.rows())
