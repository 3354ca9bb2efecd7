"""Namespaces, as metadata only, and the LimitRanges in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from webhook.kube.informer import Collection, Key
from webhook.policy import keys
from webhook.policy.cluster import LimitRange, parse_limit_range
from webhook.policy.raw import Raw

METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
NAMESPACES = Collection(
    "/api/v1/namespaces", accept_list=METADATA.format("List"), accept_watch=METADATA.format("")
)
LIMIT_RANGES = Collection("/api/v1/limitranges")

Strings = Mapping[str, str]


class Held(NamedTuple):
    """What is kept of a namespace: all labels, and the annotations that ask for a mesh's proxy."""

    labels: Strings
    annotations: Strings


NOTHING = Held({}, {})


class NamespaceStore:
    """The labels of each namespace that opted in; of the others only that they are there."""

    def __init__(self) -> None:
        self._snapshot: Mapping[str, Held] = {}

    def labels(self, name: str) -> Strings | None:
        """None for a namespace that is not held, nothing for one that did not opt in."""
        held = self._snapshot.get(name)
        return held.labels if held else None

    def in_mode(self, mode: str) -> list[str]:
        """The names of the namespaces with this word of opt-in, in order."""
        return sorted(name for name, held in self._snapshot.items() if held.labels.get(keys.INJECT) == mode)

    def annotations(self, name: str) -> Strings:
        """Those of meshes; nothing for a namespace that is not held or did not opt in."""
        return self._snapshot.get(name, NOTHING).annotations

    def read(self, raw: Mapping[str, Any]) -> Held:
        """Raises MalformedObject."""
        metadata = Raw(raw).map("metadata")
        labels = metadata.strings("labels")
        if labels.get(keys.INJECT) not in keys.MODES:
            return NOTHING
        annotations = metadata.strings("annotations")
        return Held(labels, {key: annotations[key] for key in keys.MESH_SWITCHES if key in annotations})

    def replace(self, objects: Mapping[Key, Held]) -> None:
        self._snapshot = {key.name: held for key, held in objects.items()}

    def put(self, key: Key, value: Held) -> None:
        self._snapshot = {**self._snapshot, key.name: value}

    def remove(self, key: Key) -> None:
        self._snapshot = {name: held for name, held in self._snapshot.items() if name != key.name}


class LimitRangeStore:
    """The limits of each namespace, of all its LimitRanges together, by their names."""

    def __init__(self) -> None:
        self._objects: dict[Key, tuple[LimitRange, ...]] = {}
        self._snapshot: Mapping[str, tuple[LimitRange, ...]] = {}

    def in_namespace(self, namespace: str) -> tuple[LimitRange, ...]:
        return self._snapshot.get(namespace, ())

    def read(self, raw: Mapping[str, Any]) -> tuple[LimitRange, ...]:
        """Raises MalformedObject."""
        return parse_limit_range(raw)

    def replace(self, objects: Mapping[Key, tuple[LimitRange, ...]]) -> None:
        self._objects = dict(objects)
        self._publish()

    def put(self, key: Key, value: tuple[LimitRange, ...]) -> None:
        self._objects[key] = value
        self._publish()

    def remove(self, key: Key) -> None:
        self._objects.pop(key, None)
        self._publish()

    def _publish(self) -> None:
        snapshot: dict[str, tuple[LimitRange, ...]] = {}
        for key in sorted(self._objects):
            snapshot[key.namespace] = snapshot.get(key.namespace, ()) + self._objects[key]
        self._snapshot = snapshot
