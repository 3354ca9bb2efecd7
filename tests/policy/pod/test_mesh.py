"""Service meshes: whose proxy leaves our ports alone, and what is said where one does not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER, GAMES, admitted, apply, balancer, codes, container, pod, status
from webhook.policy.cluster import Namespace
from webhook.policy.finding import Decision
from webhook.policy.pod.decision import mutate

ISTIO = "traffic.sidecar.istio.io/excludeInboundPorts"
LINKERD = "config.linkerd.io/skip-inbound-ports"
ENABLED = {"udplb/inject": "enabled"}
AMBIENT = {"istio.io/dataplane-mode": "ambient"}
DEMANDS = [balancer("echo", 5555, 9001)]


def namespace(*, annotations: dict[str, str] | None = None, **labels: str) -> Namespace:
    written = {key.replace("__", "/").replace("_", "-"): value for key, value in labels.items()}
    return Namespace("games", ENABLED | written, annotations=annotations or {})


@pytest.mark.parametrize(
    ("raw", "where", "key"),
    [
        pytest.param(
            pod(labels={"app": "echo", "sidecar.istio.io/inject": "true"}),
            GAMES,
            ISTIO,
            id="Istio, pod label",
        ),
        pytest.param(
            pod(annotations={"sidecar.istio.io/inject": "true"}), GAMES, ISTIO, id="Istio, pod annotation"
        ),
        pytest.param(pod(), namespace(istio_injection="enabled"), ISTIO, id="Istio, namespace"),
        pytest.param(
            pod(),
            Namespace("games", ENABLED | {"istio.io/rev": "1-29"}),
            ISTIO,
            id="Istio, namespace by revision",
        ),
        pytest.param(
            pod(labels={"app": "echo", "istio.io/rev": "canary"}), GAMES, ISTIO, id="Istio, pod by revision"
        ),
        pytest.param(
            pod(containers=[container(), container(name="istio-proxy")]),
            GAMES,
            ISTIO,
            id="Istio, proxy there",
        ),
        pytest.param(
            pod(initContainers=[container(name="istio-proxy", restartPolicy="Always")]),
            GAMES,
            ISTIO,
            id="Istio, native proxy there",
        ),
        pytest.param(pod(annotations={"linkerd.io/inject": "enabled"}), GAMES, LINKERD, id="Linkerd, pod"),
        pytest.param(
            pod(annotations={"linkerd.io/inject": "ingress"}), GAMES, LINKERD, id="Linkerd, ingress"
        ),
        pytest.param(
            pod(), namespace(annotations={"linkerd.io/inject": "enabled"}), LINKERD, id="Linkerd, namespace"
        ),
        pytest.param(
            pod(containers=[container(), container(name="linkerd-proxy")]),
            GAMES,
            LINKERD,
            id="Linkerd, proxy there",
        ),
    ],
)
def test_a_mesh_is_told_to_leave_the_sidecars_ports_alone(
    raw: dict[str, Any], where: Namespace, key: str
) -> None:
    decision = mutate(raw, where, DEMANDS, CLUSTER)
    after = apply(raw, decision.edits)
    assert after["metadata"]["annotations"][key] == "5555,9001"
    assert status(after)["changed"] == {f"metadata.annotations[{key}]": None}
    assert codes(decision) == []
    assert mutate(after, where, DEMANDS, CLUSTER).edits == ()


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        pytest.param(pod(), GAMES, id="no mesh"),
        pytest.param(
            pod(labels={"app": "echo", "sidecar.istio.io/inject": "false"}),
            namespace(istio_injection="enabled"),
            id="Istio, the pod stays out",
        ),
        pytest.param(pod(), namespace(istio_injection="disabled"), id="Istio, the namespace stays out"),
        pytest.param(
            pod(annotations={"linkerd.io/inject": "disabled"}),
            namespace(annotations={"linkerd.io/inject": "enabled"}),
            id="Linkerd, the pod stays out",
        ),
        pytest.param(pod(), Namespace("games", None), id="nothing known of the namespace"),
    ],
)
def test_without_a_mesh_nothing_is_written_for_one(raw: dict[str, Any], where: Namespace) -> None:
    annotations = apply(raw, mutate(raw, where, DEMANDS, CLUSTER).edits)["metadata"]["annotations"]
    assert {ISTIO, LINKERD}.isdisjoint(annotations)


@pytest.mark.parametrize(
    ("written", "merged"),
    [
        ("", "5555,9001"),
        ("80", "80,5555,9001"),
        ("80, 443", "80, 443,5555,9001"),
        ("80,", "80,5555,9001"),
        ("9001,80", "9001,80,5555"),
        ("9001, 5555", "9001, 5555"),
        ("5000-6000", "5000-6000,9001"),
        ("5000-9999", "5000-9999"),
        ("any", "any,5555,9001"),
    ],
)
def test_what_the_user_wrote_is_kept_in_front(written: str, merged: str) -> None:
    raw = pod(annotations={"linkerd.io/inject": "enabled", LINKERD: written})
    after = admitted(raw, DEMANDS)
    assert after["metadata"]["annotations"][LINKERD] == merged
    before = {f"metadata.annotations[{LINKERD}]": written}
    assert status(after).get("changed", {}) == (before if merged != written else {})


def with_init(name: str, *args: str) -> Decision:
    raw = pod(initContainers=[{"name": name, "args": list(args)}])
    return mutate(raw, GAMES, DEMANDS, CLUSTER)


@pytest.mark.parametrize(
    ("name", "args", "caught"),
    [
        ("istio-init", ("-p", "15001", "-b", "*", "-d", "15090,15021"), "5555, 9001"),
        ("istio-init", ("-b", "*", "-d", "15090,5555"), "9001"),
        ("istio-init", ("-b", "*", "-d", "5555,9001"), ""),
        ("istio-init", ("-b", "80,5555", "-d", ""), "5555"),
        ("istio-init", ("-b", "", "-d", ""), ""),
        ("istio-init", (), "5555, 9001"),
        ("linkerd-init", ("--inbound-ports-to-ignore", "4190,4191"), "5555, 9001"),
        ("linkerd-init", ("--inbound-ports-to-ignore", "4190,5000-9999"), ""),
        ("another-init", ("-b", "*"), ""),
    ],
)
def test_arguments_that_a_mesh_has_rendered_without_us_are_warned(
    name: str, args: tuple[str, ...], caught: str
) -> None:
    decision = with_init(name, *args)
    assert codes(decision) == (["UDPLB931"] if caught else [])
    if caught:
        assert f"answers on TCP {caught}, whatever" in decision.findings[0].reason


def test_the_status_says_that_a_mesh_answers_in_our_place() -> None:
    raw = pod(initContainers=[{"name": "linkerd-init", "args": []}])
    after = admitted(raw, DEMANDS)
    assert status(after)["mesh"] == "intercepted"
    assert admitted(after, DEMANDS) == after


@pytest.mark.parametrize(
    ("raw", "where", "warned"),
    [
        pytest.param(pod(), Namespace("games", ENABLED | AMBIENT), True, id="namespace"),
        pytest.param(pod(labels={"app": "echo", **AMBIENT}), GAMES, True, id="pod"),
        pytest.param(
            pod(labels={"app": "echo", "istio.io/dataplane-mode": "none"}),
            Namespace("games", ENABLED | AMBIENT),
            False,
            id="the pod stays out",
        ),
        pytest.param(
            pod(labels={"app": "echo", "sidecar.istio.io/inject": "true"}),
            Namespace("games", ENABLED | AMBIENT),
            False,
            id="a proxy of its own",
        ),
    ],
)
def test_in_istio_ambient_the_sidecar_is_added_and_a_warning_says_what_it_is_worth(
    raw: dict[str, Any], where: Namespace, warned: bool
) -> None:
    decision = mutate(raw, where, DEMANDS, CLUSTER)
    after = apply(raw, decision.edits)
    assert status(after)["injected"] is True
    assert codes(decision) == (["UDPLB932"] if warned else [])
    assert status(after).get("mesh") == ("ambient" if warned else None)
    assert "ambient.istio.io/bypass-inbound-capture" not in after["metadata"]["annotations"]


def test_a_copy_that_left_the_mesh_loses_the_exclusions() -> None:
    raw = pod(annotations={"linkerd.io/inject": "enabled", LINKERD: "80"})
    copied = admitted(raw, DEMANDS)
    copied["metadata"]["annotations"]["linkerd.io/inject"] = "disabled"
    assert admitted(copied, DEMANDS)["metadata"]["annotations"][LINKERD] == "80"


def test_a_list_without_end_is_read_in_no_time() -> None:
    ports = [f"{number}/UDP" for number in range(5000, 5064)]
    endless = "1-4999," * 30_000
    annotations = {"linkerd.io/inject": "enabled", "config.linkerd.io/skip-inbound-ports": endless}
    redirecting = {"name": "istio-init", "args": ["-b", "*", "-d", endless]}
    raw = pod(*ports, annotations=annotations, initContainers=[redirecting])
    begun = time.process_time()
    codes(mutate(raw, GAMES, (), CLUSTER))
    assert time.process_time() - begun < 1
