"""Namespaces, as metadata only, and the LimitRanges in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webhook.kube.informer import Collection, Key
from webhook.policy import keys
from webhook.policy.cluster import LimitRange, parse_limit_range
from webhook.policy.raw import Raw

METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
NAMESPACES = Collection(
    "/api/v1/namespaces", accept_list=METADATA.format("List"), accept_watch=METADATA.format("")
)
LIMIT_RANGES = Collection("/api/v1/limitranges")

Labels = Mapping[str, str]
NO_LABELS: Labels = {}


class NamespaceStore:
    """The labels of each namespace that opted in; of the others only that they are there."""

    def __init__(self) -> None:
        self._snapshot: Mapping[str, Labels] = {}

    def labels(self, name: str) -> Labels | None:
        """None for a namespace that is not held, nothing for one that did not opt in."""
        return self._snapshot.get(name)

    def read(self, raw: Mapping[str, Any]) -> Labels:
        """Raises MalformedObject."""
        labels = Raw(raw).map("metadata").strings("labels")
        return labels if labels.get(keys.INJECT) in keys.MODES else NO_LABELS

    def replace(self, objects: Mapping[Key, Labels]) -> None:
        self._snapshot = {key.name: labels for key, labels in objects.items()}

    def put(self, key: Key, value: Labels) -> None:
        self._snapshot = {**self._snapshot, key.name: value}

    def remove(self, key: Key) -> None:
        self._snapshot = {name: labels for name, labels in self._snapshot.items() if name != key.name}


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
