"""H: the health check, which is the same for every target group of a Service."""

from __future__ import annotations

import re
from collections.abc import Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Fault, Rule, Severity
from webhook.policy.service.annotations import Reader
from webhook.policy.service.defaults import TARGET_TYPE
from webhook.policy.service.facts import Facts
from webhook.policy.service.load_balancer import TRAFFIC_PORT
from webhook.policy.service.rules.refused import at, refused
from webhook.policy.service.rules.target_type import ONLY_UDP, unanswered
from webhook.policy.service.sight import NOTHING

PORT = "healthcheck-port"
PORTS = range(1, 65536)
NODE_PORTS = range(30000, 32768)
KUBELET_AND_PROXY = (10250, 10256)
RANGES = (
    ("healthcheck-interval", range(5, 301)),
    ("healthcheck-timeout", range(2, 121)),
    ("healthcheck-healthy-threshold", range(2, 11)),
    ("healthcheck-unhealthy-threshold", range(2, 11)),
)
"""What AWS takes: seconds and counts. Source: ELBv2 API, CreateTargetGroup."""
PATH_LIMIT = 1024
CODES = re.compile(r"[2-5]\d\d(-[2-5]\d\d)?(,[2-5]\d\d(-[2-5]\d\d)?)*", re.ASCII)


def port_out_of_range(facts: Facts) -> Iterator[Fault]:
    number = explicit_port(facts)
    if number is not None and number not in PORTS:
        yield at(facts, PORT, f"{number} is no port", "write traffic-port, or a number from 1 to 65535")


def port_of_a_node(facts: Facts) -> Iterator[Fault]:
    """Where the targets were nodes and become pods by us; a pod may well listen there itself."""
    number = explicit_port(facts)
    if number is None:
        return
    made_ip = any(edit.code == TARGET_TYPE for edit in facts.edits)
    of_a_node = number in KUBELET_AND_PROXY or number in NODE_PORTS
    if made_ip and of_a_node and number not in {port.target_port for port in facts.service.ports}:
        reason = f"{number} is a port of nodes, and ip targets are pods: every check is refused"
        yield at(facts, PORT, reason, "write traffic-port")


def port_nobody_may_serve(facts: Facts) -> Iterator[Fault]:
    number = explicit_port(facts)
    if number is None or facts.targets_nodes or facts.early or any(port_of_a_node(facts)):
        return
    if any(number in pod.declared("TCP") for pod in facts.pods or NOTHING):
        return
    targets = {port.target_port for port in facts.service.ports}
    if number in PORTS and number not in targets:
        reason = f"every target is checked on {number}, which must be a TCP port of the application itself"
        yield at(facts, PORT, reason, "write traffic-port to have the sidecar answer for each UDP port")


def one_port_for_all(facts: Facts) -> Iterator[Fault]:
    number = explicit_port(facts)
    targets = {port.target_port for port in facts.service.udp_ports}
    if number is not None and len(targets) > 1 and not facts.targets_nodes:
        reason = f"all {len(targets)} UDP ports are checked on {number} alone, so they share one health"
        yield at(facts, PORT, reason, "write traffic-port to have each port checked on its own")


def explicit_port(facts: Facts) -> int | None:
    written = facts.service.aws(PORT)
    return None if written is None or written == TRAFFIC_PORT else gosyntax.parse_int32(written)


def number_out_of_range(facts: Facts) -> Iterator[Fault]:
    for name, legal in RANGES:
        number = gosyntax.parse_int32(facts.service.aws(name) or "")
        if number is not None and number not in legal:
            reason = f"AWS takes {legal.start} to {legal.stop - 1}, and keeps the old check for ever"
            yield at(facts, name, reason, f"write a number from {legal.start} to {legal.stop - 1}")


def path_or_codes_out_of_range(facts: Facts) -> Iterator[Fault]:
    path = facts.service.aws("healthcheck-path")
    http = any(group.health_check.protocol != "TCP" for group in facts.model.target_groups)
    if http and path is not None and not 1 <= len(path) <= PATH_LIMIT:
        reason = f"AWS takes a path of 1 to {PATH_LIMIT} characters"
        yield at(facts, "healthcheck-path", reason, "write a path such as /")
    codes = facts.service.aws("healthcheck-success-codes")
    if http and codes is not None and not CODES.fullmatch(codes):
        reason = "AWS takes codes and ranges within 200 to 599"
        yield at(facts, "healthcheck-success-codes", reason, "write for example 200-399")


