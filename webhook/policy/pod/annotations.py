"""What a pod's `udplb/*` keys ask for, and every one of them that cannot be read or has no effect."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import chain, islice

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Finding, annotation_field
from webhook.policy.pod import rules
from webhook.policy.pod.objects import Pod
from webhook.policy.pod.probes import DEFAULT, Probe, Refusal, read_probe
from webhook.policy.raw import Raw

MAX_PORTS = 64
"""What one sidecar listens on (`sidecar/`, MAX_PORTS)."""

PREFIX = "udplb/"
_MOST_NOTES = 16
"""More than fit into an answer's warnings; thousands of forged keys must not cost a second."""
_SWITCH = {"true": True, "false": False}
_READ = (keys.PORTS, keys.NATIVE_SIDECAR, keys.STATUS, keys.PROBE, keys.DRAIN)
_ELSEWHERE = {
    keys.INJECT: "set it as a label of the pod",
    keys.OWNER: "set it as a label of the namespace",
    keys.ALLOW: "set it on the Service",
    keys.KEEP: "set it on the Service",
}
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_PORTS_FIX = f"write numbers from 1 to 65535, each once, at most {MAX_PORTS}: 5555,9001"
_TOO_MANY = Refusal("there are too many", f"keep those of at most {MAX_PORTS} ports")
_DURATION = re.compile(r"(?:([0-9]{1,2})m)?(?:([0-9]{1,3})s)?", re.ASCII)
_DRAIN = range(1, 601)
_DRAIN_FIX = "write a duration from 1s to 10m: 300s"
_SWITCH_FIX = 'write "true" or "false"'


@dataclass(frozen=True, slots=True)
class Wishes:
    """The keys of one pod, read: `ports` is None without `udplb/ports`, `inject` without the label."""

    ports: tuple[int, ...] | None = None
    native: bool = True
    inject: bool | None = None
    probe: Probe = DEFAULT
    probes: Mapping[int, Probe] = field(default_factory=dict)
    """Those of single ports, which win."""
    drain: int = 0
    """Seconds that the application goes on serving, 0 without `udplb/drain`."""
    faults: tuple[Finding, ...] = ()
    """Values that cannot be read."""
    notes: tuple[Finding, ...] = ()
    """Keys that have no effect."""

    def probe_of(self, port: int) -> Probe:
        """What gates this port of the sidecar."""
        return self.probes.get(port, self.probe)

    @property
    def gates(self) -> set[int]:
        """The TCP ports on which the application is said to listen, because they gate others."""
        return {probe.tcp for probe in (self.probe, *self.probes.values()) if probe.tcp}


_NONE = Wishes()
_NO_PORT = Refusal("its key ends in no port", f"write the number of one TCP port: {keys.PROBE_OF_PORT}53")


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
    drain = 0 if keys.DRAIN not in annotations else parse_drain(annotations[keys.DRAIN])
    if drain is None:
        faults.append(_malformed(annotation_field(keys.DRAIN), annotations[keys.DRAIN], _DRAIN_FIX))
    probe, probes, refused = _read_probes(annotations, numbers or ())
    faults += refused
    return Wishes(
        ports=numbers,
        native=_SWITCH.get(native, True),
        inject=_SWITCH.get(inject) if inject is not None else None,
        probe=probe,
        probes=probes,
        drain=drain or 0,
        faults=tuple(faults[:_MOST_NOTES]),
        notes=tuple(islice(chain(_annotation_notes(annotations), _label_notes(labels)), _MOST_NOTES)),
    )


def parse_ports(text: str) -> tuple[int, ...] | None:
    """The numbers of `udplb/ports` in rising order; None where it is malformed."""
    numbers = {int(item) for item in gosyntax.parse_list(text) if _PORT.fullmatch(item)}
    if len(numbers) != len(text.split(",")) or len(numbers) > MAX_PORTS:
        return None
    return tuple(sorted(numbers)) if all(0 < number <= 65535 for number in numbers) else None


