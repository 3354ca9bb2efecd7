"""Pods beside real Services, as the cache holds them: which ports are answered, by whom, and why not.

Each Service is written as a person writes it and goes through our own mutation, then through the model of what
the controller builds. A port reads `PORT[/PROTOCOL][>TARGET]`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER as PLAIN
from tests.policy.pod.pods import GAMES, apply, codes, container, pod, sidecars, status
from webhook.policy.cluster import Cluster, Owner
from webhook.policy.keys import aws
from webhook.policy.pod.decision import mutate
from webhook.policy.service import decision as services
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.objects import parse_service

CLUSTER = replace(PLAIN, owner=Owner.LBC)
AUTO_MODE = replace(PLAIN, owner=Owner.AUTO_MODE, auto_mode_tcp_udp=True)
IP = {aws("nlb-target-type"): "ip"}
INSTANCE = {aws("nlb-target-type"): "instance"}
NATIVE_OFF = {"udplb/native-sidecar": "false"}
NATIVE, ORDINARY = "native", "ordinary"


def check(port: str, protocol: str = "tcp") -> dict[str, str]:
    return {aws("healthcheck-port"): port, aws("healthcheck-protocol"): protocol}


def service(
    name: str,
    *ports: str,
    annotations: Mapping[str, str] | None = None,
    selector: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A load balancer as people write it."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": dict(annotations or {})},
        "spec": {
            "type": "LoadBalancer",
            "externalTrafficPolicy": "Cluster",
            "selector": {"app": "echo"} if selector is None else dict(selector),
            "ports": [_port(number, text) for number, text in enumerate(ports)],
            **spec,
        },
    }


def _port(number: int, text: str) -> dict[str, Any]:
    written, _, target = text.partition(">")
    port, _, protocol = written.partition("/")
    resolved = target or port
    return {
        "name": f"p{number}",
        "port": int(port),
        "protocol": protocol or "UDP",
        "targetPort": int(resolved) if resolved.isdecimal() else resolved,
    }


def asked(written: Mapping[str, Any], cluster: Cluster) -> Demand | None:
    """What the Service asks of pods once it is admitted."""
    decision = services.mutate(written, None, GAMES, (), cluster)
    assert not decision.rejected, [str(finding) for finding in decision.findings]
    return demand(parse_service(apply(written, decision.edits), "games"), cluster)


@dataclass(frozen=True)
class Row:
    """A pod, the Services of its namespace, and what the pod gets."""

    says: str
    pod: Mapping[str, Any]
    services: Sequence[Mapping[str, Any]]
    args: str = ""
    """The sidecar's `--port` values, with blanks between."""
    sources: str = ""
    """Each port's source, where it is not the Service `echo`."""
    reason: str = ""
    skipped: Mapping[int, str] = field(default_factory=dict)
    codes: Sequence[str] = ()
    place: str = NATIVE
    cluster: Cluster = CLUSTER


