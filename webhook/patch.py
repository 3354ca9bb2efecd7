"""Edits of the policy as the fewest RFC 6902 operations on the raw object."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from webhook.policy.finding import Action, Edit

Operation = dict[str, Any]
Step = str | int


def operations(raw: Mapping[str, Any], edits: Iterable[Edit]) -> list[Operation]:
    """What turns the raw object into the edited one; the raw object stays as it is.

    Each edit sees those before it. Nothing is written for a member that already has the value, or for the
    removal of one that is absent. Raises IndexError where a path names a list item that is not there.
    """
    draft = _Draft(raw)
    for edit in edits:
        draft.take(edit)
    return draft.operations


def apply(raw: Mapping[str, Any], changes: Sequence[Operation]) -> dict[str, Any]:
    """The object after the operations, as any client of RFC 6902 applies them; `raw` stays as it is."""
    import jsonpatch  # here, for the server never applies what it writes and starts without it

    applied: dict[str, Any] = jsonpatch.apply_patch(dict(raw), copy.deepcopy(list(changes)))
    return applied


class _Draft:
    """The object while it is edited: of each container on an edited path there is one shallow copy.

    A container that an operation of ours brings is filled in place, so that two annotations on an object
    without annotations are one operation.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._root: Any = dict(raw)
        self._copies: dict[int, Any] = {id(self._root): self._root}
        self._brought: dict[int, Any] = {}
        self.operations: list[Operation] = []

    def take(self, edit: Edit) -> None:
        *parents, last = edit.path
        parent = self._reach(edit, parents)
        if parent is not None:
            _ACTIONS[edit.action](self, parent, edit.path, last, edit.value)

    def _reach(self, edit: Edit, parents: Sequence[Step]) -> Any:
        """The container that holds the last step; None where it is missing and nothing is to be put there."""
        here = self._root
        for depth, step in enumerate(parents):
            below = here[step] if isinstance(step, int) else here.get(step)
            if below is None:
                if edit.action is Action.REMOVE:
                    return None
                below = {} if isinstance(edit.path[depth + 1], str) else []
                self._brought[id(below)] = below
                self._put(here, edit.path[: depth + 1], step, below)
            elif id(below) not in self._copies and id(below) not in self._brought:
                below = copy.copy(below)
                self._copies[id(below)] = below
                here[step] = below
            here = below
        return here

    def _put(self, parent: Any, path: Sequence[Step], last: Step, value: Any) -> None:
        present = isinstance(last, int) or last in parent
        parent[last] = value
        self._write(parent, "replace" if present else "add", path, value)

    def _set(self, parent: Any, path: Sequence[Step], last: Step, value: Any) -> None:
        missing = isinstance(last, str) and last not in parent
        if missing or not _same(parent[last], value):
            self._put(parent, path, last, value)

    def _insert(self, parent: Any, path: Sequence[Step], last: Step, value: Any) -> None:
        if last == -1:
            parent.append(value)
            self._write(parent, "add", [*path[:-1], "-"], value)
        else:
            parent.insert(last, value)
            self._write(parent, "add", path, value)

    def _remove(self, parent: Any, path: Sequence[Step], last: Step, _value: Any) -> None:
        if last in parent if isinstance(last, str) else last < len(parent):
            del parent[last]
            self._write(parent, "remove", path)

    def _write(self, parent: Any, op: str, path: Sequence[Step], *value: Any) -> None:
        if id(parent) in self._brought:
            return  # the operation that brought the parent holds it
        operation = {"op": op, "path": _pointer(path)}
        self.operations.append(operation | ({"value": value[0]} if value else {}))


_ACTIONS = {Action.SET: _Draft._set, Action.INSERT: _Draft._insert, Action.REMOVE: _Draft._remove}


def _same(one: Any, other: Any) -> bool:
    """Equal in JSON, where true is not 1."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)


def _pointer(path: Sequence[Step]) -> str:
    """RFC 6901."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
