"""What `udplb explain` tells of a Service: the load balancer that becomes of it, and who answers its checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.cli.objects import KubernetesObject
from webhook.cli.output import Tree
from webhook.cli.pod_story import Judged, judged, policy_lines
from webhook.cli.release import finding_to_json
from webhook.cli.surroundings import Surroundings
from webhook.policy.finding import Decision, shortened
from webhook.policy.pod.network_policies import shut_out
from webhook.policy.pod.sight import views
from webhook.policy.raw import MalformedObject, Raw
from webhook.policy.service import decision as services
from webhook.policy.service.build import CROSS_ZONE, build
from webhook.policy.service.load_balancer import (
    TRAFFIC_PORT,
    UDP_PROTOCOLS,
    Listener,
    NetworkLoadBalancer,
    TargetGroup,
)
from webhook.policy.service.objects import Service, parse_service
from webhook.policy.service.owners import Ownership, owner

OWNERS = {
    Ownership.LBC: "built by the AWS Load Balancer Controller",
    Ownership.AUTO_MODE: "built by EKS Auto Mode",
    Ownership.LEGACY: "built by the legacy controller, with instance targets",
    Ownership.FOREIGN: "built by another vendor's controller",
    Ownership.NOBODY: "built by nobody: as it stands, no controller serves its UDP ports",
}
_RESOLVED_BY = {"UDP": ("UDP",), "QUIC": ("UDP",), "TCP_UDP": ("TCP", "UDP"), "TCP_QUIC": ("TCP", "UDP")}
"""By which protocols a target port's name may be found in a pod."""
KUBE_PROXY = 10256
"""kube-proxy's own health port, on each node."""
STACK = "service.k8s.aws/stack-name"
"""Label of the TargetGroupBindings that LBC makes for its own Services."""


def story(one: KubernetesObject, around: Surroundings) -> dict[str, Any]:
    """Everything about the Service as JSON. Raises MalformedObject."""
    service = parse_service(one.raw, around.namespace.name)
    siblings = [other for other in around.services() if other.name != service.name]
    decision = _decision(one, service, around, siblings)
    balancer = build(service, around.cluster, siblings)
    behind = list(_behind(service, around))
    return {
        "kind": "Service",
        "namespace": around.namespace.name,
        "name": one.name,
        "owner": str(owner(service, around.cluster)),
        "loadBalancerClass": service.load_balancer_class,
        "mode": around.namespace.mode,
        "reason": decision.reason,
        "sets": [{"code": edit.code, "field": edit.field, "value": edit.value} for edit in decision.edits],
        "loadBalancer": _balancer(balancer, service, behind) if service.type == "LoadBalancer" else None,
        "pods": [
            {
                "kind": about.one.kind,
                "name": about.one.name,
                "sidecar": about.condition,
                "missing": about.missing,
            }
            for about in behind
        ],
        "networkPolicies": _policies(behind, around),
        "findings": [finding_to_json(finding) for finding in decision.findings],
        "notes": list(_routes(one.name, around)),
    }


def _decision(
    one: KubernetesObject, service: Service, around: Surroundings, siblings: Sequence[Service]
) -> Decision:
    if around.namespace.mode is None:
        return Decision(reason="namespace_not_enabled")
    decision = around.decisions.get(one.identity)
    if decision is not None:
        return decision
    selector = service.selector.items()
    running = (pod.raw for pod in around.of("Pod") if selector and selector <= pod.labels.items())
    return services.examine(one.raw, around.namespace, siblings, around.cluster, Counter(views(running)))


def _behind(service: Service, around: Surroundings) -> Iterator[Judged]:
    """The running pods behind the Service or, where there are none, the workloads that make them."""
    found = list(around.of("Pod")) if around.live else around.workloads()
    for one in found:
        try:
            about = judged(one, around)
        except MalformedObject:
            continue
        if any(demand.service == service.name for demand in about.facts.demands):
            yield about


def _policies(behind: Sequence[Judged], around: Surroundings) -> dict[str, list[str]]:
    policies = [policy.raw for policy in around.of("NetworkPolicy")]
    return {
        str(number): list(names)
        for about in behind
        for number, names in shut_out(about.facts.pod, sorted(about.ports), policies).items()
    }


def _routes(name: str, around: Surroundings) -> Iterator[str]:
    """Other ways in, which this release does not look at."""
    for one in around.of("TargetGroupBinding", "UDPRoute"):
        if STACK not in one.labels and name in _backends(one.raw):
            yield (
                f"{one.kind}/{one.name} sends traffic here as well, and is not looked at in this release:"
                " what it probes must be a UDP port that the pods declare, or stand in udplb/ports"
            )


def _backends(raw: Mapping[str, Any]) -> set[str]:
    spec = Raw(raw).map("spec")
    rules = (backend for rule in spec.maps("rules") for backend in rule.maps("backendRefs"))
    return {spec.map("serviceRef").text("name"), *(backend.text("name") for backend in rules)}


def _balancer(balancer: NetworkLoadBalancer, service: Service, behind: Sequence[Judged]) -> dict[str, Any]:
    return {
        "scheme": balancer.scheme,
        "ipAddressType": balancer.ip_address_type,
        "attributes": dict(balancer.attributes),
        "refusals": [refusal.says for refusal in balancer.refusals],
        "listeners": [
            {
                "protocol": listener.protocol,
                "port": listener.port,
                "targetGroups": [
                    _group(listener, group, service, behind) for group in listener.target_groups
                ],
            }
            for listener in balancer.listeners
        ],
    }