ROWS = (
    # Target ports
    Row("a target port of the same number", pod(), [service("echo", "5555")], "5555"),
    Row("another target port", pod(), [service("echo", "53>5353")], "5353"),
    Row("a named target port", pod("dns:5353/UDP"), [service("echo", "53>dns")], "5353"),
    Row(
        "a name that two pods resolve differently, here one",
        pod("game:7000/UDP"),
        [service("echo", "7777>game")],
        "7000",
    ),
    Row(
        "a name that a native sidecar of the pod declares",
        pod(initContainers=[container("game:7000/UDP", name="proxy", restartPolicy="Always")]),
        [service("echo", "7777>game")],
        "7000",
    ),
    Row(
        "a name that is there on TCP only",
        pod("game:7000/TCP"),
        [service("echo", "7777>game")],
        reason="no_udp_port",
        codes=["UDPLB924"],
    ),
    Row(
        "one name of two that the pod has",
        pod("game:7000/UDP"),
        [service("echo", "7777>game", "7778>query")],
        "7000",
        codes=["UDPLB924"],
    ),
    Row("two Service ports with one target", pod(), [service("echo", "53>5353", "5300>5353")], "5353"),
    Row("several ports", pod(), [service("echo", "9001", "5555")], "5555 9001"),
    Row(
        "a name and its number as one target",
        pod("dns:5353/UDP"),
        [service("echo", "53>dns", "54>5353")],
        "5353",
    ),
    # TCP beside UDP
    Row(
        "TCP and UDP on one number and one target: the application answers",
        pod(),
        [service("echo", "53/TCP", "53/UDP")],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
    ),
    Row(
        "TCP and UDP on one number, and another UDP port",
        pod(),
        [service("echo", "53/TCP", "53/UDP", "5555/UDP")],
        "5555",
        skipped={53: "tcp_port_in_use"},
    ),
    Row(
        "two names of one listener that are one number here",
        pod("https:8443/TCP", "http3:8443/UDP"),
        [service("echo", "443/TCP>https", "443/UDP>http3")],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
    ),
    Row(
        "two names of one listener that are two numbers here",
        pod("https:8443/TCP", "http3:8444/UDP"),
        [service("echo", "443/TCP>https", "443/UDP>http3")],
        "8444",
        codes=["UDPLB933"],
    ),
    Row(
        "a TCP port of its own does not matter",
        pod(),
        [service("echo", "5555/UDP", "8080/TCP")],
        "5555",
    ),
    Row(
        "a TCP port whose target is the UDP port's number",
        pod(),
        [service("echo", "5555/UDP", "80/TCP>5555", "9001/UDP")],
        "9001",
        skipped={5555: "tcp_port_in_use"},
    ),
    Row(
        "a TCP load balancer beside it has the number as its target",
        pod(),
        [service("echo", "5555", "9001"), service("web", "80/TCP>9001")],
        "5555",
        skipped={9001: "tcp_port_in_use"},
    ),
    Row(
        "a TCP load balancer's name is resolved on TCP",
        pod("game:5555/UDP", "game:9001/TCP"),
        [service("echo", "7777>game", "9001"), service("web", "80/TCP>game")],
        "5555",
        skipped={9001: "tcp_port_in_use"},
    ),
    Row(
        "the container declares TCP on the number",
        pod("5555/UDP", "5555/TCP"),
        [service("echo", "5555")],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
    ),
    Row(
        "under Auto Mode TCP and UDP on one number, where that is allowed",
        pod(),
        [service("echo", "443/TCP", "443/UDP")],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
        cluster=AUTO_MODE,
    ),
    # Several Services
    Row(
        "two Services, one sidecar",
        pod(),
        [service("game", "7777"), service("query", "27015")],
        "7777 27015",
        "service/game service/query",
    ),
    Row(
        "two Services that share a target",
        pod(),
        [service("b", "7777>5555"), service("a", "7778>5555")],
        "5555",
        "service/a",
    ),
    Row(
        "a Service for each pod of a set",
        pod(labels={"app": "echo", "statefulset.kubernetes.io/pod-name": "echo-0"}),
        [
            service("echo-0", "7777", selector={"statefulset.kubernetes.io/pod-name": "echo-0"}),
            service("echo-1", "7778", selector={"statefulset.kubernetes.io/pod-name": "echo-1"}),
        ],
        "7777",
        "service/echo-0",
    ),
    Row(
        "a Service that wants a label more",
        pod("5555/UDP"),
        [service("echo", "9001", selector={"app": "echo", "tier": "edge"})],
        "5555",
        "declared",
    ),
    Row(
        "a Service without a selector",
        pod("5555/UDP"),
        [service("echo", "9001", selector={})],
        "5555",
        "declared",
    ),
    # Whose Services count
    Row(
        "another vendor's Service is as if absent",
        pod("5555/UDP"),
        [service("echo", "9001", loadBalancerClass="example.com/lb")],
        "5555",
        "declared",
    ),
    Row(
        "another vendor's TCP port is in use all the same",
        pod("5555/UDP"),
        [service("echo", "5555/TCP", loadBalancerClass="example.com/lb")],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
    ),
    Row(
        "a Service that is told to be left alone is as if absent",
        pod(),
        [service("echo", "9001", annotations={"udplb/inject": "false"})],
        reason="no_matching_service",
    ),
    Row(
        "a Service of another type",
        pod(),
        [service("echo", "9001", type="NodePort")],
        reason="no_matching_service",
    ),
    Row(
        "a Service without UDP leaves declared ports to the pod",
        pod("5555/UDP"),
        [service("web", "80/TCP")],
        "5555",
        "declared",
    ),
    # Where the check goes
    Row(
        "instance targets with Local are probed on the node",
        pod("5555/UDP"),
        [service("echo", "5555", annotations=INSTANCE, externalTrafficPolicy="Local")],
        reason="target_type_instance",
    ),
    Row(
        "instance targets beside ip targets",
        pod(),
        [
            service("echo", "5555"),
            service("old", "9001", annotations=INSTANCE, externalTrafficPolicy="Local"),
        ],
        "5555",
    ),
    Row(
        "the load balancer class of an ip target",
        pod(),
        [service("echo", "5555", annotations=IP, loadBalancerClass="service.k8s.aws/nlb")],
        "5555",
    ),
    Row(
        "an HTTP check on the application's port",
        pod("5555/UDP", "8080/TCP"),
        [service("echo", "5555", annotations=check("8080", "http") | {aws("healthcheck-path"): "/"})],
        reason="check_port_elsewhere",
    ),
    Row(
        "a check on one of the UDP ports serves all",
        pod("5555/UDP", "9001/UDP"),
        [service("echo", "5555", "9001", annotations=check("9001"))],
        "9001",
        skipped={5555: "check_port_elsewhere"},
    ),
    Row(
        "a check on a UDP port that the pod declares and no Service names",
        pod("5555/UDP", "27015/UDP"),
        [service("echo", "5555", annotations=check("27015"))],
        "27015",
        skipped={5555: "check_port_elsewhere"},
    ),
    Row(
        "an HTTP check on the traffic port is answered by the sidecar",
        pod(),
        [service("echo", "5555", annotations=check("traffic-port", "http"))],
        "5555",
    ),
    Row("Auto Mode's load balancer", pod(), [service("echo", "5555")], "5555", cluster=AUTO_MODE),
    # The pod's own words
    Row(
        "udplb/ports against the Service",
        pod(annotations={"udplb/ports": "9001"}),
        [service("echo", "5555")],
        "9001",
        "annotation",
    ),
    Row(
        "an ordinary container",
        pod(annotations=NATIVE_OFF),
        [service("echo", "5555")],
        "5555",
        place=ORDINARY,
    ),
    Row(
        "a preset for all ports",
        pod(annotations={"udplb/probe": "coap"}),
        [service("echo", "5683", "5684")],
        "5683,probe=payload,send=40007564,expect=70007564 5684,probe=payload,send=40007564,expect=70007564",
    ),
    Row(
        "a game port that its query port gates",
        pod(annotations={"udplb/probe.2456": "bound,udp=2457", "udplb/probe.2457": "none"}),
        [service("echo", "2456", "2457")],
        "2456,probe=bound,udp=2457 2457,probe=none",
    ),
    Row(
        "ports that are opened on demand, gated by the signalling port",
        pod(annotations={"udplb/probe": "bound,udp=3478", "udplb/probe.3478": "bound"}),
        [service("echo", "3478", "50000", "50001")],
        "3478,probe=bound 50000,probe=bound,udp=3478 50001,probe=bound,udp=3478",
    ),
    Row(
        "a port that the application's TCP port gates",
        pod("8080/TCP", annotations={"udplb/probe": "bound,tcp=8080"}),
        [service("echo", "5555")],
        "5555,probe=bound,tcp=8080",
    ),
    Row(
        "a probe of a port that no Service has",
        pod(annotations={"udplb/probe.9001": "none"}),
        [service("echo", "5555")],
        "5555",
        codes=["UDPLB923"],
    ),
    Row(
        "a preset that does not exist",
        pod(annotations={"udplb/probe": "minecraft"}),
        [service("echo", "19132")],
        reason="malformed_annotation",
        codes=["UDPLB966"],
    ),
    Row(
        "a drain as long as the Service's delay",
        pod(annotations={"udplb/drain": "300s"}),
        [service("echo", "5555")],
        "5555",
    ),
    Row(
        "a drain shorter than the Service's delay",
        pod(annotations={"udplb/drain": "300s"}),
        [
            service(
                "echo",
                "5555",
                annotations={aws("target-group-attributes"): "deregistration_delay.timeout_seconds=600"},
            )
        ],
        "5555",
        codes=["UDPLB930"],
    ),
    Row("a low port", pod(), [service("echo", "53")], "53"),
    Row(
        "a low port that the pod's own sysctl keeps shut",
        pod(securityContext={"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "1024"}]}),
        [service("echo", "53")],
        "53",
        codes=["UDPLB925"],
    ),
    Row("a Job", pod(restartPolicy="Never"), [service("echo", "5555")], "5555"),
    Row(
        "a Job with an ordinary container",
        pod(restartPolicy="Never", annotations=NATIVE_OFF),
        [service("echo", "5555")],
        reason="would_never_complete",
        codes=["UDPLB964"],
    ),
    Row(
        "the host network",
        pod(hostNetwork=True),
        [service("echo", "5555")],
        reason="host_network",
        codes=["UDPLB959"],
    ),
    Row("Windows", pod(os={"name": "windows"}), [service("echo", "5555")], reason="windows"),
    Row(
        "Istio ambient",
        pod(labels={"app": "echo", "istio.io/dataplane-mode": "ambient"}),
        [service("echo", "5555")],
        "5555",
        codes=["UDPLB932"],
    ),
    Row(
        "a mesh that had injected before",
        pod(initContainers=[{"name": "istio-init", "args": ["-b", "*", "-d", "15090"]}]),
        [service("echo", "5555")],
        "5555",
        codes=["UDPLB931"],
    ),
    Row(
        "fifty ports",
        pod(),
        [service("echo", *(str(number) for number in range(7000, 7050)))],
        " ".join(str(number) for number in range(7000, 7050)),
    ),
    Row(
        "seventy ports of two Services",
        pod(),
        [
            service("a", *(str(number) for number in range(7000, 7040))),
            service("b", *(str(number) for number in range(7040, 7070))),
        ],
        " ".join(str(number) for number in range(7000, 7064)),
        " ".join(["service/a"] * 40 + ["service/b"] * 24),
        skipped=dict.fromkeys(range(7064, 7070), "no_room"),
        codes=["UDPLB926"],
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_a_pod_beside_its_services_gets_what_its_row_says(row: Row) -> None:
    demands = [one for one in (asked(written, row.cluster) for written in row.services) if one]
    decision = mutate(row.pod, GAMES, demands, row.cluster)
    after = apply(row.pod, decision.edits)
    assert (decision.reason, codes(decision)) == (row.reason, list(row.codes))
    if row.reason:
        assert sidecars(after) == []
        return
    ((place, index, sidecar),) = sidecars(after)
    last = len(after["spec"]["containers"]) - 1
    assert (place, index) == (("initContainers", 0) if row.place == NATIVE else ("containers", last))
    assert sidecar.get("restartPolicy") == ("Always" if row.place == NATIVE else None)
    assert sidecar["args"] == [word for value in row.args.split() for word in ("--port", value)]
    numbers = [value.partition(",")[0] for value in row.args.split()]
    sources = row.sources.split() or ["service/echo"] * len(numbers)
    assert status(after)["ports"] == dict(zip(numbers, sources, strict=True))
    assert {int(number): why for number, why in status(after).get("skipped", {}).items()} == row.skipped
