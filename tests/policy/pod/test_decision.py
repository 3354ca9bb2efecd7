"""Which pods get a sidecar, on which ports and from whom; and why the others get none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.policy.pod.pods import (
    CLUSTER,
    GAMES,
    STATUS,
    admitted,
    apply,
    balancer,
    codes,
    container,
    pod,
    sidecars,
    status,
)
from webhook.policy.cluster import Cluster, LimitRange, Namespace, Trigger
from webhook.policy.finding import Severity
from webhook.policy.pod.decision import mutate, needs_lookup
from webhook.policy.raw import MalformedObject
from webhook.policy.service.demand import Demand

SERVICE_ONLY = replace(CLUSTER, trigger=Trigger.SERVICE)
NATIVE_OFF = {"udplb/native-sidecar": "false"}
NATIVE_APP = container("game:7000/UDP", name="proxy", restartPolicy="Always")
OWN = container("5555/TCP", name="udp-healthcheck")
ON, OFF = {"app": "echo", "udplb/inject": "true"}, {"app": "echo", "udplb/inject": "false"}


@dataclass(frozen=True)
class Row:
    """One pod beside some Services, and all that becomes of it."""

    says: str
    pod: Mapping[str, Any]
    demands: Sequence[Demand] = ()
    ports: Mapping[int, str] = field(default_factory=dict)
    reason: str = ""
    skipped: Mapping[int, str] = field(default_factory=dict)
    codes: Sequence[str] = ()
    recorded: bool = False
    cluster: Cluster = CLUSTER
    namespace: Namespace = GAMES
    lookup_failure: str = ""


ROWS = (
    # Services
    Row("a numbered target is served", pod(), [balancer("echo", 5555)], {5555: "service/echo"}),
    Row(
        "a named target is resolved in the pod",
        pod("game:5555/UDP"),
        [balancer("echo", "game")],
        {5555: "service/echo"},
    ),
    Row(
        "a name counts with its protocol only",
        pod("game:80/TCP", "game:5555/UDP"),
        [balancer("echo", "game")],
        {5555: "service/echo"},
    ),
    Row(
        "a name is found in a restartable init container",
        pod(initContainers=[NATIVE_APP]),
        [balancer("echo", "game")],
        {7000: "service/echo"},
    ),
    Row(
        "an init container that ends resolves no name",
        pod(initContainers=[container("game:7000/UDP", name="once")]),
        [balancer("echo", "game")],
        reason="no_udp_port",
        codes=["UDPLB924"],
    ),
    Row(
        "a name that the pod lacks is warned",
        pod("game:5555/UDP"),
        [balancer("echo", "game", "voice")],
        {5555: "service/echo"},
        codes=["UDPLB924"],
    ),
    Row(
        "a name that only TCP has is no target",
        pod("game:5555/TCP"),
        [balancer("echo", "game")],
        reason="no_udp_port",
        codes=["UDPLB924"],
    ),
    Row(
        "several Services share one sidecar",
        pod(),
        [balancer("echo", 5555), balancer("voice", 9001)],
        {5555: "service/echo", 9001: "service/voice"},
    ),
    Row(
        "the first Service by name is a port's source",
        pod(),
        [balancer("zulu", 5555), balancer("alpha", 5555)],
        {5555: "service/alpha"},
    ),
    Row(
        "a Service that does not select the pod asks nothing",
        pod(),
        [balancer("other", 5555, selector={"app": "other"})],
        reason="no_matching_service",
    ),
    Row(
        "an empty selector selects nothing",
        pod(),
        [balancer("echo", 5555, selector={})],
        reason="no_matching_service",
    ),
    Row(
        "a TCP load balancer asks for no sidecar",
        pod("80/TCP"),
        [Demand("web", {"app": "echo"}, tcp=(80,))],
        reason="no_matching_service",
    ),
    Row(
        "instance targets ask for no sidecar",
        pod("5555/UDP"),
        [balancer("echo", instance=True)],
        reason="target_type_instance",
    ),
    Row(
        "a Service with ip targets beside one with instance targets decides",
        pod("5555/UDP"),
        [balancer("echo", instance=True), balancer("voice", 9001)],
        {9001: "service/voice"},
    ),
    Row(
        "an explicit check port is the application's own",
        pod("5555/UDP", "8080/TCP"),
        [balancer("echo", elsewhere=(5555,), check_port=8080)],
        reason="check_port_elsewhere",
    ),
    Row(
        "an explicit check port that is a UDP port of the pod is served",
        pod("5555/UDP", "9001/UDP"),
        [balancer("echo", elsewhere=(5555,), check_port=9001)],
        {9001: "service/echo"},
        skipped={5555: "check_port_elsewhere"},
    ),
    Row(
        "an explicit check port that is another target of the Service is served",
        pod(),
        [balancer("echo", 9001, elsewhere=(5555,), check_port=9001)],
        {9001: "service/echo"},
        skipped={5555: "check_port_elsewhere"},
    ),
    Row(
        "a port that one Service probes and another does not is served",
        pod(),
        [balancer("a", elsewhere=(5555,), check_port=8080), balancer("b", 5555)],
        {5555: "service/b"},
    ),
    # The application's own TCP
    Row(
        "a port that the application declares on TCP is its own",
        pod("5555/UDP", "5555/TCP"),
        [balancer("echo", 5555)],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
        recorded=True,
    ),
    Row(
        "a port without protocol is TCP",
        pod("5555"),
        [balancer("echo", 5555)],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
        recorded=True,
    ),
    Row(
        "a restartable init container's TCP port is its own",
        pod(initContainers=[container("5555/TCP", name="proxy", restartPolicy="Always")]),
        [balancer("echo", 5555)],
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
        recorded=True,
    ),
    Row(
        "an init container that ends takes no TCP port",
        pod(initContainers=[container("5555/TCP", name="once")]),
        [balancer("echo", 5555)],
        {5555: "service/echo"},
    ),
    Row(
        "the other ports of such a pod are served",
        pod("53/UDP", "53/TCP", "9001/UDP"),
        [balancer("dns", 53, 9001)],
        {9001: "service/dns"},
        skipped={53: "tcp_port_in_use"},
    ),
    Row(
        "a TCP target of the same Service is the application's",
        pod(),
        [balancer("dns", 5353, 9001, tcp=(5353,))],
        {9001: "service/dns"},
        skipped={5353: "tcp_port_in_use"},
    ),
    Row(
        "a TCP target of another load balancer is the application's",
        pod("web:9001/TCP"),
        [balancer("echo", 9001, 9002), Demand("web", {"app": "echo"}, tcp=("web", "nowhere"))],
        {9002: "service/echo"},
        skipped={9001: "tcp_port_in_use"},
    ),
    # Declared ports
    Row(
        "a declared UDP port is served before its Service is there", pod("5555/UDP"), ports={5555: "declared"}
    ),
    Row(
        "a restartable init container declares as well",
        pod(initContainers=[NATIVE_APP]),
        ports={7000: "declared"},
    ),
    Row(
        "a declared port with a TCP twin is the application's",
        pod("5555/UDP", "5555/TCP"),
        reason="tcp_port_in_use",
        codes=["UDPLB958"],
        recorded=True,
    ),
    Row(
        "once a UDP Service selects the pod, declared ports do not count",
        pod("5555/UDP", "9001/UDP"),
        [balancer("echo", 5555)],
        {5555: "service/echo"},
    ),
    Row(
        "a TCP load balancer leaves declared ports to the pod",
        pod("5555/UDP"),
        [Demand("web", {"app": "echo"}, tcp=(80,))],
        {5555: "declared"},
    ),
    Row(
        "the trigger can be limited to Services",
        pod("5555/UDP"),
        reason="no_matching_service",
        cluster=SERVICE_ONLY,
    ),
    Row("a pod without UDP is left alone", pod("80/TCP"), reason="no_matching_service"),
    Row("a pod without anything is left alone", {"metadata": {}, "spec": {}}, reason="no_matching_service"),
    Row(
        "one sidecar holds 64 ports",
        pod(*(f"{number}/UDP" for number in range(5000, 5065))),
        ports=dict.fromkeys(range(5000, 5064), "declared"),
        skipped={5064: "no_room"},
        codes=["UDPLB926"],
    ),
    # Annotations
    Row(
        "udplb/ports is final against a Service",
        pod(annotations={"udplb/ports": "9001, 9002"}),
        [balancer("echo", 5555)],
        {9001: "annotation", 9002: "annotation"},
    ),
    Row(
        "udplb/ports is final against declarations and TCP",
        pod("5555/UDP", "9001/TCP", annotations={"udplb/ports": "9001"}),
        ports={9001: "annotation"},
    ),
    Row(
        "udplb/ports is final against instance targets",
        pod(annotations={"udplb/ports": "9001"}),
        [balancer("echo", instance=True)],
        {9001: "annotation"},
    ),
    *(
        Row(
            f"udplb/ports {text!r} is malformed and skips the pod",
            pod("5555/UDP", annotations={"udplb/ports": text}),
            reason="malformed_annotation",
            codes=["UDPLB966"],
            recorded=True,
        )
        for text in ("", "0", "65536", "5555,5555", "5555,", "game", "5555 9001", "-1", "0x10", "5_5", "٥")
    ),
    Row(
        "more numbers than one sidecar holds are malformed",
        pod(annotations={"udplb/ports": ",".join(str(number) for number in range(1, 66))}),
        reason="malformed_annotation",
        codes=["UDPLB966"],
        recorded=True,
    ),
    Row(
        "udplb/native-sidecar has two words",
        pod("5555/UDP", annotations={"udplb/native-sidecar": "no"}),
        reason="malformed_annotation",
        codes=["UDPLB966"],
        recorded=True,
    ),
    Row(
        "the pod's switch has two words",
        pod("5555/UDP", labels={"app": "echo", "udplb/inject": "enabled"}),
        reason="malformed_annotation",
        codes=["UDPLB966"],
        recorded=True,
    ),
    Row(
        "every malformed key is named",
        pod(annotations={"udplb/ports": "x", "udplb/native-sidecar": "y"}),
        reason="malformed_annotation",
        codes=["UDPLB966", "UDPLB966"],
        recorded=True,
    ),
    Row(
        "a person's own pod is refused for a malformed key",
        pod(annotations={"udplb/ports": "x"}, owned=False),
        reason="malformed_annotation",
        codes=["UDPLB920"],
        recorded=True,
    ),
    Row(
        "a key that does not exist is warned",
        pod("5555/UDP", annotations={"udplb/port": "5555"}),
        ports={5555: "declared"},
        codes=["UDPLB921"],
    ),
    Row(
        "the switch as an annotation is warned",
        pod("5555/UDP", annotations={"udplb/inject": "false"}),
        ports={5555: "declared"},
        codes=["UDPLB922"],
    ),
    Row(
        "a Service's key on a pod is warned",
        pod("5555/UDP", annotations={"udplb/allow": "UDPLB403"}),
        ports={5555: "declared"},
        codes=["UDPLB922"],
    ),
    Row(
        "an annotation's key as a label is warned",
        pod("5555/UDP", labels={"udplb/ports": "9001"}),
        ports={5555: "declared"},
        codes=["UDPLB922"],
    ),
    Row(
        "another project's keys are none of our business",
        pod("5555/UDP", annotations={"example.com/udplb/ports": "x"}),
        ports={5555: "declared"},
    ),
    # The pod's switch
    Row("the label false leaves the pod alone", pod("5555/UDP", labels=OFF), reason="disabled_by_pod"),
    Row("the label true changes nothing", pod("5555/UDP", labels=ON), ports={5555: "declared"}),
    Row(
        "under the label true every skip warns",
        pod("80/TCP", labels=ON),
        reason="no_matching_service",
        codes=["UDPLB953"],
        recorded=True,
    ),
    Row(
        "under the label true instance targets warn",
        pod(labels=ON),
        [balancer("echo", instance=True)],
        reason="target_type_instance",
        codes=["UDPLB956"],
        recorded=True,
    ),
    # Pods that cannot hold a sidecar
    Row(
        "a pod on the host network is skipped",
        pod("5555/UDP", hostNetwork=True),
        reason="host_network",
        codes=["UDPLB959"],
        recorded=True,
    ),
    Row(
        "a pod on the host network without UDP is not even warned",
        pod("80/TCP", hostNetwork=True),
        reason="no_matching_service",
    ),
    Row("a Windows pod is skipped", pod("5555/UDP", os={"name": "windows"}), reason="windows"),
    Row(
        "a pod for Windows nodes is skipped",
        pod("5555/UDP", nodeSelector={"kubernetes.io/os": "windows"}),
        reason="windows",
    ),
    Row(
        "a Linux pod is not",
        pod("5555/UDP", os={"name": "linux"}, nodeSelector={"kubernetes.io/os": "linux"}),
        ports={5555: "declared"},
    ),
    Row(
        "a mirror pod is never touched",
        pod("5555/UDP", annotations={"kubernetes.io/config.mirror": "7f"}),
        reason="mirror_pod",
    ),
    Row(
        "a Job completes with a native sidecar",
        pod("5555/UDP", restartPolicy="Never"),
        ports={5555: "declared"},
    ),
    Row(
        "a Job would never complete with an ordinary container",
        pod("5555/UDP", restartPolicy="OnFailure", annotations=NATIVE_OFF),
        reason="would_never_complete",
        codes=["UDPLB964"],
        recorded=True,
    ),
    Row(
        "a LimitRange for pods without room skips the pod",
        pod(containers=[container("5555/UDP", resources={"limits": {"memory": "64Mi"}})]),
        reason="no_room",
        codes=["UDPLB965"],
        recorded=True,
        namespace=replace(GAMES, limit_ranges=(LimitRange("Pod", max={"memory": "64Mi"}),)),
    ),
    Row(
        "a container of our name is its user's",
        pod(containers=[container("5555/UDP"), OWN]),
        reason="foreign_container",
    ),
    Row(
        "a container of our name with other ports is warned",
        pod(containers=[container("5555/UDP", "9001/UDP"), OWN]),
        reason="foreign_container",
        codes=["UDPLB962"],
    ),
    Row(
        "our program run by hand is its user's",
        pod("5555/UDP", initContainers=[{"name": "udp-healthcheck", "args": ["--port", "5555,probe=none"]}]),
        reason="foreign_container",
    ),
    # Namespace and look-up
    Row(
        "a namespace that has not opted in is left alone",
        pod("5555/UDP"),
        reason="namespace_not_enabled",
        namespace=Namespace("plain", {}),
    ),
    Row(
        "a namespace that the cache does not hold was sent by the API server's selector",
        pod("5555/UDP"),
        ports={5555: "declared"},
        namespace=Namespace("new", None),
    ),
    Row(
        "a namespace in audit mode is decided like any other",
        pod("5555/UDP"),
        ports={5555: "declared"},
        namespace=Namespace("trial", {"udplb/inject": "audit"}),
    ),
    Row(
        "a failed look-up is the reason where nothing else decides",
        pod(),
        reason="lookup_failed",
        lookup_failure="lookup_failed",
    ),
    Row("a paced look-up likewise", pod(), reason="lookup_limited", lookup_failure="lookup_limited"),
    Row(
        "declared ports decide without the look-up",
        pod("5555/UDP"),
        ports={5555: "declared"},
        lookup_failure="lookup_failed",
    ),
    # Low ports
    Row("a low port is served", pod("53/UDP"), ports={53: "declared"}),
    Row(
        "a low port below the pod's own sysctl is warned",
        pod(
            "53/UDP",
            securityContext={"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "500"}]},
        ),
        ports={53: "declared"},
        codes=["UDPLB925"],
    ),
    Row(
        "a pod's own sysctl that is low enough is not",
        pod(
            "53/UDP",
            securityContext={"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]},
        ),
        ports={53: "declared"},
    ),
    Row(
        "a pod's own sysctl that no system takes is warned",
        pod(
            "53/UDP",
            securityContext={
                "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "9" * 5000}]
            },
        ),
        ports={53: "declared"},
        codes=["UDPLB925"],
    ),
    Row(
        "a low port on Fargate is warned",
        pod("53/UDP", schedulerName="fargate-scheduler"),
        ports={53: "declared"},
        codes=["UDPLB925"],
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_a_pod_gets_exactly_what_its_row_says(row: Row) -> None:
    decision = mutate(row.pod, row.namespace, row.demands, row.cluster, row.lookup_failure)
    after = apply(row.pod, decision.edits)
    assert decision.reason == row.reason
    assert codes(decision) == list(row.codes)
    assert all(edit.code == "UDPLB900" and edit.says for edit in decision.edits)
    written = status(after)
    assert {int(number): source for number, source in written.get("ports", {}).items()} == row.ports
    if row.ports:
        ((_, _, sidecar),) = sidecars(after)
        assert sidecar["args"] == [word for number in sorted(row.ports) for word in ("--port", str(number))]
        assert {int(number): reason for number, reason in written.get("skipped", {}).items()} == row.skipped
        assert written["injected"] is True
    elif row.recorded:
        assert (written["injected"], written["reason"]) == (False, row.reason)
    else:
        assert decision.edits == ()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_a_second_pass_changes_nothing_and_says_the_same(row: Row) -> None:
    first = mutate(row.pod, row.namespace, row.demands, row.cluster, row.lookup_failure)
    after = apply(row.pod, first.edits)
    second = mutate(after, row.namespace, row.demands, row.cluster, row.lookup_failure)
    assert second.edits == ()
    assert second.reason == (row.reason or "already_injected")
    assert codes(second) == list(row.codes)


def test_only_a_bare_pod_is_refused_for_a_malformed_key() -> None:
    owned = pod(annotations={"udplb/ports": "x"})
    bare = pod(annotations={"udplb/ports": "x"}, owned=False)
    assert not mutate(owned, GAMES, (), CLUSTER).rejected
    refused = mutate(bare, GAMES, (), CLUSTER)
    assert refused.rejected
    assert str(refused.findings[0]) == (
        'UDPLB920 metadata.annotations[udplb/ports]: udplb cannot read "x"; write numbers from 1 to 65535, '
        "each once, at most 64: 5555,9001. See docs/rules.md#udplb920"
    )


def test_a_cluster_may_turn_the_refusal_of_a_bare_pod_into_a_warning() -> None:
    lenient = replace(CLUSTER, severities={"UDPLB920": Severity.WARN})
    decision = mutate(pod(annotations={"udplb/ports": "x"}, owned=False), GAMES, (), lenient)
    assert not decision.rejected
    assert decision.reason == "malformed_annotation"


def test_thousands_of_forged_keys_earn_a_handful_of_warnings() -> None:
    forged = {f"udplb/x{number}": "" for number in range(20_000)}
    assert len(mutate(pod("5555/UDP", annotations=forged), GAMES, (), CLUSTER).findings) == 16


def test_a_cluster_may_switch_a_warning_off() -> None:
    quiet = replace(CLUSTER, severities={"UDPLB959": Severity.OFF})
    decision = mutate(pod("5555/UDP", hostNetwork=True), GAMES, (), quiet)
    assert decision.findings == ()
    assert decision.reason == "host_network"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("metadata",), "x", id="metadata"),
        pytest.param(("metadata", "labels"), {"app": 1}, id="labels"),
        pytest.param(("metadata", "annotations"), [], id="annotations"),
        pytest.param(("metadata", "ownerReferences"), [{"controller": "yes"}], id="owner"),
        pytest.param(("spec", "hostNetwork"), "true", id="host network"),
        pytest.param(("spec", "containers"), {}, id="containers"),
        pytest.param(("spec", "containers"), ["app"], id="container"),
        pytest.param(("spec", "containers"), [{"ports": [{"containerPort": "53"}]}], id="port"),
        pytest.param(("spec", "containers"), [container("0/UDP")], id="port 0"),
        pytest.param(("spec", "containers"), [container("65536/UDP")], id="port above 65535"),
        pytest.param(("spec", "containers"), [container("1/UDP", resources=[])], id="resources"),
        pytest.param(
            ("spec", "containers"),
            [container("1/UDP", resources={"limits": {"cpu": True, "memory": "1"}})],
            id="quantity",
        ),
    ],
)
def test_a_field_of_a_wrong_type_is_said_by_one_exception(path: tuple[str, ...], value: object) -> None:
    raw = pod("5555/UDP")
    holder: Any = raw
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(MalformedObject):
        mutate(raw, GAMES, (), CLUSTER)


# Second passes and copies


def test_a_forged_status_does_not_take_a_pod_s_only_container() -> None:
    """The API server refuses a pod without containers."""
    forged = '{"schema":1,"version":"0.1.0","injected":true,"hash":"0","ports":{"5555":"declared"}}'
    raw = pod(
        containers=[container("5555/UDP", name="udp-healthcheck")],
        annotations={STATUS: forged, "udplb/ports": "5555"},
    )
    assert mutate(raw, GAMES, (), CLUSTER).reason == "foreign_container"
    assert admitted(raw)["spec"] == raw["spec"]


def test_the_advice_about_a_low_port_on_fargate_is_not_the_sysctl() -> None:
    (warned,) = mutate(pod("53/UDP", schedulerName="fargate-scheduler"), GAMES, (), CLUSTER).findings
    assert warned.fix == "let the server listen on a port above 1023"


def test_a_forged_status_without_a_sidecar_is_computed_anew() -> None:
    forged = json.dumps(
        {"schema": 1, "version": "0.1.0", "injected": True, "hash": "0" * 12, "ports": {"1": "declared"}}
    )
    after = admitted(pod("5555/UDP", annotations={STATUS: forged}))
    assert [place for place, _, _ in sidecars(after)] == ["initContainers"]
    assert status(after)["ports"] == {"5555": "declared"}


def test_a_copied_pod_that_no_service_selects_loses_sidecar_and_status() -> None:
    running = admitted(pod(), [balancer("echo", 5555)])
    after = admitted(running)
    assert sidecars(after) == []
    assert after == pod()


def test_a_copied_pod_that_cannot_have_a_sidecar_any_more_says_so() -> None:
    running = admitted(pod("5555/UDP"))
    running["spec"]["hostNetwork"] = True
    after = admitted(running)
    assert sidecars(after) == []
    assert status(after)["reason"] == "host_network"


def test_an_old_status_of_a_skip_gives_way_to_a_sidecar() -> None:
    skipped = admitted(pod("5555/UDP", hostNetwork=True))
    del skipped["spec"]["hostNetwork"]
    assert status(admitted(skipped))["injected"] is True


def test_a_failed_lookup_takes_no_sidecar_away() -> None:
    running = admitted(pod(), [balancer("echo", 5555)])
    decision = mutate(running, GAMES, (), CLUSTER, "lookup_failed")
    assert (decision.edits, decision.reason) == ((), "lookup_failed")


def test_another_port_is_added_to_the_sidecar_that_is_there() -> None:
    running = admitted(pod(), [balancer("echo", 5555)])
    running["spec"]["initContainers"][0]["image"] = "mirror.example/udp-healthcheck:1"
    after = admitted(running, [balancer("echo", 5555, 9001)])
    ((_, _, sidecar),) = sidecars(after)
    assert sidecar["args"] == ["--port", "5555", "--port", "9001"]
    assert [entry["containerPort"] for entry in sidecar["ports"]] == [5555, 9001]
    assert sidecar["image"] == "mirror.example/udp-healthcheck:1"


NEWER = (
    pytest.param('{"schema":1,"version":"0.2.0","injected":true,"hash":"x","ports":{"1":"y"}}', id="version"),
    pytest.param('{"schema":2,"containers":["a"]}', id="schema"),
)


@pytest.mark.parametrize("text", NEWER)
def test_a_newer_version_s_work_is_left_as_it_is(text: str) -> None:
    running = admitted(pod("5555/UDP"))
    running["metadata"]["annotations"][STATUS] = text
    running["spec"]["initContainers"][0]["args"] = ["--port", "5555,probe=future"]
    decision = mutate(running, GAMES, (), CLUSTER)
    assert (decision.edits, decision.findings, decision.reason) == ((), (), "already_injected")


@pytest.mark.parametrize("text", NEWER)
def test_a_newer_version_s_status_without_its_sidecar_is_computed_anew(text: str) -> None:
    after = admitted(pod("5555/UDP", annotations={STATUS: text}))
    assert status(after)["ports"] == {"5555": "declared"}
    assert len(sidecars(after)) == 1


def test_an_older_version_s_status_is_brought_up_to_date() -> None:
    running = admitted(pod("5555/UDP"), cluster=replace(CLUSTER, version="0.0.9"))
    decision = mutate(running, GAMES, (), CLUSTER)
    assert [edit.field for edit in decision.edits] == ["metadata.annotations[udplb/status]"]


@pytest.mark.parametrize(
    ("damage", "fields"),
    [
        pytest.param({"restartPolicy": None}, ["spec.initContainers[0].restartPolicy"], id="restartPolicy"),
        pytest.param({"args": []}, ["spec.initContainers[0].args"], id="arguments"),
    ],
)
def test_a_second_pass_repairs_what_another_webhook_damaged(
    damage: dict[str, Any], fields: list[str]
) -> None:
    good = admitted(pod("5555/UDP"))
    bad = apply(good, ())
    bad["spec"]["initContainers"][0] |= damage
    decision = mutate(bad, GAMES, (), CLUSTER)
    assert [edit.field for edit in decision.edits] == fields
    assert decision.reason == ""
    assert apply(bad, decision.edits) == good


@pytest.mark.parametrize(
    "change",
    [
        {"image": "mirror.example/x"},
        {"imagePullPolicy": "Always"},
        {"resources": {}},
        {"env": [{"name": "A", "value": "b"}]},
        {"volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets"}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_others_may_change_of_our_container_is_left_to_them(change: dict[str, Any]) -> None:
    running = admitted(pod("5555/UDP"))
    running["spec"]["initContainers"][0] |= change
    decision = mutate(running, GAMES, (), CLUSTER)
    assert (decision.edits, decision.reason) == ((), "already_injected")


def test_a_doubled_sidecar_becomes_one() -> None:
    running = admitted(pod("5555/UDP"))
    twin = running["spec"]["initContainers"][0]
    running["spec"]["initContainers"].append(twin)
    running["spec"]["containers"].insert(0, twin)
    assert [(place, index) for place, index, _ in sidecars(admitted(running))] == [("initContainers", 0)]


def test_a_sidecar_in_the_wrong_list_is_moved() -> None:
    running = admitted(pod("5555/UDP"))
    running["metadata"]["annotations"]["udplb/native-sidecar"] = "false"
    after = admitted(running)
    assert [(place, index) for place, index, _ in sidecars(after)] == [("containers", 1)]
    assert "restartPolicy" not in sidecars(after)[0][2]


def test_an_ordinary_sidecar_that_was_told_not_to_restart_is_repaired() -> None:
    running = admitted(pod("5555/UDP", annotations=NATIVE_OFF))
    running["spec"]["containers"][1]["restartPolicy"] = "Never"
    after = admitted(running)
    assert "restartPolicy" not in after["spec"]["containers"][1]


# The live list


@pytest.mark.parametrize(
    ("raw", "demands", "namespace", "cluster", "expected"),
    [
        pytest.param(pod(), [], GAMES, CLUSTER, True, id="nothing decides"),
        pytest.param(pod("80/TCP"), [], GAMES, CLUSTER, True, id="a web server"),
        pytest.param(pod("5555/UDP"), [], GAMES, CLUSTER, False, id="declared ports decide"),
        pytest.param(pod("5555/UDP"), [], GAMES, SERVICE_ONLY, True, id="declared ports do not count"),
        pytest.param(pod(), [balancer("echo", 5555)], GAMES, CLUSTER, False, id="a Service decides"),
        pytest.param(
            pod(), [Demand("web", {"app": "echo"}, tcp=(80,))], GAMES, CLUSTER, True, id="a TCP Service"
        ),
        pytest.param(pod(annotations={"udplb/ports": "x"}), [], GAMES, CLUSTER, False, id="udplb/ports"),
        pytest.param(pod(labels=OFF), [], GAMES, CLUSTER, False, id="switched off"),
        pytest.param(pod(annotations={"udplb/probe": "x"}), [], GAMES, CLUSTER, False, id="a malformed key"),
        pytest.param(
            pod(hostNetwork=True), [], GAMES, CLUSTER, True, id="host network, for the warning's sake"
        ),
        pytest.param(
            pod(annotations={"kubernetes.io/config.mirror": "x"}), [], GAMES, CLUSTER, False, id="mirror"
        ),
        pytest.param(pod(), [], Namespace("new", None), CLUSTER, False, id="unknown namespace"),
        pytest.param(pod(), [], Namespace("plain", {}), CLUSTER, False, id="namespace not opted in"),
    ],
)
def test_a_live_list_is_worth_it_only_where_nothing_else_decides(
    raw: Mapping[str, Any],
    demands: Sequence[Demand],
    namespace: Namespace,
    cluster: Cluster,
    expected: bool,
) -> None:
    assert needs_lookup(mutate(raw, namespace, demands, cluster), namespace) is expected
