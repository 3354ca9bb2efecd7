"""Manifests as people keep them: YAML whose comments, order and style survive an edit.

A file is cut into its documents; those that nothing changes are given back letter for letter.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, MarkedYAMLError, YAMLError
from ruamel.yaml.scalarstring import DoubleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from webhook.patch import Operation, apply, operations
from webhook.policy.finding import Edit

_MARKER = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_MARKER_LINE = re.compile(r"---[ \t]*(#.*)?\n")
_NOT_TEXT = re.compile(
    r"(y|n|yes|no|on|off|true|false|null|~|=|<<)?"  # truths, null, and keys of YAML itself
    r"|[-+]?\.?[0-9][-+0-9a-fox_.:tz ]*|[-+]?\.(inf|nan)",  # numbers of any base, sexagesimals and times
    re.IGNORECASE,
)
"""What Kubernetes's YAML 1.1 may read as something else than text when it stands without quotes."""
_ANY_WIDTH = 1 << 20


class NotYAML(ValueError):
    """The text is no YAML; the text of this says where and why."""


@dataclass(slots=True)
class Document:
    """One YAML document, and the edits that its objects got."""

    text: str
    tree: Any
    plain: Any
    edits: list[Edit] = field(default_factory=list)

    def objects(self) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
        """Each Kubernetes object in it with its place: the document itself, or the items of a List."""
        if not isinstance(self.plain, dict):
            return
        if self.plain.get("kind") != "List":
            yield (), self.plain
            return
        items = self.plain.get("items")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield ("items", index), item

    def render(self) -> str:
        """The document after its edits."""
        changes = operations(self.plain, self.edits) if self.edits else []
        if not changes:
            return self.text
        expected = apply(self.plain, changes)
        style = _Style.of(self.tree)
        for change in changes:
            _change(self.tree, change)
        if _plain(self.tree) != expected:
            self.tree = _styled(expected)  # an anchor's other uses would have changed, too
        return _head(self.text) + style.dump(self.tree)


def read(text: str) -> list[Document]:
    """The documents of a file.

    Raises:
        NotYAML: a document cannot be parsed.
    """
    starts = sorted({0, *(found.start() for found in _MARKER.finditer(text))})
    parts = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]
    documents, line = [], 0
    for part in parts:
        tree = _load(part, line)
        documents.append(Document(part, tree, _plain(tree)))
        line += part.count("\n")
    return documents


def _head(text: str) -> str:
    """The marker's line where nothing but a comment is on it: ruamel.yaml would move that comment."""
    found = _MARKER_LINE.match(text)
    return found.group() if found else ""


def _load(text: str, line: int) -> Any:
    head = _head(text)
    line += head.count("\n")
    try:
        return _yaml().load(text.removeprefix(head))
    except MarkedYAMLError as fault:
        mark = fault.problem_mark or fault.context_mark
        where = f"line {line + mark.line + 1}: " if mark else ""
        raise NotYAML(f"{where}{' '.join(str(fault.problem or fault.context).split())}") from None
    except (YAMLError, ValueError) as fault:
        raise NotYAML(" ".join(str(fault).split())) from None


def _yaml() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _ANY_WIDTH
    return yaml


@dataclass(frozen=True, slots=True)
class _Style:
    """How a document indents: columns of a map in a map, and of a list's dash in a map."""

    mapping: int = 2
    dash: int = 0

    @classmethod
    def of(cls, tree: Any) -> _Style:
        deeper = list(_steps(tree))
        maps = [columns for kind, columns in deeper if kind is CommentedMap and columns > 0]
        dashes = [columns for kind, columns in deeper if kind is CommentedSeq and columns >= 0]
        return cls(maps[0] if maps else 2, dashes[0] if dashes else 0)

    def dump(self, tree: Any) -> str:
        yaml = _yaml()
        yaml.indent(mapping=self.mapping, sequence=self.dash + 2, offset=self.dash)
        written = io.StringIO()
        yaml.dump(tree, written)
        return written.getvalue()


def _steps(tree: Any) -> Iterator[tuple[type, int]]:
    """Of each block collection in a map: its type, and how many columns it stands right of the map."""
    children = tree.values() if isinstance(tree, CommentedMap) else tree if isinstance(tree, list) else ()
    for child in children:
        if isinstance(child, CommentedMap | CommentedSeq):
            if isinstance(tree, CommentedMap) and not child.fa.flow_style():
                yield type(child), child.lc.col - tree.lc.col
            yield from _steps(child)


