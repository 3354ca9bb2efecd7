"""Two hundred odd Services through the API server: no fault of ours, no second change, and every one can go."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.process import wait_until
from tests.lab.rest import Answer
from tests.lab.webhook import CALLED_SECONDS, OPTED_IN, Webhook
from webhook.policy import keys
from webhook.policy.service.annotations import ACTIONS, ANNOTATIONS

pytestmark = pytest.mark.cluster

Service = dict[str, Any]

AMOUNT = 200
NEW, OLD = "generated-new", "generated-old"
"""A namespace that is opted in from the beginning, and one whose Services stood before it was."""
FINALIZER = "service.k8s.aws/resources"
BAD = {"metadata": {"name": "bad", "annotations": {keys.aws("healthcheck-protocol"): "udp"}}}

WORDS = (
    *[
        "true",
        "false",
        "on",
        "off",
        "ip",
        "instance",
        "tcp",
        "http",
        "udp",
        "traffic-port",
        "5",
        "10",
        "70000",
        "53",
        "80,443",
        "game",
        "*",
        "a=b",
        "a=b,",
    ],
    *[
        "nlb",
        "external",
        "nlb-ip",
        "internal",
        "internet-facing",
        "dualstack",
        "ipv4",
        "eipalloc-1,eipalloc-2",
        "10.0.0.1",
    ],
    *["load_balancing.cross_zone.enabled=false", "preserve_client_ip.enabled=false", "null", "[]", "ö"],
    *("", "\n", "stickiness.enabled=true, stickiness.type=source_ip", "9" * 5000),
)
OWN = {
    keys.ALLOW: ("UDPLB201,UDPLB203", "all"),
    keys.KEEP: ("externalTrafficPolicy", "else"),
    keys.INJECT: ("false",),
}
ODD = {f"{ACTIONS}UDP-53": ('{"type":"forward"}', "{"), "else.example/x": ("y",)}
FAMILIES: tuple[Service, ...] = (
    {},
    {"ipFamilies": ["IPv4"]},
    {"ipFamilies": ["IPv6"]},
    {"ipFamilyPolicy": "PreferDualStack"},
    {"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"]},
)
OPTIONAL: dict[str, tuple[Any, ...]] = {
    "loadBalancerClass": ("service.k8s.aws/nlb", "eks.amazonaws.com/nlb", "else.example/nlb"),
    "externalTrafficPolicy": ("Local", "Cluster"),
    "allocateLoadBalancerNodePorts": (True, False),
    "sessionAffinity": ("ClientIP", "None"),
    "loadBalancerSourceRanges": (["10.0.0.0/8"], ["fd00::/8"]),
    "publishNotReadyAddresses": (True,),
    "internalTrafficPolicy": ("Local",),
}


def generated(seed: int) -> Service:
    """A Service that is well formed as far as its types go; the same one for the same seed."""
    draw = random.Random(seed)
    names = draw.sample([*ANNOTATIONS], draw.randint(0, 5))
    annotations = {
        keys.aws(f"{name}53" if name.endswith(".") else name): draw.choice(WORDS) for name in names
    }
    for key, values in draw.sample([*OWN.items(), *ODD.items()], draw.choice([0, 0, 0, 1, 2])):
        annotations[key] = draw.choice(values)
    numbers = draw.sample(
        [("UDP", 53), ("TCP", 53), ("UDP", 7777), ("TCP", 443), ("UDP", 443), ("SCTP", 9)], 3
    )
    ports = [
        {
            "name": f"port-{index}",
            "protocol": protocol,
            "port": port,
            "targetPort": draw.choice([port, 5353, "game", "dns"]),
        }
        for index, (protocol, port) in enumerate(numbers[: draw.randint(1, 3)])
    ]
    chosen = draw.sample([*OPTIONAL.items()], draw.randint(0, 3))
    spec = {
        "type": draw.choice(["LoadBalancer", "LoadBalancer", "LoadBalancer", "ClusterIP"]),
        "selector": draw.choice([{"app": "game"}, {"app": "game"}, {}]),
        "ports": ports,
        **draw.choice(FAMILIES),
        **{field: draw.choice(values) for field, values in chosen},
    }
    metadata = {"name": f"generated-{seed}", "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def services(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def path_of(service: Service, namespace: str) -> str:
    return f"{services(namespace)}/{service['metadata']['name']}"


@pytest.fixture(scope="module")
def valid(cluster: ControlPlane) -> Sequence[Service]:
    """Services that the API server takes where nobody else has a say; they stay in `OLD`, which then opts in."""
    cluster.namespace(OLD, {})
    found = list(islice(accepted(cluster), AMOUNT))
    cluster.kubectl("label", "namespace", OLD, *(f"{key}={value}" for key, value in OPTED_IN.items()))
    bad = BAD | {
        "spec": generated(0)["spec"] | {"type": "LoadBalancer", "ports": [{"port": 53, "protocol": "UDP"}]}
    }
    path = f"{services(OLD)}?dryRun=All"
    wait_until(lambda: cluster.request("POST", path, bad).status == 422, f"opt-in of {OLD}", CALLED_SECONDS)
    return found


def accepted(cluster: ControlPlane) -> Iterator[Service]:
    for seed in count():
        service = generated(seed)
        if cluster.request("POST", services(OLD), service).status == 201:
            yield service


@pytest.fixture(scope="module")
def new(cluster: ControlPlane, valid: Sequence[Service]) -> dict[str, Answer]:
    """What the API server answered to the same Services in a namespace that has opted in, by name."""
    cluster.namespace(NEW, OPTED_IN)
    return {service["metadata"]["name"]: apply(cluster, service) for service in valid}


def apply(cluster: ControlPlane, service: Service) -> Answer:
    path = f"{path_of(service, NEW)}?fieldManager=test&force=true"
    return cluster.request("PATCH", path, service, "application/apply-patch+yaml")


def test_a_service_is_made_or_refused_by_a_rule(new: dict[str, Answer]) -> None:
    odd = {
        name: answer.body
        for name, answer in new.items()
        if answer.status != 201 and not (answer.status == 422 and "UDPLB" in answer.body["message"])
    }
    assert odd == {}


def test_many_are_made_and_many_are_refused(new: dict[str, Answer]) -> None:
    made = sum(answer.status == 201 for answer in new.values())
    assert AMOUNT / 5 < made < AMOUNT * 4 / 5


def test_applied_again_nothing_changes(
    cluster: ControlPlane, valid: Sequence[Service], new: dict[str, Answer]
) -> None:
    changed = {}
    for service in valid:
        first = new[service["metadata"]["name"]]
        if first.status == 201:
            second = apply(cluster, service)
            if second.body["metadata"].get("resourceVersion") != first.body["metadata"]["resourceVersion"]:
                changed[service["metadata"]["name"]] = (first.body, second.body)
    assert changed == {}


def test_every_service_can_go_with_udplb_and_without(
    cluster: ControlPlane, webhook: Webhook, valid: Sequence[Service], new: dict[str, Answer]
) -> None:
    """The good ones that udplb saw made, and the bad ones that were there before it."""
    made = {name: answer.status == 201 for name, answer in new.items()}
    there = [path_of(service, NEW if made[service["metadata"]["name"]] else OLD) for service in valid]
    assert list(stuck(cluster, there[::2])) == []
    webhook.stop()
    try:
        assert list(stuck(cluster, there[1::2])) == []
    finally:
        webhook.start()
    assert cluster.request("GET", services(NEW)).body["items"] == []


def stuck(cluster: ControlPlane, paths: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
    """What fails when the controller takes its finalizer and lets go of the Service once it is deleted."""
    for path in paths:
        for method, finalizers in (("PATCH", [FINALIZER]), ("DELETE", None), ("PATCH", None)):
            body = {"metadata": {"finalizers": finalizers}} if method == "PATCH" else None
            answer = cluster.request(method, path, body)
            if answer.status != 200:
                yield path, method, answer.body