def timeout_over_interval(facts: Facts) -> Iterator[Fault]:
    for group in facts.model.target_groups:
        check = group.health_check
        if check.timeout > check.interval and facts.service.aws("healthcheck-timeout") is not None:
            reason = f"a timeout of {check.timeout} s is longer than the interval of {check.interval} s"
            yield at(facts, "healthcheck-timeout", reason, f"write {check.interval} or less")
            return


def interval_under_the_default_timeout(facts: Facts) -> Iterator[Fault]:
    for group in facts.model.target_groups:
        check = group.health_check
        if check.timeout > check.interval and facts.service.aws("healthcheck-timeout") is None:
            reason = f"the timeout stays at {check.timeout} s, longer than the interval of {check.interval} s"
            fix = f'write {keys.aws("healthcheck-timeout")}: "{check.interval}" beside it'
            yield at(facts, "healthcheck-interval", reason, fix)
            return


def ignored_with_tcp(facts: Facts) -> Iterator[Fault]:
    if not facts.new or any(group.health_check.protocol != "TCP" for group in facts.model.target_groups):
        return
    for name in ("healthcheck-path", "healthcheck-success-codes"):
        if facts.service.aws(name) is not None:
            yield at(facts, name, "a tcp check has none, so it is ignored", "remove it, or check by http")


def tcp_ports_by_http(facts: Facts) -> Iterator[Fault]:
    for listener in facts.model.listeners:
        group = listener.target_groups[0]
        check = group.health_check
        own = check.port in (TRAFFIC_PORT, group.target_port) and group.target_type == "ip"
        if own and check.protocol != "TCP" and listener.protocol not in ONLY_UDP:
            reason = (
                f"{listener.protocol} {listener.port} is checked by {check.protocol} too: there is one "
                "check for all ports, and a TCP server that does not speak HTTP is red"
            )
            yield at(facts, "healthcheck-protocol", reason, "write tcp, unless all TCP ports speak HTTP")
            return


def https_to_the_sidecar(facts: Facts) -> Iterator[Fault]:
    answered = {port.target_port for port in facts.service.ports if port.protocol == "TCP"}
    for listener in facts.model.listeners:
        group = listener.target_groups[0]
        check = group.health_check
        own = check.port in (TRAFFIC_PORT, group.target_port) and group.target_type == "ip"
        ours = listener.protocol in ONLY_UDP and group.target_port not in answered
        if own and ours and check.protocol == "HTTPS":
            reason = (
                f"the sidecar answers the check of UDP {listener.port} by plain HTTP, so every target is red"
            )
            yield at(facts, "healthcheck-protocol", reason, "write tcp, or http")
            return


def replaced_groups(facts: Facts) -> Iterator[Fault]:
    before, name = facts.before, "healthcheck-protocol"
    advanced = facts.cluster.gate("NLBHealthCheckAdvancedConfig", default=True)
    if advanced or before is None or not before.service.live or facts.reader is Reader.AUTO_MODE:
        return
    was = {group.health_check.protocol for group in before.model.target_groups}
    if was != {group.health_check.protocol for group in facts.model.target_groups}:
        reason = "with NLBHealthCheckAdvancedConfig off every target group is replaced, and the new ones start empty"
        yield at(facts, name, reason, "expect minutes of loss, or change it in a quiet hour")