def parse_drain(text: str) -> int | None:
    """The seconds of `udplb/drain`; None where it is malformed."""
    match = _DURATION.fullmatch(text.strip())
    seconds = int(match[1] or 0) * 60 + int(match[2] or 0) if match else 0
    return seconds if seconds in _DRAIN else None


def _read_probes(
    annotations: Mapping[str, str], ports: Collection[int]
) -> tuple[Probe, dict[int, Probe], list[Finding]]:
    """The probe of all ports, those of single ports, and what cannot be read of them."""
    written = [key for key in annotations if key.startswith(keys.PROBE_OF_PORT)]
    if len(written) > MAX_PORTS:
        return DEFAULT, {}, [_refused(written[0], _TOO_MANY)]
    probes: dict[int, Probe] = {}
    faults: list[Finding] = []
    for key in written:
        port = _port_of(key)
        if port is None:
            faults.append(_refused(key, _NO_PORT))
            continue
        probe = _gated(read_probe(annotations[key]), (port,))
        if isinstance(probe, Refusal):
            faults.append(_refused(key, probe))
        else:
            probes[port] = probe
    general = read_probe(annotations[keys.PROBE]) if keys.PROBE in annotations else DEFAULT
    general = _gated(general, [port for port in ports if port not in probes])
    if isinstance(general, Refusal):
        return DEFAULT, probes, [*faults, _refused(keys.PROBE, general)]
    return general, probes, faults


def _port_of(key: str) -> int | None:
    """The port that a `udplb/probe.<port>` is about."""
    suffix = key.removeprefix(keys.PROBE_OF_PORT)
    numbers = parse_ports(suffix) or (0,)
    return numbers[0] if suffix == str(numbers[0]) and numbers[0] else None


def _gated(probe: Probe | Refusal, ports: Collection[int]) -> Probe | Refusal:
    """The probe, unless it gates one of these ports by the application's TCP port of the same number."""
    if isinstance(probe, Refusal) or probe.tcp not in ports:
        return probe
    reason = f"tcp={probe.tcp} gates port {probe.tcp} by itself"
    return Refusal(reason, "remove that port: the application answers there")


def _refused(key: str, refusal: Refusal) -> Finding:
    reason = f"udplb cannot read the probe: {refusal.reason}"
    return rules.MALFORMED_KEY.finding(annotation_field(key), reason, refusal.fix)


def _annotation_notes(annotations: Mapping[str, str]) -> Iterator[Finding]:
    for key, value in annotations.items():
        field = annotation_field(key)
        if key in _ELSEWHERE:
            yield rules.MISPLACED_KEY.finding(
                field, "udplb does not read this key from a pod's annotations", _ELSEWHERE[key], value
            )
        elif key not in _READ and not key.startswith(keys.PROBE_OF_PORT):
            yield rules.UNKNOWN_KEY.finding(
                field, "udplb has no such key", f"perhaps {nearest(key)} is meant", value
            )


def _label_notes(labels: Mapping[str, str]) -> Iterator[Finding]:
    for key, value in labels.items():
        if key != keys.INJECT:
            fix = _ELSEWHERE.get(key, f"perhaps the annotation {nearest(key)} is meant")
            yield rules.MISPLACED_KEY.finding(
                _label_field(key), "the only label of a pod that udplb reads is udplb/inject", fix, value
            )


def misplaced(metadata: Raw, template: str) -> Iterator[Finding]:
    """The keys that stand on a workload itself, whose pods only have those of its template (its path)."""
    for place in ("annotations", "labels"):
        for key, value in islice(ours(metadata.strings(place)).items(), _MOST_NOTES):
            right = "labels" if key == keys.INJECT else "annotations"
            yield rules.MISPLACED_KEY.finding(
                f"metadata.{place}[{key}]",
                "pods get the keys of the template, not those of the workload itself",
                f"move it to {template}.metadata.{right}",
                value,
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
