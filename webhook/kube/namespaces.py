"""Namespaces, as metadata only, and the LimitRanges of those that have opted in."""

from __future__ import annotations

from collections.abc import Mapping

from webhook.kube.client import Item
from webhook.policy import keys
from webhook.policy.cluster import LimitRange
from webhook.policy.raw import MalformedObject, Raw

PATH = "/api/v1/namespaces"
METADATA = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
)
LIMIT_RANGES = "/api/v1/limitranges"
NO_LABELS: Mapping[str, str] = {}


class NamespaceStore:
    """Labels by namespace; one that has not opted in is known, but without its labels."""

    def __init__(self) -> None:
        self._labels: dict[str, Mapping[str, str]] = {}

    def labels(self, name: str) -> Mapping[str, str] | None:
        return self._labels.get(name)

    def replace(self, items: list[Item]) -> None:
        self._labels = {item["metadata"]["name"]: _kept(item) for item in items}

    def put(self, item: Item) -> None:
        self._labels[item["metadata"]["name"]] = _kept(item)

    def drop(self, item: Item) -> None:
        self._labels.pop(item["metadata"]["name"], None)


def _kept(item: Item) -> Mapping[str, str]:
    labels: Mapping[str, str] = item["metadata"].get("labels") or NO_LABELS
    return labels if keys.INJECT in labels else NO_LABELS


class LimitRangeStore:
    """The bounds of every namespace, by the LimitRange that sets them."""

    def __init__(self) -> None:
        self._ranges: dict[str, dict[str, tuple[LimitRange, ...]]] = {}

    def ranges(self, namespace: str) -> tuple[LimitRange, ...]:
        held = self._ranges.get(namespace)
        return tuple(bound for bounds in held.values() for bound in bounds) if held else ()

    def replace(self, items: list[Item]) -> None:
        grouped: dict[str, dict[str, tuple[LimitRange, ...]]] = {}
        for item in items:
            namespace, name = _place(item)
            grouped.setdefault(namespace, {})[name] = _bounds(item)
        self._ranges = grouped

    def put(self, item: Item) -> None:
        namespace, name = _place(item)
        self._ranges[namespace] = {**self._ranges.get(namespace, {}), name: _bounds(item)}

    def drop(self, item: Item) -> None:
        namespace, name = _place(item)
        held = self._ranges.get(namespace, {})
        self._ranges[namespace] = {key: bounds for key, bounds in held.items() if key != name}


def _place(item: Item) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _bounds(item: Item) -> tuple[LimitRange, ...]:
    try:
        return tuple(
            LimitRange(
                limit.text("type"),
                limit.strings("min"),
                limit.strings("max"),
                limit.strings("maxLimitRequestRatio"),
            )
            for limit in Raw(item).map("spec").maps("limits")
        )
    except MalformedObject:
        return ()
