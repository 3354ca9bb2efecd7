"""K: the other fields of a Service's spec."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.defaults import TRAFFIC_POLICY
from webhook.policy.service.facts import Facts


def no_node_ports(facts: Facts) -> Iterator[Fault]:
    if facts.new and facts.service.allocate_node_ports is False and not facts.targets_nodes:
        reason = "clients that reach the Service by a node's port have none any more"
        yield Fault(
            "spec.allocateLoadBalancerNodePorts", reason, "remove it if there are such clients", "false"
        )


def affinity(facts: Facts) -> Iterator[Fault]:
    if facts.new and facts.service.session_affinity == "ClientIP":
        reason = "it counts inside the cluster alone: the load balancer does not read it"
        fix = "write stickiness.enabled=true,stickiness.type=source_ip in target-group-attributes"
        yield Fault("spec.sessionAffinity", reason, fix, "ClientIP")


def not_ready(facts: Facts) -> Iterator[Fault]:
    if facts.new and facts.service.publish_not_ready:
        reason = "pods become targets before they are ready"
        yield Fault("spec.publishNotReadyAddresses", reason, "write false", "true")


def external_ips(facts: Facts) -> Iterator[Fault]:
    if facts.new and facts.service.external_ips:
        reason = "they are addresses of nodes, which the load balancer knows nothing of"
        yield Fault("spec.externalIPs", reason, "remove them", ",".join(facts.service.external_ips))


def not_local(facts: Facts) -> Iterator[Fault]:
    if any(edit.code == TRAFFIC_POLICY for edit in facts.missing):
        reason = "it is not Local, so node ports and external addresses lose the client's address"
        fix = "apply again; if it stays, another webhook changes it, or list it in udplb/keep"
        yield Fault("spec.externalTrafficPolicy", reason, fix, facts.service.external_traffic_policy)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB757",
        Severity.WARN,
        "The Service has no node ports",
        "ip targets need none. Clients inside the cluster or the VPC that use a node's address and port do.",
        "Kubernetes API, ServiceSpec; LBC pkg/service",
        no_node_ports,
    ),
    Rule(
        "UDPLB758",
        Severity.WARN,
        "sessionAffinity does not reach the load balancer",
        "kube-proxy obeys it for cluster addresses. The load balancer sticks by an attribute of its target groups.",
        "LBC pkg/service, which does not read the field",
        affinity,
    ),
    Rule(
        "UDPLB761",
        Severity.WARN,
        "Pods that are not ready become targets",
        "With publishNotReadyAddresses the EndpointSlices call every pod ready, and the controller registers it.",
        "LBC pkg/backend/endpoint_resolver.go",
        not_ready,
    ),
    Rule(
        "UDPLB762",
        Severity.WARN,
        "externalIPs are not the load balancer's",
        "kube-proxy takes traffic for these addresses where it reaches a node; the load balancer neither has nor "
        "uses them.",
        "Kubernetes API, ServiceSpec",
        external_ips,
    ),
    Rule(
        "UDPLB763",
        Severity.WARN,
        "externalTrafficPolicy is not Local",
        "ip targets work with both. Local keeps client addresses on the other ways in, and keeps a later change to "
        "instance targets possible.",
        "LBC issue 1813",
        not_local,
    ),
)
