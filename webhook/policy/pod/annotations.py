"""What a pod's `udplb/*` keys ask for, and every one of them that cannot be read or has no effect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain, islice

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Finding, annotation_field
from webhook.policy.pod import rules
from webhook.policy.pod.objects import Pod

MAX_PORTS = 64
"""What one sidecar listens on (`sidecar/`, MAX_PORTS)."""

PREFIX = "udplb/"
_MOST_NOTES = 16
"""More than fit into an answer's warnings; thousands of forged keys must not cost a second."""
_SWITCH = {"true": True, "false": False}
_FUTURE = (keys.PROBE, keys.DRAIN)
_READ = (keys.PORTS, keys.NATIVE_SIDECAR, keys.STATUS, *_FUTURE)
_ELSEWHERE = {
    keys.INJECT: "set it as a label of the pod",
    keys.OWNER: "set it as a label of the namespace",
    keys.ALLOW: "set it on the Service",
    keys.KEEP: "set it on the Service",
}
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_PORTS_FIX = f"write numbers from 1 to 65535, each once, at most {MAX_PORTS}: 5555,9001"
_SWITCH_FIX = 'write "true" or "false"'


@dataclass(frozen=True, slots=True)
class Wishes:
    """The keys of one pod, read: `ports` is None without `udplb/ports`, `inject` without the label."""

    ports: tuple[int, ...] | None = None
    native: bool = True
    inject: bool | None = None
    faults: tuple[Finding, ...] = ()
    """Values that cannot be read."""
    notes: tuple[Finding, ...] = ()
    """Keys that have no effect."""


_NONE = Wishes()


def ours(entries: Mapping[str, str]) -> dict[str, str]:
    """The `udplb/*` entries of a map of labels or annotations."""
    return {key: value for key, value in entries.items() if key.startswith(PREFIX)}


def read_wishes(pod: Pod) -> Wishes:
    """What the pod's keys ask for."""
    annotations, labels = ours(pod.annotations), ours(pod.labels)
    if not annotations and not labels:
        return _NONE
    ports = annotations.get(keys.PORTS)
    native = annotations.get(keys.NATIVE_SIDECAR, "true")
    inject = labels.get(keys.INJECT)
    numbers = parse_ports(ports) if ports is not None else None
    faults = []
    if ports is not None and numbers is None:
        faults.append(_malformed(annotation_field(keys.PORTS), ports, _PORTS_FIX))
    if native not in _SWITCH:
        faults.append(_malformed(annotation_field(keys.NATIVE_SIDECAR), native, _SWITCH_FIX))
    if inject is not None and inject not in _SWITCH:
        faults.append(_malformed(_label_field(keys.INJECT), inject, _SWITCH_FIX))
    return Wishes(
        ports=numbers,
        native=_SWITCH.get(native, True),
        inject=_SWITCH.get(inject) if inject is not None else None,
        faults=tuple(faults),
        notes=tuple(islice(chain(_annotation_notes(annotations), _label_notes(labels)), _MOST_NOTES)),
    )


def parse_ports(text: str) -> tuple[int, ...] | None:
    """The numbers of `udplb/ports` in rising order; None where it is malformed."""
    numbers = {int(item) for item in gosyntax.parse_list(text) if _PORT.fullmatch(item)}
    if len(numbers) != len(text.split(",")) or len(numbers) > MAX_PORTS:
        return None
    return tuple(sorted(numbers)) if all(0 < number <= 65535 for number in numbers) else None


def _annotation_notes(annotations: Mapping[str, str]) -> Iterator[Finding]:
    for key, value in annotations.items():
        field = annotation_field(key)
        if key in _FUTURE or key.startswith(keys.PROBE_OF_PORT):
            yield rules.FUTURE_KEY.finding(
                field, "this version of udplb does not act on this key", "remove it or update udplb", value
            )
        elif key in _ELSEWHERE:
            yield rules.MISPLACED_KEY.finding(
                field, "udplb does not read this key from a pod's annotations", _ELSEWHERE[key], value
            )
        elif key not in _READ:
            yield rules.UNKNOWN_KEY.finding(
                field, "udplb has no such key", f"did you mean {nearest(key)}?", value
            )


def _label_notes(labels: Mapping[str, str]) -> Iterator[Finding]:
    for key, value in labels.items():
        if key != keys.INJECT:
            fix = _ELSEWHERE.get(key, f"did you mean the annotation {nearest(key)}?")
            yield rules.MISPLACED_KEY.finding(
                _label_field(key), "the only label of a pod that udplb reads is udplb/inject", fix, value
            )


def nearest(key: str) -> str:
    """The key of a pod that looks most like this one."""
    written = (keys.PORTS, keys.NATIVE_SIDECAR, keys.PROBE, keys.DRAIN)
    return get_close_matches(key, written, n=1, cutoff=0.0)[0]


def _malformed(field: str, value: str, fix: str) -> Finding:
    return rules.MALFORMED_KEY.finding(field, f'udplb cannot read "{_quoted(value)}"', fix, value)


def _quoted(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:39]}…"


def _label_field(key: str) -> str:
    return f"metadata.labels[{key}]"
