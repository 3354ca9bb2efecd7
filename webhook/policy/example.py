"""The manifests beside a rule: what earns its finding, and the same put right. Data for docs and tests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Fragment = Mapping[str, Any]
"""The part of a manifest that matters. A value of None says that the member is missing."""

MOST_SHOWN = 3
"""Of a long list only so many items teach something."""

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+=-]*(:[A-Za-z0-9_./@+=-]+)*", re.ASCII)
_NOT_TEXT = re.compile(r"y|n|yes|no|on|off|true|false|null", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Example:
    """One object that breaks a rule and what to write instead; all that is not shown is as it should be.

    A test proves that `before` earns the rule's code and that `after` does not.
    """

    before: Fragment
    after: Fragment
    when: str = ""
    """The circumstances in words, where there are any: a setting, another object."""
    kind: str = "Service"
    old: Fragment | None = None
    """The object in the cluster, of which the others are updates."""
    service: Fragment | None = None
    """The Service that selects the pod."""
    pod: Fragment | None = None
    """A pod that runs behind the Service, all of its kind."""
    beside: Fragment | None = None
    """The other Service of the namespace."""
    cluster: Mapping[str, Any] = field(default_factory=dict)
    """What differs from a cluster that LBC serves, by the names of Cluster."""
    final: bool = False
    """Said of the final object: another webhook undid what udplb had set."""
    also: frozenset[str] = frozenset()
    """Codes that nobody can earn the rule's without."""


def as_yaml(fragment: Fragment) -> str:
    """The fragment as people write it."""
    return "".join(f"{line}\n" for line in _block(fragment, ""))


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value[:MOST_SHOWN]:
            yield from _item(item, indent)
        if len(value) > MOST_SHOWN:
            yield f"{indent}# and {len(value) - MOST_SHOWN} more like these"
        return
    for key, below in value.items():
        if below is None:
            yield f"{indent}# no {key}"
        elif isinstance(below, Mapping | list):
            yield f"{indent}{_flow(key)}:"
            yield from _block(below, f"{indent}  ")
        else:
            yield f"{indent}{_flow(key)}: {_flow(below)}"


def _item(item: Any, indent: str) -> Iterator[str]:
    """A member of a list: on one line, unless there is a list in it."""
    if isinstance(item, Mapping) and any(isinstance(below, list) for below in item.values()):
        for number, line in enumerate(_block(item, "")):
            yield f"{indent}{'  ' if number else '- '}{line}"
    else:
        yield f"{indent}- {_flow(item)}"


def _flow(value: Any) -> str:
    """A value on one line; a text that YAML could take for something else stands in quotes."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and not _NOT_TEXT.fullmatch(value):
        return value
    if isinstance(value, str) and '"' in value and "'" not in value:
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)
