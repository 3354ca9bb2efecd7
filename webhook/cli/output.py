"""How verbs print: text for people, with colour on a terminal, and JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


class Format(StrEnum):
    """What `-o` takes."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Tree:
    """A line with others below it."""

    line: str
    below: Sequence[Tree] = ()

    def lines(self) -> Iterator[str]:
        yield self.line
        for branch in self.below:
            last = branch is self.below[-1]
            first, *rest = branch.lines()
            yield f"{'└─' if last else '├─'} {first}"
            yield from (f"{'  ' if last else '│ '} {line}" for line in rest)


Output = Annotated[Format, typer.Option("-o", "--output", help="For people, or for machines.")]
"""The option that every verb with an answer has."""


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(rows: Iterable[tuple[str, ...]]) -> None:
    """Columns side by side; the last is as long as it likes, so that lines can be searched and cut."""
    lines = list(rows)
    widths = [max(len(row[column]) for row in lines) for column in range(len(lines[0]) - 1)]
    for row in lines:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[-1]]))


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
