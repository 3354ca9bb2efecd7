"""NetworkPolicies that let the traffic of a UDP port in, and not its health check.

A load balancer's packets come from addresses, not from pods: only rules without peers, or with an ipBlock,
let them in. Source: Kubernetes `networking.k8s.io/v1`, NetworkPolicySpec.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from webhook.policy.pod.objects import Pod
from webhook.policy.raw import Raw


def shut_out(
    pod: Pod, ports: Sequence[int], policies: Sequence[Mapping[str, Any]]
) -> dict[int, tuple[str, ...]]:
    """Of these numbers those that are open on UDP and shut on TCP, with the policies that open UDP.

    Raises:
        MalformedObject: a field of a policy has another type than the API has.
    """
    ours = [policy for policy in map(Raw, policies) if _selects(policy.map("spec"), pod)]
    found = {}
    for number in ports:
        admitting = tuple(
            policy.map("metadata").text("name") for policy in ours if _admits(policy, pod, "UDP", number)
        )
        if admitting and not any(_admits(policy, pod, "TCP", number) for policy in ours):
            found[number] = admitting
    return found


def _selects(spec: Raw, pod: Pod) -> bool:
    """A policy without policyTypes is about ingress."""
    types = spec.texts("policyTypes")
    selector = spec.map("podSelector")
    return (
        (not types or "Ingress" in types)
        and all(pod.labels.get(key) == value for key, value in selector.strings("matchLabels").items())
        and all(_matches(expression, pod.labels) for expression in selector.maps("matchExpressions"))
    )


def _matches(expression: Raw, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression.text("key")), expression.texts("values")
    match expression.text("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None


def _admits(policy: Raw, pod: Pod, protocol: str, number: int) -> bool:
    return any(_covers(port, pod, protocol, number) for port in _open_ports(policy.map("spec")))


def _open_ports(spec: Raw) -> Iterator[Raw | None]:
    """The ports of the rules that let addresses in; None for a rule that opens all of them."""
    for rule in spec.maps("ingress"):
        peers = rule.maps("from")
        if not peers or any(peer.get("ipBlock") is not None for peer in peers):
            ports = rule.maps("ports")
            yield from ports or (None,)


def _covers(port: Raw | None, pod: Pod, protocol: str, number: int) -> bool:
    if port is None:
        return True
    if (port.text("protocol") or "TCP") != protocol:
        return False
    first = port.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return pod.resolve(first, protocol) == number
    return port.integer("port") <= number <= (port.integer("endPort") or port.integer("port"))
