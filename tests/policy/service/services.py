"""Raw Services for the tables: a game server's, and whatever a row changes of it."""

from __future__ import annotations

from typing import Any

from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace, Owner, Sidecar

LBC = Cluster(sidecar=Sidecar(image="udp-healthcheck:test"), owner=Owner.LBC)
AUTO_MODE = Cluster(sidecar=Sidecar(image="udp-healthcheck:test"), owner=Owner.AUTO_MODE)
UNKNOWN = Cluster(sidecar=Sidecar(image="udp-healthcheck:test"))
OPTED_IN = Namespace("games", {keys.INJECT: "enabled", keys.READINESS_GATE: "enabled"})

GAME = {"name": "game", "port": 7777, "protocol": "UDP", "targetPort": 7777}
DNS_UDP = {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": 5353}
DNS_TCP = {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": 5353}
WEB = {"name": "web", "port": 80, "protocol": "TCP", "targetPort": 8080}

OURS = {
    "nlb-target-type": "ip",
    "healthcheck-protocol": "tcp",
    "healthcheck-port": "traffic-port",
    "attributes": "load_balancing.cross_zone.enabled=true",
}
"""What udplb writes on a plain UDP Service, by short name."""


def service(
    annotations: dict[str, str] | None = None,
    *ports: dict[str, Any],
    plain: dict[str, str] | None = None,
    metadata: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A LoadBalancer Service; annotations by AWS's short name, or by their whole key."""
    written = {name if "/" in name else keys.aws(name): value for name, value in (annotations or {}).items()}
    written |= plain or {}
    raw = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "game", "namespace": "games", "annotations": written, **(metadata or {})},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "game"},
            "externalTrafficPolicy": "Cluster",
            "ports": list(ports) or [GAME],
            **spec,
        },
    }
    return raw | ({"status": status} if status else {})


LIVE = {"loadBalancer": {"ingress": [{"hostname": "nlb.example"}]}}


def finished(
    annotations: dict[str, str] | None = None, *ports: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """The same Service after admission: with everything that udplb sets."""
    fields = {"loadBalancerClass": "service.k8s.aws/nlb", "externalTrafficPolicy": "Local"} | more
    return service(OURS | (annotations or {}), *ports, **fields)
