"""The annotation `udplb/status`: what was done with a pod, read and written.

An incoming status is input, never proof: people copy running pods into manifests.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

SCHEMA = 1

Before = str | int | float | None
"""What stood in a field before us."""

MEMBERS = {
    "schema": "`1`; a later udplb may add members to it, and raises the number where one changes its meaning",
    "version": "the udplb that wrote it",
    "injected": "`true` with the sidecar, `false` where one would be expected and there is none",
    "reason": "why there is none, a word of the table below; only with `false`",
    "ports": "each TCP port that the sidecar listens on, with its source: `service/NAME` (of several the first by "
    "name), `declared` by the pod, or `annotation` (`udplb/ports`); only with `true`",
    "skipped": "ports that are left alone, each with its reason",
    "hash": "12 hex digits over what was injected: the mode (native or not), the arguments, preStop, the "
    "container's ports and the sysctl. It changes if and only if one of these does; image, resources, environment "
    "and mounts belong to whoever changed them last; only with `true`",
    "changed": "what else of the pod udplb changed, each with the value that stood there before (null: none), so "
    "that `udplb uninject` gives back the original",
    "mesh": "`intercepted` or `ambient`: a service mesh answers the check in the sidecar's place, see "
    "[UDPLB931](rules.md#udplb931) and [UDPLB932](rules.md#udplb932)",
}
"""What each member means, for docs/annotations.md."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_VERSION = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Status:
    """What the annotation says. Of an unknown schema nothing but its number is read.

    `changed` names what else of the pod was changed, each with what stood there before (None: nothing), so
    that it can be taken back.
    """

    version: str
    injected: bool
    reason: str = ""
    hash: str = ""
    ports: Mapping[int, str] = field(default_factory=dict)
    skipped: Mapping[int, str] = field(default_factory=dict)
    changed: Mapping[str, Before] = field(default_factory=dict)
    mesh: str = ""
    schema: int = SCHEMA

    def newer_than(self, version: str) -> bool:
        """Whether a newer udplb wrote it: left as it is, so that two versions live together."""
        return self.schema != SCHEMA or _numbers(self.version) > _numbers(version)

    def __str__(self) -> str:
        members: dict[str, Any] = {"schema": SCHEMA, "version": self.version, "injected": self.injected}
        if self.injected:
            members |= {"hash": self.hash, "ports": _texts(self.ports)}
        else:
            members["reason"] = self.reason
        if self.skipped:
            members["skipped"] = _texts(self.skipped)
        if self.changed:
            members["changed"] = dict(self.changed)
        if self.mesh:
            members["mesh"] = self.mesh
        return _compact(members)


def parse_status(text: str | None) -> Status | None:
    """The status in an annotation; None where there is none that can be read."""
    try:
        members = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    match members:
        case {"schema": int(schema)} if schema != SCHEMA and not isinstance(schema, bool):
            return Status(version="", injected=True, schema=schema)
        case {"schema": int(), "version": str(version), "injected": True, "hash": str(spec), "ports": ports}:
            numbers = _read_ports(ports)
            changed = _read_changed(members.get("changed"))
            return Status(version, True, hash=spec, ports=numbers, changed=changed) if numbers else None
        case {"schema": int(), "version": str(version), "injected": False}:
            return Status(version, False)
    return None


@lru_cache(maxsize=1024)
def spec_hash(
    native: bool, args: tuple[str, ...], pre_stop: tuple[str, ...], ports: tuple[int, ...], sysctl: str
) -> str:
    """Twelve hex digits over what we inject and nobody else has a reason to change."""
    return hashlib.sha256(_compact([native, args, pre_stop, ports, sysctl]).encode()).hexdigest()[:12]


def _read_ports(ports: Any) -> dict[int, str] | None:
    if not isinstance(ports, dict) or not all(key.isdecimal() and len(key) <= 5 for key in ports):
        return None
    return {int(key): str(source) for key, source in ports.items()}


def _read_changed(changed: Any) -> dict[str, Before]:
    entries = changed.items() if isinstance(changed, dict) else ()
    return {key: before for key, before in entries if before is None or type(before) in (str, int, float)}


def _numbers(version: str) -> tuple[int, ...]:
    match = _VERSION.match(version)
    return tuple(int(number) for number in match.groups()) if match else ()


def _texts(ports: Mapping[int, str]) -> dict[str, str]:
    return {str(number): text for number, text in ports.items()}


def _compact(value: Any) -> str:
    return _ENCODER.encode(value)
