"""Manifests as people keep them, YAML or JSON: what nothing changes is given back letter for letter."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Protocol

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from webhook.cli import trees
from webhook.cli.splice import splice
from webhook.patch import Operation, apply, operations
from webhook.policy.finding import Edit

_MARKER = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_MARKER_LINE = re.compile(r"---[ \t]*(#.*)?\r?\n")
_NO_CONTENT = re.compile(r"\ufeff?(%.*|#.*|[ \t\r]*|\n)*")
_BLANKS = re.compile(r"[\s\ufeff]*")
_INDENT = re.compile(r"[{\[]\r?\n( +|\t+)")


class NotYAML(ValueError):
    """The text is no YAML; the text of this says where and why."""


class Form(Protocol):
    """How a document is written."""

    def rewritten(self, text: str, changes: Sequence[Operation], before: Any, after: Any) -> str:
        """The text after the changes, which lead from one value to the other."""


@dataclass(slots=True)
class Document:
    """One document, and the edits that its objects got."""

    text: str
    plain: Any
    form: Form
    edits: list[Edit] = field(default_factory=list)

    def objects(self) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
        """Each Kubernetes object in it with its place: the document itself, or the items of a List."""
        yield from _objects((), self.plain)

    def changed(self) -> Any:
        """The document's value after its edits."""
        return apply(self.plain, operations(self.plain, self.edits)) if self.edits else self.plain

    def render(self) -> str:
        """The document's text after its edits."""
        changes = operations(self.plain, self.edits) if self.edits else []
        if not changes:
            return self.text
        head = _head(self.text)
        body = self.text.removeprefix(head)
        written = self.form.rewritten(body, changes, self.plain, apply(self.plain, changes))
        if "\r\n" in body:
            written = re.sub(r"(?<!\r)\n", "\r\n", written)
        return head + written


def _objects(
    place: tuple[str | int, ...], value: Any, of: Mapping[str, Any] | None = None
) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    """`kubectl get` leaves the kind of a PodList's items to the list."""
    if not isinstance(value, dict):
        return
    value = {**(of or {}), **value}
    kind, items = str(value.get("kind", "")), value.get("items")
    if not (kind.endswith("List") and isinstance(items, list)):
        yield place, value
        return
    named = (
        {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    )
    for index, item in enumerate(items):
        yield from _objects((*place, "items", index), item, named)


class _Yaml:
    def rewritten(self, text: str, changes: Sequence[Operation], before: Any, after: Any) -> str:
        lines = _removed_lines(text, changes)
        removed = [change for number, change in enumerate(changes) if number in lines]
        numbers = set(chain.from_iterable(lines.values()))
        cut = "".join(line for number, line in enumerate(_lines(text)) if number not in numbers)
        if removed and _reads_as(cut, apply(before, removed)):
            text, changes = cut, [change for number, change in enumerate(changes) if number not in lines]
        return _edited(text, changes, after) if changes else text


def _removed_lines(text: str, changes: Sequence[Operation]) -> Mapping[int, range]:
    """Of each operation, by its number, that only takes out whole lines: which, before any other is done."""
    tree, written = trees.parser().load(text), _lines(text)
    return {
        number: lines
        for number, change in enumerate(changes)
        if change["op"] == "remove" and not _moved(change, changes[:number])
        if (lines := trees.lines_of(tree, change["path"], written))
    }


def _moved(change: Operation, earlier: Sequence[Operation]) -> bool:
    """Whether the path counts with an item that one of the earlier operations puts in."""
    for one in earlier:
        holder, _, last = one["path"].rpartition("/")
        if one["op"] == "add" and last.isdecimal() and change["path"].startswith(f"{holder}/"):
            return True
    return False


def _edited(text: str, changes: Sequence[Operation], expected: Any) -> str:
    tree = trees.parser().load(text)
    style = trees.Style.of(tree)
    before = style.dump(tree)
    trees.change(tree, changes)
    if trees.plain(tree) != expected:
        tree = trees.styled(expected)  # what no edit in place can say
    after = style.dump(tree)
    spliced = splice(text, before, after)
    return spliced if _reads_as(spliced, expected) else after


class _Json:
    def rewritten(self, text: str, changes: Sequence[Operation], before: Any, after: Any) -> str:  # noqa: ARG002
        found = _INDENT.search(text)
        indent = found.group(1) if found else None
        separators = None if indent or ": " in text else (",", ":")
        normal, wanted = (
            json.dumps(value, ensure_ascii=False, indent=indent, separators=separators)
            for value in (before, after)
        )
        begin, end = text.index("{"), text.rindex("}") + 1
        spliced = splice(text[begin:end], normal, wanted)
        return text[:begin] + (spliced if _reads_as(spliced, after) else wanted) + text[end:]


def read(text: str) -> list[Document]:
    """The documents of a file.

    Raises:
        NotYAML: a document cannot be parsed.
    """
    documents: list[Document] = []
    line = 0
    for part in _parts(text):
        documents += _read_json(part) or [_read_yaml(part, line)]
        line += part.count("\n")
    return documents


def _parts(text: str) -> Iterator[str]:
    """The text cut before each marker; comments and directives above the first one stay with it."""
    starts = [found.start() for found in _MARKER.finditer(text)]
    if not starts or not _NO_CONTENT.fullmatch(text[: starts[0]]):
        starts = [0, *starts]
    starts[0] = 0
    yield from (text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True))


