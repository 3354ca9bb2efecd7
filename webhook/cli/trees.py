"""Edits on a YAML tree whose comments, order and style survive.

ruamel.yaml keeps a comment behind the scalar before it, so whoever puts something behind that scalar must
say whether the comment belongs above or below the new part.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedBase, CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import CommentMark
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, ScalarString, SingleQuotedScalarString
from ruamel.yaml.tokens import CommentToken

from webhook.patch import Operation

_NOT_TEXT = re.compile(
    r"(y|n|yes|no|on|off|true|false|null|~|=|<<)?"  # truths, null, and keys of YAML itself
    r"|[-+]?\.?[0-9][-+0-9a-fox_.:tz ]*|[-+]?\.(inf|nan)",  # numbers of any base, sexagesimals and times
    re.IGNORECASE,
)
"""What Kubernetes's YAML 1.1 may read as something else than text when it stands without quotes."""
_TRUTHS = {"yes": True, "on": True, "no": False, "off": False, "y": True, "n": False}
_ANY_WIDTH = 1 << 20


def parser() -> YAML:
    """ruamel.yaml's round trip, which must neither fold lines nor change quotes."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = _ANY_WIDTH
    return yaml


@dataclass(frozen=True, slots=True)
class Style:
    """How a document indents: columns of a map in a map, and of a list's dash in a map."""

    mapping: int = 2
    dash: int = 0

    @classmethod
    def of(cls, tree: Any) -> Style:
        deeper = list(_steps(tree))
        maps = [columns for kind, columns in deeper if kind is CommentedMap and columns > 0]
        dashes = [columns for kind, columns in deeper if kind is CommentedSeq and columns >= 0]
        return cls(maps[0] if maps else 2, dashes[0] if dashes else 0)

    def dump(self, tree: Any) -> str:
        yaml = parser()
        yaml.indent(mapping=self.mapping, sequence=self.dash + 2, offset=self.dash)
        written = io.StringIO()
        yaml.dump(tree, written)
        return written.getvalue()


def _steps(tree: Any) -> Iterator[tuple[type, int]]:
    """Of each block collection in a map: its type, and how many columns it stands right of the map."""
    children = tree.values() if isinstance(tree, CommentedMap) else tree if isinstance(tree, list) else ()
    for child in children:
        if isinstance(child, CommentedMap | CommentedSeq):
            if isinstance(tree, CommentedMap) and child and not child.fa.flow_style():
                yield type(child), child.lc.col - tree.lc.col
            yield from _steps(child)


def plain(node: Any) -> Any:
    """The node as JSON has it, by the YAML 1.1 that Kubernetes reads: a bare yes is true."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(item) for item in node]
    if node is None or isinstance(node, bool):
        return node
    for kind in (int, float):
        if isinstance(node, kind):
            return kind(node)
    if type(node) is str:
        return _TRUTHS.get(node.lower(), node)
    return str(getattr(node, "value", node) if isinstance(node, TaggedScalar) else node)


def styled(value: Any) -> Any:
    """A plain value in block style, where no text can be taken for a number or a truth."""
    if isinstance(value, Mapping):
        return CommentedMap((key, styled(below)) for key, below in value.items())
    if isinstance(value, list):
        return CommentedSeq(map(styled, value))
    if isinstance(value, str) and _NOT_TEXT.fullmatch(value):
        return DoubleQuotedScalarString(value)
    return value


def lines_of(tree: Any, pointer: str, text: Sequence[str]) -> range:
    """The lines of the text on which a member stands alone, from its key or dash to its last value.

    None of them where it shares a line with others, or comes from elsewhere by a merge key or an alias.
    """
    *parents, last = steps(pointer)
    here: Any = tree
    for step in parents:
        key = _key(here, step)
        here = here[key] if key is not None else None
    key = _key(here, last)
    if key is None or len(here) == 1 or here.fa.flow_style() or key not in here.lc.data:
        return range(0)
    first, column = here.lc.item(key) if isinstance(here, CommentedSeq) else here.lc.key(key)
    if text[first][:column].strip() != ("-" if isinstance(here, CommentedSeq) else ""):
        return range(0)
    holder, leaf = _last_leaf(here[key]) or (here, key)
    return range(first, holder.lc.data[leaf][-2] + 1)


def _key(here: Any, step: str) -> Any:
    """How a collection calls its member; None where it has none of this name."""
    if isinstance(here, CommentedSeq):
        return int(step) if int(step) < len(here) else None
    return step if isinstance(here, CommentedMap) and step in here else None


def steps(pointer: str) -> list[str]:
    """RFC 6901, read."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def change(tree: Any, changes: Sequence[Operation]) -> None:
    """The operations, on the tree itself: a copy by way of JSON would lose the comments."""
    for one in changes:
        _change(tree, one)


def _change(tree: Any, change: Operation) -> None:
    *parents, last = steps(change["path"])
    parent, key, here = None, None, tree
    for step in parents:
        parent, key = here, int(step) if isinstance(here, list) else step
        here = _own(parent, key)
    if change["op"] == "remove":
        del here[int(last) if isinstance(here, list) else last]
        return
    value = styled(change["value"])
    if change["op"] == "replace":
        _replace(here, int(last) if isinstance(here, list) else last, value)
    elif isinstance(here, list) and last != "-" and int(last) < len(here):
        _insert(parent, key, int(last), value)
    else:
        _append(here, last, value)


def _replace(here: Any, key: Any, value: Any) -> None:
    """A new value with the quotes of the old one, and with the comment behind it as far away."""
    old = here[key]
    if isinstance(old, ScalarString) and isinstance(value, str):
        value = type(old)(value)
    here[key] = value
    comment = _comments(here, key)[_slot(here)]
    if comment is not None and not isinstance(value, Mapping | list):
        comment.start_mark = CommentMark(comment.start_mark.column + _width(value) - _width(old))


def _width(scalar: Any) -> int:
    """Columns of the scalar as it is written."""
    quotes = 2 if isinstance(scalar, SingleQuotedScalarString | DoubleQuotedScalarString) else 0
    return len(str(scalar)) + quotes


def _own(parent: Any, key: Any) -> Any:
    """The collection at this place; of one that an anchor shares, a copy for this place alone."""
    below = parent[key]
    if isinstance(below, CommentedBase) and below.anchor.value is not None:
        below = copy.deepcopy(below)
        below.anchor.value = None
        parent[key] = below
    return below


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
