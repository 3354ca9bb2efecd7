"""Kubernetes objects of any kind, as far as the command line looks at all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from webhook.handlers import SERVICE
from webhook.policy.raw import MalformedObject
from webhook.policy.service.objects import Service, parse_service


@dataclass(frozen=True, slots=True)
class KubernetesObject:
    """An object as a manifest or the API server gives it; `default_namespace` is where it goes if it names none."""

    raw: Mapping[str, Any]
    default_namespace: str

    @property
    def kind(self) -> str:
        return str(self.raw.get("kind", ""))

    @property
    def type(self) -> tuple[str, str]:
        """Group and kind; `v1` has no group."""
        group, separator, _ = str(self.raw.get("apiVersion", "")).rpartition("/")
        return (group if separator else ""), self.kind

    @property
    def metadata(self) -> Mapping[str, Any]:
        metadata = self.raw.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def labels(self) -> dict[str, str]:
        labels = self.metadata.get("labels")
        return {key: str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace") or self.default_namespace)

    @property
    def name(self) -> str:
        return str(self.metadata.get("name") or self.metadata.get("generateName") or "")

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.kind, self.namespace, self.name

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def load_balancers(objects: Iterable[KubernetesObject]) -> Iterator[Service]:
    """The Services among them that are load balancers; one with a field of a wrong type is none."""
    for one in objects:
        if one.type in SERVICE:
            with suppress(MalformedObject):
                service = parse_service(one.raw, one.namespace)
                if service.type == "LoadBalancer":
                    yield service