def _plain(node: Any) -> Any:
    """The node as JSON has it."""
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if node is None or isinstance(node, bool):
        return node
    for kind in (int, float):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _styled(value: Any) -> Any:
    """A plain value in block style, where no text can be taken for a number or a truth."""
    if isinstance(value, Mapping):
        return CommentedMap((key, _styled(below)) for key, below in value.items())
    if isinstance(value, list):
        return CommentedSeq(map(_styled, value))
    if isinstance(value, str) and _NOT_TEXT.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def _change(tree: Any, change: Operation) -> None:
    """One operation, on the tree itself: a copy by way of JSON would lose the comments."""
    *parents, last = (step.replace("~1", "/").replace("~0", "~") for step in change["path"].split("/")[1:])
    parent, key, here = None, None, tree
    for step in parents:
        parent, key = here, int(step) if isinstance(here, list) else step
        here = parent[key]
    if change["op"] == "remove":
        del here[int(last) if isinstance(here, list) else last]
        return
    value = _styled(change["value"])
    if change["op"] == "replace":
        here[int(last) if isinstance(here, list) else last] = value
    elif isinstance(here, list) and last != "-" and int(last) < len(here):
        _insert(parent, key, int(last), value)
    else:
        _append(here, last, value)


def _insert(parent: Any, key: Any, index: int, value: Any) -> None:
    """A new member before another one of a list; a comment above the first member stays with that one."""
    here = parent[key]
    here.insert(index, value)
    if index == 0 and isinstance(here, CommentedSeq) and here.ca.comment and here.ca.comment[1]:
        _comments(here, 1)[1] = here.ca.comment[1]
        here.ca.comment[1] = None
        _comments(parent, key)[3] = None  # ruamel.yaml keeps the same comment here, too


def _append(here: Any, last: str, value: Any) -> None:
    """A new last member: what is written below the collection, for the next one, stays below it."""
    below = _take_comment_below(here) if isinstance(here, CommentedBase) else ""
    if isinstance(here, list):
        here.append(value)
    else:
        here[last] = value
    leaf = _last_leaf(here)
    if below and leaf:
        holder, key = leaf
        _comments(holder, key)[_slot(holder)] = CommentToken("\n" + below, CommentMark(0), None)


def _take_comment_below(here: Any) -> str:
    """Cut the lines that follow the collection and stand left of it out of its last leaf's comment."""
    leaf = _last_leaf(here)
    if leaf is None:
        return ""
    comments, slot = _comments(*leaf), _slot(leaf[0])
    token = comments[slot]
    if token is None:
        return ""
    first, *lines = token.value.splitlines(keepends=True)
    kept = 0
    while kept < len(lines) and lines[kept].strip() and _indent(lines[kept]) >= here.lc.col:
        kept += 1
    token.value = first + "".join(lines[:kept])
    if not token.value.strip():
        comments[slot] = None
    return "".join(lines[kept:])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _last_leaf(node: Any) -> tuple[Any, Any] | None:
    """The collection and key of what is written last of this node: a scalar, or a collection on one line."""
    leaf = None
    while isinstance(node, CommentedMap | CommentedSeq) and node and not node.fa.flow_style():
        key = len(node) - 1 if isinstance(node, CommentedSeq) else next(reversed(node))
        leaf = node, key
        node = node[key]
    return leaf


def _comments(holder: Any, key: Any) -> list[Any]:
    comments: list[Any] = holder.ca.items.setdefault(key, [None, None, None, None])
    return comments


def _slot(holder: Any) -> int:
    """Where ruamel.yaml keeps the comment behind a scalar, in the comments of a map's or a list's entry."""
    return 0 if isinstance(holder, CommentedSeq) else 2


def joined(texts: Sequence[str]) -> str:
    """Several files as one stream of documents."""
    stream = ""
    for text in texts:
        if stream and not stream.endswith("\n"):
            stream += "\n"
        if stream and text.strip() and not _begins_with_marker(text):
            stream += "---\n"
        stream += text
    return stream


def _begins_with_marker(text: str) -> bool:
    """Whether nothing but comments stands above the first document marker."""
    above = _MARKER.split(text, maxsplit=1)[0] if _MARKER.search(text) else text
    return all(not line.strip() or line.lstrip().startswith("#") for line in above.splitlines())