def _read_json(part: str) -> list[Document]:
    """The objects of a part that is JSON, one or several behind each other; none where it is not."""
    head = _head(part)
    position = len(head)
    documents: list[Document] = []
    decoder = json.JSONDecoder()
    while position < len(part):
        begin = _BLANKS.match(part, position).end()  # type: ignore[union-attr]  # it matches nothing, too
        if begin == len(part) and documents:
            documents[-1].text += part[position:]
            break
        if not part.startswith("{", begin):
            return []
        try:
            value, end = decoder.raw_decode(part, begin)
        except (ValueError, RecursionError):
            return []
        text = part[position:end] if documents else part[:end]
        documents.append(Document(text, value, _Json()))
        position = end
    return documents


def _read_yaml(part: str, line: int) -> Document:
    head = _head(part)
    line += head.count("\n")
    body = part.removeprefix(head)
    try:
        return Document(part, trees.plain(trees.parser().load(body)), _Yaml())
    except MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        where = f"line {line + mark.line + 1}: " if mark else ""
        raise NotYAML(f"{where}{' '.join(str(fault.problem or fault.context).split())}") from None
    except (YAMLError, ValueError) as fault:
        raise NotYAML(f"line {line + 1}: {' '.join(str(fault).split())}") from None


def _lines(text: str) -> list[str]:
    """The lines as YAML counts them."""
    return re.split(r"(?<=\n)", text)


def _reads_as(text: str, expected: Any) -> bool:
    try:
        return bool(trees.plain(trees.parser().load(text)) == expected)
    except (YAMLError, ValueError):
        return False


def _head(text: str) -> str:
    """The marker's line, where nothing but a comment is on it, and what stands above."""
    found = _MARKER.search(text)
    if found is None or not _NO_CONTENT.fullmatch(text[: found.start()]):
        return ""
    marker = _MARKER_LINE.match(text, found.start())
    return text[: marker.end()] if marker else ""


def joined(documents: Sequence[Sequence[Document]]) -> str:
    """The documents of several files as one stream."""
    stream = ""
    for number, part in enumerate(documents):
        text = "".join(document.render() for document in part)
        if stream and not stream.endswith("\n"):
            stream += "\n"
        if stream and text.strip() and not _head(text) and not _all_json(documents[: number + 1]):
            stream += "---\n"
        stream += text
    return stream


def _all_json(files: Sequence[Sequence[Document]]) -> bool:
    """Objects of JSON stand behind each other, as `jq` reads them."""
    return all(isinstance(document.form, _Json) for file in files for document in file)
