"""Where manifests come from: files, directories, stdin. What cannot be read ends the program with one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from webhook.cli import manifests
from webhook.cli.objects import KubernetesObject
from webhook.cli.output import print_diff
from webhook.policy.finding import Edit

USAGE = 2
STDIN = "-"
SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""What is read of a directory, as kubectl does: not of the directories in it."""

Filenames = Annotated[
    list[str] | None,
    typer.Option("-f", "--filename", help="File or directory of manifests; repeat for more; - is stdin."),
]
"""The option that every verb about manifests has."""
Diff = Annotated[bool, typer.Option("--diff", help="Print what changes instead of the manifests.")]
"""The option of every verb that changes manifests."""


@dataclass(frozen=True, slots=True)
class Item(KubernetesObject):
    """One object of the input, and where it stands in its document."""

    document: manifests.Document
    place: tuple[str | int, ...]

    def edit(self, edits: Iterable[Edit]) -> None:
        """Put the edits of this object into its document."""
        self.document.edits += (edit.below(self.place) for edit in edits)


@dataclass(frozen=True, slots=True)
class Source:
    """One file of manifests."""

    name: str
    text: str
    documents: Sequence[manifests.Document]

    def items(self, namespace: str = "default") -> Iterator[Item]:
        """The objects in it; `namespace` is that of objects which name none."""
        return (
            Item(raw, namespace, document, place)
            for document in self.documents
            for place, raw in document.objects()
        )

    def render(self) -> str:
        return "".join(document.render() for document in self.documents)

    def diff(self, done: str) -> Iterator[str]:
        """The changes as a unified diff; `done` is the word behind the new file's name."""
        before, after = self.text.splitlines(), self.render().splitlines()
        return difflib.unified_diff(before, after, self.name, f"{self.name} ({done})", lineterm="")


def read(names: Sequence[str] | None, verb: str) -> list[Source]:
    """The files of these names, a directory's in the order of their names; stdin where none is given.

    Raises:
        typer.Exit: one of them cannot be read, or is no YAML; a line on stderr says which and where.
    """
    if not names and typer.get_text_stream("stdin").isatty():
        fail(verb, "no manifests; name a file with -f, or pipe them in")
    return [_source(name, verb) for given in names or [STDIN] for name in _files(given, verb)]


def _files(name: str, verb: str) -> list[str]:
    path = Path(name)
    if name == STDIN or not path.is_dir():
        return [name]
    found = sorted(str(file) for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if not found:
        fail(verb, f"{name}: no file in this directory ends in {', '.join(sorted(SUFFIXES))}")
    return found


def _source(name: str, verb: str) -> Source:
    shown = "stdin" if name == STDIN else name
    try:
        content = typer.get_binary_stream("stdin").read() if name == STDIN else Path(name).read_bytes()
        text = content.decode()
        return Source(shown, text, manifests.read(text))
    except OSError as failed:
        fail(verb, f"{shown}: {failed.strerror}")
    except UnicodeDecodeError:
        fail(verb, f"{shown}: not a text in UTF-8")
    except manifests.NotYAML as fault:
        fail(verb, f"{shown}: {fault}")


def print_changed(sources: Sequence[Source], done: str, diff: bool) -> None:
    """The manifests after their edits or, as a diff, what these change; `done` is what was done to them."""
    if diff:
        print_diff(line for source in sources for line in source.diff(done))
    else:
        typer.echo(manifests.joined([source.documents for source in sources]), nl=False)


def changed(sources: Sequence[Source]) -> list[Any]:
    """The documents after their edits, as JSON."""
    return [document.changed() for source in sources for document in source.documents]


def fail(verb: str, *sentences: str) -> NoReturn:
    """End the program for what is wrong with its call or its files."""
    for sentence in sentences:
        typer.echo(f"udplb {verb}: {sentence}", err=True)
    raise typer.Exit(USAGE)
