"""T: what a target is, a pod or a node."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import TRAFFIC_PORT
from webhook.policy.service.owners import TARGET_TYPES
from webhook.policy.service.rules.refused import at, refused

NAME = "nlb-target-type"
ONLY_UDP = ("UDP", "QUIC")
BESIDE = "create a second Service with ip, and move clients; here it would replace the target groups"
BOTH_WAYS = "write ip, or keep instance and set spec.externalTrafficPolicy: Local"


def missing(facts: Facts) -> Iterator[Fault]:
    if facts.service.aws(NAME) is None and facts.targets_nodes and (facts.new or unanswered(facts)):
        reason = "without it targets are nodes, and the TCP check hits a UDP node port that nobody opens"
        yield at(facts, NAME, reason, _way_out(facts, "write ip (apply again if another webhook removed it)"))


def misspelt(facts: Facts) -> Iterator[Fault]:
    written = facts.service.aws(NAME)
    if written is not None and written not in TARGET_TYPES and facts.targets_nodes:
        reason = f"{written!r} is no target type, and the controller silently takes instance"
        yield at(facts, NAME, reason, _way_out(facts, "write ip, in lower case"))


def _way_out(facts: Facts, fix: str) -> str:
    """Of a live load balancer whose targets are nodes, ip would replace every target group."""
    now = facts.before or facts
    return BESIDE if not facts.new and now.service.live and now.targets_nodes else fix


def unanswered(facts: Facts) -> bool:
    """The check hits a UDP node port where no TCP is served.

    The TCP twin of a merged port has the same node port, and kube-proxy serves it. A node port of 0 is
    not allocated yet.
    """
    tcp = {port.node_port for port in facts.service.ports if port.protocol == "TCP"}
    silent = {port.node_port for port in facts.service.udp_ports} - tcp - {0}
    return any(
        group.target_type == "instance"
        and (
            group.health_check.port in silent
            or (group.health_check.port == TRAFFIC_PORT and listener.protocol in ONLY_UDP)
        )
        for listener in facts.model.listeners
        for group in listener.target_groups
    )


def instance_unanswered(facts: Facts) -> Iterator[Fault]:
    """A node's UDP port answers no TCP: only the kube-proxy health port or a node's own port does."""
    local = facts.service.external_traffic_policy == "Local"
    if facts.service.aws(NAME) == "instance" and not local and unanswered(facts):
        reason = "with externalTrafficPolicy: Cluster the TCP check hits a UDP node port that nobody opens"
        yield at(facts, NAME, reason, _way_out(facts, BOTH_WAYS))


def instance_answered_elsewhere(facts: Facts) -> Iterator[Fault]:
    explicit = facts.service.aws("healthcheck-port")
    local = facts.service.external_traffic_policy == "Local"
    if facts.targets_nodes and not local and explicit is not None and not unanswered(facts):
        reason = f"nodes are checked on {explicit}, which says nothing about the UDP server in the pods"
        yield at(facts, NAME, reason, "write ip to have each pod checked on its own")


def two_types(facts: Facts) -> Iterator[Fault]:
    if facts.service.aws("type") == "nlb-ip" and facts.service.aws(NAME) == "instance":
        reason = f"{keys.aws('type')}: nlb-ip asks for ip targets, this annotation for instance targets"
        yield at(facts, NAME, reason, "write ip, or remove the type annotation")


def no_selector(facts: Facts) -> Iterator[Fault]:
    if facts.new and not facts.service.selector:
        reason = "only endpoints that name a pod are registered as ip targets"
        yield Fault("spec.selector", reason, "add a selector, or EndpointSlices whose targetRef is a pod")


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB201",
        Severity.REJECT,
        "The target type is not written",
        "The controller's default is instance: UDP goes to a node port and the TCP check goes to the same number, "
        "where nobody listens. Every target is red, and the load balancer fails open.",
        "LBC model_build_target_group.go",
        missing,
    ),
    Rule(
        "UDPLB202",
        Severity.REJECT,
        "The target type is misspelt",
        "The controller compares exactly. Every word but ip means instance, without an error or an event.",
        "LBC model_build_target_group.go",
        misspelt,
    ),
    Rule(
        "UDPLB203",
        Severity.REJECT,
        "Nobody answers the check of instance targets",
        "Instance targets can be healthy with externalTrafficPolicy: Local, where kube-proxy answers an HTTP check "
        "for each node, or with a check port that a node opens itself.",
        "LBC model_build_target_group.go; LBC issue 2144",
        instance_unanswered,
    ),
    Rule(
        "UDPLB204",
        Severity.REJECT,
        "Instance targets need node ports",
        "With allocateLoadBalancerNodePorts: false there is no port on the nodes to send traffic to.",
        "LBC model_build_target_group.go",
        refused("UDPLB204", "set the target type to ip, or allow node ports"),
    ),
    Rule(
        "UDPLB206",
        Severity.REJECT,
        "The controller does not allow ip targets",
        "The controller was started with the gate EnableIPTargetType off.",
        "LBC model_build_target_group.go",
        refused("UDPLB206", "start the controller with EnableIPTargetType=true"),
    ),
    Rule(
        "UDPLB207",
        Severity.REJECT,
        "Two target types at once",
        "type: nlb-ip wins over the target type, so what stands there is not what is built.",
        "LBC model_build_target_group.go",
        two_types,
    ),
    Rule(
        "UDPLB209",
        Severity.WARN,
        "The Service selects no pods",
        "Without a selector, and without EndpointSlices that name pods, the target group stays empty.",
        "LBC pkg/backend/endpoint_resolver.go",
        no_selector,
    ),
    Rule(
        "UDPLB240",
        Severity.WARN,
        "The check of instance targets does not see the pods",
        "A check of a node's own port is green as long as the node lives.",
        "LBC model_build_target_group.go",
        instance_answered_elsewhere,
    ),
)
