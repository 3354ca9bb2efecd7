"""Frozen views of Kubernetes pods, read once from the raw object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhook.policy import keys
from webhook.policy.raw import MalformedObject, Raw

SIDECAR_NAME = "udp-healthcheck"
CONTAINERS = "containers"
INIT_CONTAINERS = "initContainers"
PORT_START = "net.ipv4.ip_unprivileged_port_start"

_WINDOWS = "windows"
_OS_LABEL = "kubernetes.io/os"
_FARGATE_PROFILE = "eks.amazonaws.com/fargate-profile"
_FARGATE_SCHEDULER = "fargate-scheduler"


@dataclass(frozen=True, slots=True)
class ContainerPort:
    """One entry of a container's `ports`."""

    number: int
    protocol: str
    name: str


@dataclass(frozen=True, slots=True)
class Container:
    """What the policy reads of a container; `args` only of the one that bears our name."""

    name: str
    ports: tuple[ContainerPort, ...]
    restart_policy: str
    args: tuple[str, ...] = ()

    @property
    def restarts_always(self) -> bool:
        return self.restart_policy == "Always"


@dataclass(frozen=True, slots=True)
class Placed:
    """A container of our name and where it stands: `containers` or `initContainers`, and its index."""

    place: str
    index: int
    container: Container


@dataclass(frozen=True, slots=True)
class Pod:
    """What the policy reads of a pod.

    `applications` are the containers that run for the pod's whole life, restartable init containers
    included, ours not; `starters` the init containers that end; `sidecars` are those of our name, wherever
    they stand. `named` are the applications' ports by name and protocol, the first of each. `port_start` is the
    pod's own `net.ipv4.ip_unprivileged_port_start`, None without one.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owned: bool = False
    restart_policy: str = "Always"
    host_network: bool = False
    windows: bool = False
    fargate: bool = False
    applications: tuple[Container, ...] = ()
    starters: tuple[Container, ...] = ()
    sidecars: tuple[Placed, ...] = ()
    named: Mapping[tuple[str, str], int] = field(default_factory=dict)
    port_start: str | None = None

    @property
    def mirror(self) -> bool:
        return keys.MIRROR_POD in self.annotations

    def declared(self, protocol: str) -> set[int]:
        """The port numbers that the applications declare for this protocol."""
        return {
            port.number
            for container in self.applications
            for port in container.ports
            if port.protocol == protocol
        }

    @property
    def written_tcp_ports(self) -> set[int]:
        """The numbers that any container but ours declares for TCP, whether it stays or ends."""
        containers = (*self.applications, *self.starters)
        return {port.number for one in containers for port in one.ports if port.protocol == "TCP"}

    def resolve(self, target: int | str, protocol: str) -> int | None:
        """A Service's target port as a number in this pod: a name counts with its protocol only.

        Source: Kubernetes `pkg/api/v1/pod/util.go`, FindPort, which EndpointSlices are made by.
        """
        return target if isinstance(target, int) else self.named.get((target, protocol))


def parse_pod(raw: Mapping[str, Any]) -> Pod:
    """The view of a raw pod.

    Raises:
        MalformedObject: a field has another type than the API has.
    """
    view = Raw(raw)
    metadata, spec = view.map("metadata"), view.map("spec")
    labels = metadata.strings("labels")
    applications, starters, sidecars = _parse_containers(spec)
    return Pod(
        labels=labels,
        annotations=metadata.strings("annotations"),
        owned=is_owned(metadata),
        restart_policy=spec.text("restartPolicy") or "Always",
        host_network=spec.boolean("hostNetwork") or False,
        windows=_is_windows(spec),
        fargate=_FARGATE_PROFILE in labels or spec.text("schedulerName") == _FARGATE_SCHEDULER,
        applications=applications,
        starters=starters,
        sidecars=sidecars,
        named=_named(applications),
        port_start=_port_start(spec),
    )


def is_owned(metadata: Raw) -> bool:
    """Whether a controller owns the object: a ReplicaSet its pod, a CronJob its Job."""
    return any(owner.boolean("controller") for owner in metadata.maps("ownerReferences"))


def _parse_containers(
    spec: Raw,
) -> tuple[tuple[Container, ...], tuple[Container, ...], tuple[Placed, ...]]:
    applications, starters, sidecars = [], [], []
    for place in (CONTAINERS, INIT_CONTAINERS):
        for index, item in enumerate(spec.items(place)):
            container = _parse_container(Raw(item, f"spec.{place}[{index}]"))
            if container.name == SIDECAR_NAME:
                sidecars.append(Placed(place, index, container))
            elif place == CONTAINERS or container.restarts_always:
                applications.append(container)
            else:
                starters.append(container)
    return tuple(applications), tuple(starters), tuple(sidecars)


def _named(applications: Sequence[Container]) -> dict[tuple[str, str], int]:
    ports = [port for container in applications for port in container.ports if port.name]
    return {(port.name, port.protocol): port.number for port in reversed(ports)}


def _parse_container(raw: Raw) -> Container:
    name = raw.text("name")
    return Container(
        name=name,
        ports=tuple(_parse_port(port) for port in raw.maps("ports")),
        restart_policy=raw.text("restartPolicy"),
        args=raw.texts("args") if name == SIDECAR_NAME else (),
    )


def _parse_port(raw: Raw) -> ContainerPort:
    number = raw.integer("containerPort")
    if not 0 < number < 65536:
        raise MalformedObject(f"{raw.path}.containerPort")
    return ContainerPort(number, raw.text("protocol") or "TCP", raw.text("name"))


def _is_windows(spec: Raw) -> bool:
    if spec.map("os").text("name") == _WINDOWS:
        return True
    return spec.map("nodeSelector").text(_OS_LABEL) == _WINDOWS


def _port_start(spec: Raw) -> str | None:
    for sysctl in spec.map("securityContext").maps("sysctls"):
        if sysctl.text("name") == PORT_START:
            return sysctl.text("value")
    return None
