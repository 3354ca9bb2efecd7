"""U: changes of a live load balancer that work, and what they cost or do not do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.annotations import NOT_A_BOOL, NOT_A_MAP
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import UDP_PROTOCOLS, NetworkLoadBalancer
from webhook.policy.service.owners import SERVED, Ownership
from webhook.policy.service.rules.immutable import protocols, target_types
from webhook.policy.service.rules.refused import at
from webhook.policy.service.target_groups import PROXY_PROTOCOL

OTHER_ATTRIBUTES = ("target-group-attributes", "listener-attributes")
FIXED_ADDRESSES = ("eip-allocations", "private-ipv4-addresses")
MOST_SHOWN = 3
"""Of what is listed in one warning; its 256 characters hold no more."""
END = {
    Ownership.LBC: "the controller deletes its load balancer, and the DNS name and addresses are gone for good",
    Ownership.AUTO_MODE: "EKS Auto Mode deletes its load balancer, and the DNS name and addresses are gone for good",
    Ownership.LEGACY: "the legacy controller deletes its load balancer, and the DNS name is gone for good",
}
BY_ANNOTATION = (
    "the controller keeps the load balancer because of the annotations, and can never write its status"
)


def to_ip_targets(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None:
        return
    if target_types(before.model) == {"instance"} and target_types(facts.model) == {"ip"}:
        reason = "each target group is replaced by an empty one; traffic is lost until pods are registered, in minutes"
        yield at(
            facts, "nlb-target-type", reason, "give the pods their sidecar first, then change it off-peak"
        )


def replaced_groups(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    was = protocols(before.model) if before is not None else {}
    for port, protocol in protocols(facts.model).items():
        old = was.get(port, protocol)
        if old != protocol and {old, protocol} & UDP_PROTOCOLS:
            reason = (
                f"port {port} goes from {old} to {protocol}: its target group is replaced by an empty one, "
                "and registration takes minutes"
            )
            yield Fault("spec.ports", reason, "change it off-peak, or add another port first", str(port))


def listener_gone(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None:
        return
    left = {listener.port for listener in facts.model.listeners}
    gone = [listener for listener in before.model.listeners if listener.port not in left]
    if gone:
        shown = _listed([f"{listener.protocol} {listener.port}" for listener in gone])
        reason = f"the live listener of {shown} is deleted, and its clients are cut off"
        yield Fault("spec.ports", reason, "add the new port first, move clients, then remove this one", shown)


def targets_move(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None:
        return
    fix = "roll the pods in the order of docs/adopting.md"
    was = {port.port: port.target_port for port in before.service.udp_ports}
    for index, port in enumerate(facts.service.ports):
        old = was.get(port.port, port.target_port)
        if port.protocol == "UDP" and old != port.target_port:
            reason = (
                f"targets are registered anew on {port.target_port} instead of {old}, which takes minutes; "
                "sidecars of running pods stay on the old port"
            )
            yield Fault(f"spec.ports[{index}].targetPort", reason, fix, str(port.target_port))
    if facts.service.selector != before.service.selector:
        reason = (
            "other pods become the targets: registration takes minutes, and those pods may have no sidecar"
        )
        yield Fault("spec.selector", reason, fix)


def name_without_effect(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is not None and facts.read("name") != before.read("name"):
        reason = "a live load balancer keeps its name: the change has no effect"
        yield at(facts, "name", reason, "put the old value back, so that the manifest tells the truth")


def addresses_without_effect(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    if before is None or facts.items("subnets") != before.items("subnets"):
        return
    for name in FIXED_ADDRESSES:
        if facts.items(name) != before.items(name):
            reason = "a live load balancer keeps its addresses in subnets that stay: the change has no effect"
            yield at(
                facts, name, reason, "put the old value back, or create a second Service and move clients"
            )


def attributes_stay(facts: Facts) -> Iterator[Fault]:
    """An attribute that is no longer written keeps its value on AWS, and whatever other key had written it."""
    before = facts.running
    if before is None or facts.refuses(NOT_A_MAP, NOT_A_BOOL):
        return
    yield from _gone(facts, "attributes", before.model.attributes, facts.model.attributes)
    for name in before.annotations:
        if name.partition(".")[0] in OTHER_ATTRIBUTES:
            left = facts.pairs(name) if facts.read(name) is not None else {}
            yield from _gone(facts, name, before.pairs(name), left)


def _gone(facts: Facts, name: str, before: Mapping[str, str], left: Mapping[str, str]) -> Iterator[Fault]:
    gone = [f"{key}={value}" for key, value in before.items() if key not in left and key != PROXY_PROTOCOL]
    if gone:
        reason = f"{_listed(gone)} stays on AWS, though it is no longer written"
        yield at(facts, name, reason, "write the value that it shall have instead")


def proxy_protocol_toggled(facts: Facts) -> Iterator[Fault]:
    before = facts.running
    was = _proxied(before.model) if before is not None else {}
    changed = [
        str(port) for port, proxied in _proxied(facts.model).items() if was.get(port, proxied) != proxied
    ]
    if changed:
        reason = (
            f"proxy protocol changes at once for port {_listed(changed)}; a server that does not change with it "
            "misreads what it gets"
        )
        yield Fault("metadata.annotations", reason, "change the server at the same moment", ",".join(changed))


def _proxied(model: NetworkLoadBalancer) -> dict[int, bool]:
    return {
        listener.port: gosyntax.parse_bool(listener.target_groups[0].attributes.get(PROXY_PROTOCOL, ""))
        is True
        for listener in model.listeners
    }


def load_balancer_ends(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    if before is None or facts.service.type == "LoadBalancer":
        return
    words = END.get(before.ownership, "")
    if before.ownership is Ownership.LBC and before.service.load_balancer_class is None:
        words = BY_ANNOTATION if facts.ownership is Ownership.LBC else words
    if words:
        fix = (
            "move clients first; remove the annotations as well"
            if words == BY_ANNOTATION
            else "move clients first"
        )
        yield Fault("spec.type", words, fix, facts.service.type)


def opts_out(facts: Facts) -> Iterator[Fault]:
    before = facts.before
    opted_out = facts.service.annotations.get(keys.INJECT) == "false"
    if opted_out and before is not None and before.ownership in SERVED:
        reason = (
            "new pods get no sidecar for this Service and turn red; the pods that still have theirs take all traffic, "
            "down to the last one"
        )
        yield Fault(
            f"metadata.annotations[{keys.INJECT}]",
            reason,
            "opt out in the order of docs/adopting.md",
            "false",
        )


def _listed(words: list[str]) -> str:
    more = len(words) - MOST_SHOWN
    return ", ".join(words[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


REPLACED: Rule[Facts] = Rule(
    "UDPLB808",
    Severity.WARN,
    "The target group of a live port is replaced",
    "A target group's protocol is for life. When UDP becomes TCP_UDP, because a TCP port of the same number comes "
    "or goes or enable-tcp-udp-listener changes, or TCP becomes UDP, a new group starts empty.",
    "LBC pkg/deploy/elbv2/target_group_synthesizer.go, listener_synthesizer.go",
    replaced_groups,
)
LISTENER_GONE: Rule[Facts] = Rule(
    "UDPLB812",
    Severity.WARN,
    "A live listener is deleted",
    "Listeners are matched by their port number: with another number the old one goes and a new one comes.",
    "LBC pkg/deploy/elbv2/listener_synthesizer.go",
    listener_gone,
)
NO_LOAD_BALANCER: Rule[Facts] = Rule(
    "UDPLB829",
    Severity.WARN,
    "The Service is no load balancer any more",
    "With a class, or for the legacy controller, the load balancer is deleted. A Service that the AWS Load "
    "Balancer Controller owns by its annotations alone keeps it, whatever the type.",
    "Kubernetes API, Service; LBC pkg/service/service_utils.go",
    load_balancer_ends,
)
OPTS_OUT: Rule[Facts] = Rule(
    "UDPLB830",
    Severity.WARN,
    "A live Service opts out",
    "Opting out is adoption backwards: as long as one target is green, all others get nothing. Attributes of "
    "target group health let traffic go to all of them meanwhile.",
    "docs/adopting.md",
    opts_out,
)

RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB806",
        Severity.WARN,
        "Instance targets become ip targets on a live Service",
        "Target groups cannot change their type. The controller makes new ones, which start empty, and points the "
        "listeners at them; readiness gates of running pods belong to the old ones and say nothing any more.",
        "LBC pkg/deploy/elbv2/target_group_synthesizer.go",
        to_ip_targets,
    ),
    REPLACED,
    LISTENER_GONE,
    Rule(
        "UDPLB813",
        Severity.WARN,
        "The targets of a live Service move",
        "With another targetPort or selector all targets are deregistered and others registered, which AWS takes "
        "minutes for. A running pod cannot get a sidecar, nor another port for the one it has.",
        "LBC pkg/deploy/elbv2/target_group_binding_synthesizer.go",
        targets_move,
    ),
    Rule(
        "UDPLB816",
        Severity.WARN,
        "The name of a live load balancer cannot change",
        "The annotation is read when the load balancer is made.",
        "LBC docs/guide/service/annotations.md",
        name_without_effect,
    ),
    Rule(
        "UDPLB817",
        Severity.WARN,
        "The addresses of a live load balancer cannot change",
        "The controller compares subnets, not the addresses in them.",
        "LBC pkg/deploy/elbv2/load_balancer_manager.go",
        addresses_without_effect,
    ),
    Rule(
        "UDPLB512",
        Severity.WARN,
        "An attribute that is no longer written stays as it was",
        "The controller changes what it is told and resets nothing. Only proxy protocol is always sent.",
        "LBC pkg/deploy/elbv2/load_balancer_attribute_reconciler.go, target_group_attributes_reconciler.go",
        attributes_stay,
    ),
    Rule(
        "UDPLB832",
        Severity.WARN,
        "Proxy protocol is switched on a live port",
        "The attribute changes in place, for flows that exist as well.",
        "LBC model_build_target_group.go",
        proxy_protocol_toggled,
    ),
    NO_LOAD_BALANCER,
    OPTS_OUT,
)
