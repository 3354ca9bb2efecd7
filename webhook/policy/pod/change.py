"""What else of a pod changes beside the sidecar's container, and how each change is taken back.

Every change has a name (a path, with list items by their names), which the status keeps with what stood there
before. A second pass knows by it what is ours; a pod that loses its sidecar, and `uninject`, undo it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from webhook.policy.finding import Action, Edit
from webhook.policy.pod.objects import CONTAINERS, PORT_START
from webhook.policy.pod.resources import parse_quantity
from webhook.policy.pod.status import Before
from webhook.policy.raw import Raw

CODE = "UDPLB900"

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
ISTIO_EXCLUSIONS = "traffic.sidecar.istio.io/excludeInboundPorts"
LINKERD_EXCLUSIONS = "config.linkerd.io/skip-inbound-ports"
_ANNOTATIONS = (DEFAULT_CONTAINER, ISTIO_EXCLUSIONS, LINKERD_EXCLUSIONS)

GRACE = "spec.terminationGracePeriodSeconds"
SYSCTL = f"spec.securityContext.sysctls[{PORT_START}]"
_PULL_SECRET = re.compile(r"spec\.imagePullSecrets\[(.+)\]")
_SHARE = re.compile(r"spec\.resources\.(requests|limits)\.(.+)")
_PRE_STOP = re.compile(r"spec\.containers\[(.+)\]\.lifecycle\.preStop")

LONGEST_GRACE = 2**31
"""Seconds beyond which no grace period is raised: past 64 bits the API server would refuse the pod."""

_BACK = "what udplb had changed would be put back"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its name, what stood there before, and the edit, None where an earlier pass made it."""

    name: str
    before: Before = None
    edit: Edit | None = None


def annotation(key: str) -> str:
    """The name of a changed annotation."""
    return f"metadata.annotations[{key}]"


def pull_secret(name: str) -> str:
    return f"spec.imagePullSecrets[{name}]"


def share(kind: str, resource: str) -> str:
    """The name of a raised pod-level request or limit (the kind)."""
    return f"spec.resources.{kind}.{resource}"


def pre_stop(container: str) -> str:
    return f"spec.containers[{container}].lifecycle.preStop"


def is_sleep(hook: Any) -> bool:
    """Whether a preStop is what we write: a sleep and nothing else."""
    match hook:
        case {"sleep": {"seconds": int()}, **rest} if not rest:
            return True
    return False


def is_believable(name: str, before: Before) -> bool:
    """Whether a status of ours may say that this stood there: anything else put back would have the pod refused."""
    if name == GRACE:
        return before is None or (isinstance(before, int) and 0 <= before < LONGEST_GRACE)
    if _SHARE.fullmatch(name):
        return parse_quantity(str(before)) is not None
    return before is None or (isinstance(before, str) and name in map(annotation, _ANNOTATIONS))


def undo(spec: Raw, changed: Mapping[str, Before]) -> Iterator[Edit]:
    """What takes these changes of a pod's spec back, where they still stand."""
    if not changed:
        return
    secrets = {match[1] for name in changed if (match := _PULL_SECRET.fullmatch(name))}
    if secrets:
        yield from _without(spec, ("spec",), "imagePullSecrets", secrets)
    if SYSCTL in changed:
        yield from _without(spec.map("securityContext"), ("spec", "securityContext"), "sysctls", {PORT_START})
    for name, before in changed.items():
        match = _SHARE.fullmatch(name)
        if match and match[2] in spec.map("resources").map(match[1]).fields:
            yield _put(("spec", "resources", match[1], match[2]), before)
    if GRACE in changed and spec.get("terminationGracePeriodSeconds") is not None:
        yield _put(("spec", "terminationGracePeriodSeconds"), changed[GRACE])
    yield from _awake(spec, {match[1] for name in changed if (match := _PRE_STOP.fullmatch(name))})


def undo_annotations(
    annotations: Mapping[str, str], changed: Mapping[str, Before], others: Set[str] = frozenset()
) -> Iterator[Edit]:
    """The same for annotations; `others` go with them, and the map where nothing is left in it."""
    if not changed and not others:
        return
    before: dict[str, Before] = {
        key: changed[annotation(key)] for key in _ANNOTATIONS if annotation(key) in changed
    }
    before |= dict.fromkeys(others)
    if annotations and all(key in before and before[key] is None for key in annotations):
        yield _put(("metadata", "annotations"), None)
        return
    for key, value in before.items():
        if key in annotations:
            yield _put(("metadata", "annotations", key), value)


def _put(path: tuple[str | int, ...], before: Before) -> Edit:
    if before is None:
        return Edit(CODE, path, action=Action.REMOVE, says=_BACK)
    return Edit(CODE, path, before, says=_BACK)


def _without(parent: Raw, path: tuple[str, ...], name: str, removed: Set[str]) -> Iterator[Edit]:
    """A list without these items; a list, and a map around it, that would be left empty goes too."""
    items = parent.items(name)
    rest = [item for item in items if Raw(item).text("name") not in removed]
    if len(rest) == len(items):
        return
    if not rest:
        alone = len(parent.fields) == 1
        yield _put(path if alone else (*path, name), None)
        return
    for index in reversed(range(len(items))):
        if Raw(items[index]).text("name") in removed:
            yield _put((*path, name, index), None)


def _awake(spec: Raw, containers: Set[str]) -> Iterator[Edit]:
    """The containers without the sleep that we gave them."""
    for index, item in enumerate(spec.items(CONTAINERS)):
        container = Raw(item, f"spec.{CONTAINERS}[{index}]")
        lifecycle = container.map("lifecycle")
        if container.text("name") in containers and is_sleep(lifecycle.get("preStop")):
            path = ("spec", CONTAINERS, index, "lifecycle")
            yield _put(path if len(lifecycle.fields) == 1 else (*path, "preStop"), None)