def _group(
    listener: Listener, group: TargetGroup, service: Service, behind: Sequence[Judged]
) -> dict[str, Any]:
    check = group.health_check
    told = {
        "protocol": group.protocol,
        "targetType": group.target_type,
        "targetPort": group.target_port if group.target_type == "ip" else group.port,
        "attributes": dict(group.attributes),
        "healthCheck": {
            "protocol": check.protocol,
            "port": check.port,
            "path": check.path,
            "interval": check.interval,
            "timeout": check.timeout,
            "healthyThreshold": check.healthy_threshold,
            "unhealthyThreshold": check.unhealthy_threshold,
        },
    }
    if group.service:
        return told | {
            "service": group.service,
            "answeredBy": [f"whoever answers behind Service {group.service}"],
        }
    by_node = group.target_type == "instance"
    answers = [_node(listener, group, service)] if by_node else list(_pods(group, behind))
    return told | {"answeredBy": list(dict.fromkeys(answers))}


def _node(listener: Listener, group: TargetGroup, service: Service) -> str:
    """Who answers on a node."""
    port = group.health_check.port
    tcp = {entry.node_port for entry in service.ports if entry.protocol == "TCP"}
    if port == TRAFFIC_PORT and listener.protocol in ("UDP", "QUIC"):
        return "nobody: the node port is UDP, and the check is not"
    if service.external_traffic_policy == "Local" and port in (0, service.health_check_node_port):
        return "kube-proxy on each node, for as long as the node has a ready pod"
    if port == TRAFFIC_PORT or port in tcp:
        return "the application, by way of the node port"
    if port == KUBE_PROXY:
        return f"kube-proxy's own health port {port} on each node, which says nothing of the pods"
    return f"whatever listens on port {port} of each node"


def _pods(group: TargetGroup, behind: Sequence[Judged]) -> Iterator[str]:
    """Who answers in each pod."""
    explicit = group.health_check.port
    target = group.target_port if explicit == TRAFFIC_PORT else explicit
    if not behind:
        if group.protocol not in UDP_PROTOCOLS or group.protocol == "TCP_UDP" or explicit != TRAFFIC_PORT:
            yield f"the application on TCP {target}"
        else:
            yield f"the sidecar of each pod on TCP {target}; no pod is in sight"
    for about in behind:
        yield _who(about, target, _RESOLVED_BY.get(group.protocol, ("TCP",)))


def _who(about: Judged, target: int | str, protocols: Sequence[str]) -> str:
    pod, one = about.facts.pod, about.one
    number = next((found for protocol in protocols if (found := pod.resolve(target, protocol))), None)
    if number is None:
        return f"nobody in {one}, no target of this port: no container declares {target!r} on {protocols[0]}"
    if number in about.ports:
        now = f" (it is {about.condition} now)" if about.missing and about.one.kind == "Pod" else ""
        return f"the sidecar of {one} on TCP {number}{now}"
    if number in pod.declared("TCP") or number not in pod.declared("UDP"):
        return f"the application of {one} on TCP {number}"
    return f"nobody in {one} on TCP {number}"


def tree(told: Mapping[str, Any]) -> Tree:
    """The same for people."""
    return Tree(f"Service {told['namespace']}/{told['name']}", list(_branches(told)))


def _branches(told: Mapping[str, Any]) -> Iterator[Tree]:
    by_class = f" (class {told['loadBalancerClass']})" if told["loadBalancerClass"] else ""
    yield Tree(f"{OWNERS[Ownership(told['owner'])]}{by_class}")
    if told["reason"]:
        yield Tree(f"left alone by udplb: {told['reason']}")
    if told["sets"]:
        sets = (f"{shortened(one['field'])}: {one['value']}" for one in told["sets"])
        yield Tree("udplb sets", [Tree(line) for line in sets])
    if told["loadBalancer"]:
        yield _balancer_tree(told["loadBalancer"])
    yield from policy_lines(told["networkPolicies"])
    yield from map(Tree, told["notes"])


def _balancer_tree(balancer: Mapping[str, Any]) -> Tree:
    if balancer["refusals"]:
        return Tree(
            "no load balancer: the controller refuses the Service", list(map(Tree, balancer["refusals"]))
        )
    crossing = "on" if balancer["attributes"].get(CROSS_ZONE) == "true" else "off"
    line = f"network load balancer: {balancer['scheme']}, {balancer['ipAddressType']}, cross-zone {crossing}"
    return Tree(line, [_listener_tree(listener) for listener in balancer["listeners"]])


def _listener_tree(listener: Mapping[str, Any]) -> Tree:
    groups = [_group_tree(group) for group in listener["targetGroups"]]
    return Tree(f"listener {listener['protocol']} {listener['port']}", groups)


def _group_tree(group: Mapping[str, Any]) -> Tree:
    where = "port {} of the pods" if group["targetType"] == "ip" else "port {} of the nodes"
    port = group["targetPort"] or "(allocated later)"
    of = f" of Service {group['service']}" if "service" in group else ""
    check = group["healthCheck"]
    path = f" {check['path']}" if check["path"] else ""
    checked = (
        f"check {check['protocol']} on {check['port'] or 'the health check node port'}{path} every {check['interval']} s,"
        f" timeout {check['timeout']} s, healthy after {check['healthyThreshold']},"
        f" unhealthy after {check['unhealthyThreshold']}"
    )
    answers = [Tree(f"answered by {who}") for who in group["answeredBy"]]
    return Tree(f"target group {group['protocol']}, {where.format(port)}{of}", [Tree(checked, answers)])
