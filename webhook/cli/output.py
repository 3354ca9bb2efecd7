"""How verbs print: text for people, with colour on a terminal, and JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

import typer

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


class Format(StrEnum):
    """What `-o` takes."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[Format, typer.Option("-o", "--output", help="For people, or for machines.")]
"""The option that every verb with an answer has."""


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_diff(lines: Iterable[str]) -> None:
    """A unified diff, coloured on a terminal."""
    if not sys.stdout.isatty():
        for line in lines:
            typer.echo(line)
        return
    from rich.console import Console  # here, for only a terminal has colours
    from rich.text import Text

    console = Console(soft_wrap=True)
    for line in lines:
        console.print(Text(line, style=_COLOURS.get(line[:1], "")))
