"""What a person is told at a workload of what its pods will get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER, CONTROLLED, GAMES, balancer, codes, container, pod
from webhook.policy.cluster import LimitRange
from webhook.policy.finding import Decision
from webhook.policy.pod.decision import preview
from webhook.policy.service.demand import Demand

MALFORMED = {"udplb/ports": "x"}


def workload(
    kind: str, *ports: str, name: str = "echo", owned: bool = False, **fields: Any
) -> dict[str, Any]:
    template = pod(*ports, owned=False, **fields)
    wrapped: dict[str, Any] = {"template": {"metadata": template["metadata"], "spec": template["spec"]}}
    metadata: dict[str, Any] = {"name": name}
    if owned:
        metadata["ownerReferences"] = CONTROLLED
    return {
        "kind": kind,
        "metadata": metadata,
        "spec": {"jobTemplate": {"spec": wrapped}} if kind == "CronJob" else wrapped,
    }


def previewed(
    raw: Mapping[str, Any],
    demands: Sequence[Demand] = (),
    old: Mapping[str, Any] | None = None,
    dry_run: bool = True,
) -> Decision:
    return preview(raw["kind"], raw, old, GAMES, demands, CLUSTER, dry_run)


def test_a_dry_run_tells_ports_sources_and_cost() -> None:
    decision = previewed(workload("Deployment"), [balancer("echo", 5555), balancer("voice", 53)])
    assert [str(finding) for finding in decision.findings] == [
        "UDPLB929 spec.template.spec: each pod gets a sidecar that listens on TCP 53 (service/voice), "
        "5555 (service/echo); it adds requests of cpu 1m and memory 4Mi, limits of cpu 50m and memory 16Mi. "
        "See docs/rules.md#udplb929"
    ]
    assert (decision.edits, decision.reason) == ((), "")


def test_a_dry_run_tells_what_a_drain_costs() -> None:
    raw = workload("Deployment", "5555/UDP", annotations={"udplb/drain": "300s"})
    (finding,) = previewed(raw).findings
    assert finding.reason.endswith("; its end may take 300 s longer")


def test_a_template_that_holds_the_sidecar_costs_nothing_more() -> None:
    raw = workload(
        "Deployment",
        "5555/UDP",
        annotations={
            "udplb/status": (
                '{"schema":1,"version":"0.1.0","injected":true,"hash":"x","ports":{"5555":"declared"}}'
            )
        },
        initContainers=[{"name": "udp-healthcheck", "restartPolicy": "Always"}],
    )
    (finding,) = previewed(raw).findings
    assert finding.reason == "each pod gets a sidecar that listens on TCP 5555 (declared)"


def test_a_real_apply_is_silent_where_all_is_well() -> None:
    decision = previewed(workload("Deployment"), [balancer("echo", 5555)], dry_run=False)
    assert decision == Decision()


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job"])
def test_each_kind_s_template_is_read(kind: str) -> None:
    (finding,) = previewed(workload(kind, "5555/UDP", hostNetwork=True), dry_run=False).findings
    assert (finding.code, finding.field) == ("UDPLB959", "spec.template.spec.hostNetwork")


def test_a_cron_job_s_template_lies_deeper() -> None:
    (finding,) = previewed(workload("CronJob", "5555/UDP", hostNetwork=True), dry_run=False).findings
    assert finding.field == "spec.jobTemplate.spec.template.spec.hostNetwork"


def test_a_kind_without_a_template_is_none_of_ours() -> None:
    assert previewed(workload("ReplicaSet", "5555/UDP", hostNetwork=True)) == Decision()


def test_a_cron_job_s_job_is_not_previewed_again() -> None:
    assert previewed(workload("Job", "5555/UDP", hostNetwork=True, owned=True)) == Decision()


def test_no_room_is_said_at_the_workload() -> None:
    crowded = replace(GAMES, limit_ranges=(LimitRange("Pod", max={"memory": "2Mi"}),))
    decision = preview("Deployment", workload("Deployment", "5555/UDP"), None, crowded, (), CLUSTER, False)
    assert (codes(decision), decision.reason) == (["UDPLB965"], "no_room")


@pytest.mark.parametrize(
    ("demand", "code"),
    [
        pytest.param(balancer("echo", instance=True), "UDPLB956", id="instance targets"),
        pytest.param(balancer("echo", elsewhere=(5555,), check_port=80), "UDPLB957", id="check port"),
    ],
)
def test_a_skip_that_is_right_is_told_on_a_dry_run_only(demand: Demand, code: str) -> None:
    assert codes(previewed(workload("Deployment"), [demand])) == [code]
    assert codes(previewed(workload("Deployment"), [demand], dry_run=False)) == []


def test_under_the_label_true_it_is_told_once_and_always() -> None:
    raw = workload("Deployment", labels={"app": "echo", "udplb/inject": "true"})
    demands = [balancer("echo", instance=True)]
    assert codes(previewed(raw, demands)) == codes(previewed(raw, demands, dry_run=False)) == ["UDPLB956"]


def test_a_workload_without_udp_is_not_talked_about() -> None:
    assert previewed(workload("Deployment", "80/TCP")).findings == ()


# Malformed keys


@pytest.mark.parametrize(
    ("place", "key", "right"),
    [
        ("annotations", "udplb/ports", "annotations"),
        ("labels", "udplb/ports", "annotations"),
        ("labels", "udplb/inject", "labels"),
        ("annotations", "udplb/inject", "labels"),
    ],
)
def test_a_key_on_the_workload_itself_is_told_its_place(place: str, key: str, right: str) -> None:
    raw = workload("CronJob", "5555/UDP")
    raw["metadata"][place] = {key: "x", "app": "echo"}
    (told,) = previewed(raw, dry_run=False).findings
    assert (told.code, told.field) == ("UDPLB922", f"metadata.{place}[{key}]")
    assert told.fix == f"move it to spec.jobTemplate.spec.template.metadata.{right}"


def test_a_malformed_key_is_refused_when_the_workload_is_created() -> None:
    decision = previewed(workload("Deployment", annotations=MALFORMED))
    assert decision.rejected
    assert decision.findings[0].field == "spec.template.metadata.annotations[udplb/ports]"


@pytest.mark.parametrize(
    ("old", "rejected"),
    [
        pytest.param({"annotations": MALFORMED}, False, id="it was there"),
        pytest.param({"annotations": {**MALFORMED, "example.com/a": "b"}}, False, id="another key changed"),
        pytest.param({}, True, id="it is new"),
        pytest.param({"annotations": {"udplb/ports": "y"}}, True, id="another value"),
        pytest.param(
            {"annotations": MALFORMED, "labels": {"udplb/inject": "true"}}, True, id="the switch changed"
        ),
    ],
)
def test_on_update_only_a_written_key_is_refused(old: dict[str, Any], rejected: bool) -> None:
    before, after = workload("Deployment", **old), workload("Deployment", annotations=MALFORMED)
    decision = previewed(after, old=before, dry_run=False)
    assert decision.rejected is rejected
    assert codes(decision) == (["UDPLB920"] if rejected else ["UDPLB966"])


def test_what_a_controller_owns_is_never_refused() -> None:
    decision = previewed(workload("StatefulSet", annotations=MALFORMED, owned=True))
    assert (decision.rejected, codes(decision)) == (False, ["UDPLB966"])


# The labels that controllers add


@pytest.mark.parametrize(
    ("kind", "selector", "selected"),
    [
        pytest.param(
            "StatefulSet", {"statefulset.kubernetes.io/pod-name": "echo-0"}, True, id="a pod's name"
        ),
        pytest.param(
            "StatefulSet", {"statefulset.kubernetes.io/pod-name": "other-0"}, False, id="another set's pod"
        ),
        pytest.param("StatefulSet", {"apps.kubernetes.io/pod-index": "2"}, True, id="a pod's index"),
        pytest.param("StatefulSet", {"apps.kubernetes.io/pod-index": "x"}, False, id="no index"),
        pytest.param("Deployment", {"pod-template-hash": "5d9f"}, True, id="a ReplicaSet's hash"),
        pytest.param("DaemonSet", {"pod-template-hash": "5d9f"}, False, id="a DaemonSet adds none"),
    ],
)
def test_a_service_may_select_by_what_a_controller_adds(
    kind: str, selector: dict[str, str], selected: bool
) -> None:
    demand = balancer("one", 5555, selector={"app": "echo", **selector})
    assert codes(previewed(workload(kind), [demand])) == (["UDPLB929"] if selected else [])


def test_an_ordinary_container_keeps_a_job_from_completing() -> None:
    raw = workload(
        "Job",
        annotations={"udplb/native-sidecar": "false"},
        containers=[container("5555/UDP")],
        restartPolicy="Never",
    )
    assert codes(previewed(raw, dry_run=False)) == ["UDPLB964"]