def traffic_port_of_a_node(facts: Facts) -> Iterator[Fault]:
    local = facts.service.external_traffic_policy == "Local"
    if local and facts.targets_nodes and facts.service.aws(PORT) == TRAFFIC_PORT and unanswered(facts):
        reason = "with instance targets it is the UDP node port, where nobody answers"
        yield at(facts, PORT, reason, "remove it, and kube-proxy answers on its health port")


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB403",
        Severity.REJECT,
        "A health check protocol that no NLB has",
        "An NLB checks by TCP, HTTP or HTTPS. It cannot check UDP; that is what the sidecar is for.",
        "LBC model_build_target_group.go; ELBv2 API",
        refused("UDPLB403", "write tcp; the sidecar answers TCP while the UDP port is served"),
        waivable=False,
    ),
    Rule(
        "UDPLB404",
        Severity.REJECT,
        "The check port's target has a name",
        "With ip targets a Service port's name stands for its numeric targetPort, and this one has none.",
        "LBC model_build_target_group.go",
        refused("UDPLB404", "write traffic-port, or the number"),
        waivable=False,
    ),
    Rule(
        "UDPLB405",
        Severity.REJECT,
        "The check port names nothing",
        "It is traffic-port to the letter, a number, or the name of a port of this Service; the name of a "
        "container's port is none of these.",
        "LBC model_build_target_group.go, pkg/k8s/service_utils.go",
        refused("UDPLB405", "write traffic-port"),
        waivable=False,
    ),
    Rule(
        "UDPLB407",
        Severity.REJECT,
        "The check port is no port",
        "The controller takes any number and AWS refuses it at deploy; the Service keeps its old check and tries "
        "for ever.",
        "LBC model_build_target_group.go; ELBv2 API",
        port_out_of_range,
    ),
    Rule(
        "UDPLB408",
        Severity.WARN,
        "The check port is the application's own",
        "An explicit number is probed on every pod. Unless the application listens there on TCP, every target is "
        "red and the load balancer fails open.",
        "LBC model_build_target_group.go",
        port_nobody_may_serve,
    ),
    Rule(
        "UDPLB409",
        Severity.WARN,
        "One check port for several UDP ports",
        "Every target group is probed on that one number, so a port that died stays green with the others.",
        "LBC model_build_target_group.go",
        one_port_for_all,
    ),
    Rule(
        "UDPLB410",
        Severity.REJECT,
        "The check port belongs to nodes",
        "Ports of the kubelet and of kube-proxy, and node ports, are not open in pods.",
        "NLB user guide, target-group-health-checks; LBC issue 1813",
        port_of_a_node,
    ),
    Rule(
        "UDPLB412",
        Severity.WARN,
        "TCP ports are checked by HTTP as well",
        "A Service has one health check. With traffic-port and http the TCP ports get HTTP requests too.",
        "LBC model_build_target_group.go",
        tcp_ports_by_http,
    ),
    Rule(
        "UDPLB413",
        Severity.WARN,
        "Path and codes mean nothing to a tcp check",
        "The controller drops them silently.",
        "LBC model_build_target_group.go",
        ignored_with_tcp,
    ),
    Rule(
        "UDPLB414",
        Severity.REJECT,
        "A number or text outside what AWS takes",
        "The controller passes it on, AWS refuses it at deploy, and the whole Service stays as it was.",
        "ELBv2 API, CreateTargetGroup",
        lambda facts: (*number_out_of_range(facts), *path_or_codes_out_of_range(facts)),
    ),
    Rule(
        "UDPLB415",
        Severity.REJECT,
        "Not a number",
        "The controller parses a 32-bit integer and stops at anything else, units included.",
        "LBC pkg/annotations/parser.go",
        refused("UDPLB415", "write whole seconds or a count, without a unit"),
        waivable=False,
    ),
    Rule(
        "UDPLB416",
        Severity.REJECT,
        "The timeout is longer than the interval",
        "AWS refuses it; for an NLB both may be equal.",
        "ELBv2 API; aws-cdk issues 16446, 26031",
        timeout_over_interval,
    ),
    Rule(
        "UDPLB417",
        Severity.REJECT,
        "The interval is shorter than the default timeout",
        "Where no timeout is written it stays at 10 s, and AWS refuses the pair.",
        "LBC model_builder.go; ELBv2 API",
        interval_under_the_default_timeout,
    ),
    Rule(
        "UDPLB418",
        Severity.REJECT,
        "The sidecar does not speak HTTPS",
        "It answers TCP connects and plain HTTP while the UDP port is served. A TLS handshake fails.",
        "NLB user guide, target-group-health-checks",
        https_to_the_sidecar,
    ),
    Rule(
        "UDPLB420",
        Severity.WARN,
        "Another check protocol replaces the target groups",
        "Where the controller runs with the gate NLBHealthCheckAdvancedConfig off, it cannot change the protocol of "
        "a check in place.",
        "LBC pkg/deploy/elbv2/target_group_synthesizer.go",
        replaced_groups,
    ),
    Rule(
        "UDPLB423",
        Severity.REJECT,
        "traffic-port with instance targets",
        "It overrides the port on which kube-proxy answers, and stands for a UDP node port.",
        "LBC model_build_target_group.go",
        traffic_port_of_a_node,
    ),
)
