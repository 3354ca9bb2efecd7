"""Every edit that brings the sidecar into a pod, keeps it whole, or takes it out again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from webhook.policy import keys
from webhook.policy.finding import Action, Edit
from webhook.policy.pod import drain, mesh, surroundings
from webhook.policy.pod.change import CODE, Change, undo, undo_annotations
from webhook.policy.pod.container import build, hash_of
from webhook.policy.pod.injection import Facts, Inject, Skip
from webhook.policy.pod.status import Status
from webhook.policy.pod.verify import PLACES, damage

_ALL_ANNOTATIONS_BYTES = 256 * 1024
"""Source: Kubernetes `apimachinery/pkg/api/validation`, TotalAnnotationSizeLimitB."""
_REPAIRED = ("restartPolicy", "args", "ports", "lifecycle")


def insertion(facts: Facts, inject: Inject) -> tuple[Edit, ...]:
    """What must change so that the pod holds the sidecar; nothing where it does."""
    container = build(facts, inject)
    changes: Sequence[Change] = [
        *surroundings.changes(facts, inject),
        *drain.changes(facts),
        *mesh.changes(facts, inject.plan.ports),
    ]
    status = _status(facts, inject, container, changes)
    text = str(status)
    if not _fit(facts, {**_written(changes), keys.STATUS: text}):
        changes = [change for change in changes if not _is_annotation(change)]
        status = _status(facts, inject, container, changes)
        text = str(status)
    gone = {name: before for name, before in facts.changed.items() if name not in status.changed}
    return (
        *undo(facts.spec, gone),
        *(change.edit for change in changes if change.edit),
        *_container_edits(facts, inject, container, status),
        *undo_annotations(facts.pod.annotations, gone),
        *_status_edits(facts, text),
    )


def _status(facts: Facts, inject: Inject, container: Mapping[str, Any], changes: Iterable[Change]) -> Status:
    ports = inject.plan.ports
    return Status(
        facts.cluster.version,
        True,
        hash=hash_of(container, facts.wishes.native, surroundings.opened_port(facts, inject)),
        ports=ports,
        skipped=inject.plan.skipped,
        changed={change.name: change.before for change in changes},
        mesh=mesh.seen(facts, ports),
    )


def removal(facts: Facts, skip: Skip, recorded: bool) -> tuple[Edit, ...]:
    """What must change so that the pod holds nothing of ours, but the reason where it is `recorded`."""
    if not recorded:
        return uninjection(facts)
    status = Status(facts.cluster.version, False, skip.reason, skipped=skip.plan.skipped)
    return (
        *(_taken_out(facts) if facts.ours else ()),
        *undo_annotations(facts.pod.annotations, facts.changed),
        *_status_edits(facts, str(status)),
    )


def uninjection(facts: Facts) -> tuple[Edit, ...]:
    """What takes out all that the status says is ours, and the status."""
    ours = {keys.STATUS} & facts.pod.annotations.keys()
    return (
        *(_taken_out(facts) if facts.ours else ()),
        *undo_annotations(facts.pod.annotations, facts.changed, ours),
    )


def _taken_out(facts: Facts) -> Iterator[Edit]:
    yield from undo(facts.spec, facts.changed)
    yield from _removed(facts)


def _container_edits(
    facts: Facts, inject: Inject, container: dict[str, Any], status: Status
) -> Iterator[Edit]:
    if inject.resources is None:
        yield from _repairs(facts, inject, container, status)
        return
    yield from _removed(facts)
    native = facts.wishes.native
    numbers = " and ".join(str(number) for number in inject.plan.ports)
    yield Edit(
        CODE,
        ("spec", PLACES[native], 0 if native else -1),
        container,
        Action.INSERT,
        f"the sidecar would be added, listening on TCP {numbers}",
    )


def _repairs(facts: Facts, inject: Inject, container: Mapping[str, Any], status: Status) -> Iterator[Edit]:
    """The fields that make the sidecar work, put right where it is damaged or asked for something else."""
    same = facts.status is not None and facts.status.hash == status.hash
    if same and not damage(facts.pod.sidecars, facts.wishes.native, inject.plan.ports):
        return
    (sidecar,) = facts.pod.sidecars
    present = facts.spec.items(sidecar.place)[sidecar.index]
    for name in _REPAIRED:
        path = ("spec", sidecar.place, sidecar.index, name)
        if name in container and present.get(name) != container[name]:
            yield Edit(CODE, path, container[name], says="the sidecar would be repaired")
        elif name in present and name not in container:
            yield Edit(CODE, path, action=Action.REMOVE, says="the sidecar would be repaired")


def _removed(facts: Facts) -> Iterator[Edit]:
    """From the highest index down, so that the lower ones stay where they are; no empty list is left."""
    for place in PLACES.values():
        indexes = [sidecar.index for sidecar in facts.pod.sidecars if sidecar.place == place]
        if indexes and len(indexes) == len(facts.spec.items(place)):
            yield Edit(CODE, ("spec", place), action=Action.REMOVE, says="the old sidecar would be removed")
            continue
        for index in reversed(indexes):
            path = ("spec", place, index)
            yield Edit(CODE, path, action=Action.REMOVE, says="the old sidecar would be removed")


def _status_edits(facts: Facts, text: str) -> Iterator[Edit]:
    present = facts.pod.annotations.get(keys.STATUS)
    path = ("metadata", "annotations", keys.STATUS)
    if not _fit(facts, {keys.STATUS: text}):
        if present is not None:
            yield Edit(CODE, path, action=Action.REMOVE, says="the old status would be removed")
    elif present != text:
        yield Edit(CODE, path, text, says="would record what was done")


def _written(changes: Iterable[Change]) -> dict[str, str]:
    """The annotations that the changes write."""
    edits = (change.edit for change in changes if _is_annotation(change))
    return {str(edit.path[-1]): str(edit.value) for edit in edits if edit}


def _is_annotation(change: Change) -> bool:
    return change.edit is not None and change.edit.path[:-1] == ("metadata", "annotations")


def _fit(facts: Facts, annotations: Mapping[str, str]) -> bool:
    """Whether the pod takes these annotations, too: no pod is refused for the sake of ours."""
    text = "".join(chain.from_iterable({**facts.pod.annotations, **annotations}.items()))
    return len(text) <= _ALL_ANNOTATIONS_BYTES and len(text.encode()) <= _ALL_ANNOTATIONS_BYTES
