"""The load balancers of every namespace, and which of them select a pod, found by label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from webhook.kube.client import Item
from webhook.policy.raw import MalformedObject
from webhook.policy.service.demand import Demand
from webhook.policy.service.objects import Service, parse_service

PATH = "/api/v1/services"
LOAD_BALANCERS = {"fieldSelector": "spec.type=LoadBalancer"}

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One cached load balancer; `demand` is None where it selects nothing."""

    service: Service
    demand: Demand | None


class Shelf:
    """The load balancers of one namespace, found by the rarest pair of their selector."""

    __slots__ = ("_by_pair", "demands", "entries", "services")

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = entries
        self.services = tuple(entry.service for entry in entries.values())
        self.demands = tuple(sorted_demands(entries.values()))
        counts = Counter(pair for demand in self.demands for pair in demand.selector.items())
        by_pair: dict[Pair, list[Demand]] = {}
        for demand in self.demands:
            rarest = min(demand.selector.items(), key=lambda pair: (counts[pair], pair))
            by_pair.setdefault(rarest, []).append(demand)
        self._by_pair = by_pair

    def selecting(self, labels: Mapping[str, str]) -> Sequence[Demand]:
        """The demands whose selector these labels satisfy, by name of the Service."""
        found = [
            demand
            for pair in labels.items()
            for demand in self._by_pair.get(pair, ())
            if demand.selects(labels)
        ]
        return sorted(found, key=lambda demand: demand.service)


def sorted_demands(entries: Iterable[Entry]) -> list[Demand]:
    demands = [entry.demand for entry in entries if entry.demand is not None]
    return sorted(demands, key=lambda demand: demand.service)


EMPTY = Shelf({})


class ServiceStore:
    """Shelves by namespace; each change makes a new shelf, so a reader never sees half of one."""

    def __init__(self, demand: Callable[[Service], Demand | None]) -> None:
        self._demand = demand
        self._shelves: dict[str, Shelf] = {}

    def shelf(self, namespace: str) -> Shelf:
        return self._shelves.get(namespace, EMPTY)

    def __len__(self) -> int:
        return sum(len(shelf.entries) for shelf in self._shelves.values())

    def replace(self, items: list[Item]) -> None:
        grouped: dict[str, dict[str, Entry]] = {}
        for entry in self.entries(items):
            grouped.setdefault(entry.service.namespace, {})[entry.service.name] = entry
        self._shelves = {namespace: Shelf(entries) for namespace, entries in grouped.items()}

    def put(self, item: Item) -> None:
        for entry in self.entries([item]):
            service = entry.service
            entries = {**self.shelf(service.namespace).entries, service.name: entry}
            self._shelves[service.namespace] = Shelf(entries)

    def drop(self, item: Item) -> None:
        namespace, name = item["metadata"]["namespace"], item["metadata"]["name"]
        entries = {key: entry for key, entry in self.shelf(namespace).entries.items() if key != name}
        if entries:
            self._shelves[namespace] = Shelf(entries)
        else:
            self._shelves.pop(namespace, None)

    def entries(self, items: list[Item]) -> Iterable[Entry]:
        """The entries of raw Services; one that no API server would store is left out."""
        for item in items:
            try:
                service = parse_service(item)
            except MalformedObject:
                continue
            yield Entry(service, self._demand(service))
