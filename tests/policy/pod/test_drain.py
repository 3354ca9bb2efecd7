"""`udplb/drain`: what the application gets, and when it is told that this is too little."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER, GAMES, admitted, balancer, codes, container, pod, status
from webhook.policy.cluster import Namespace
from webhook.policy.pod.decision import mutate
from webhook.policy.service.demand import Demand

FIVE_MINUTES = {"udplb/drain": "300s"}
OWN_HOOK = {"preStop": {"exec": {"command": ["/save"]}}}
SLEEP = {"preStop": {"sleep": {"seconds": 300}}}


def drained(**spec: Any) -> dict[str, Any]:
    return admitted(pod("5555/UDP", annotations=FIVE_MINUTES, **spec))


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("300s", 300), ("5m", 300), ("1m30s", 90), ("10m", 600), (" 600s ", 600)]
)
def test_the_application_sleeps_for_the_duration(text: str, seconds: int) -> None:
    after = admitted(pod("5555/UDP", annotations={"udplb/drain": text}))
    assert after["spec"]["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": seconds}}}
    assert after["spec"]["terminationGracePeriodSeconds"] == 30 + seconds


@pytest.mark.parametrize(
    "text", ["", "0s", "601s", "11m", "300", "5 m", "300000ms", "1h", "-1s", "s", "٥s", "1s1m"]
)
def test_another_duration_is_malformed(text: str) -> None:
    decision = mutate(pod("5555/UDP", annotations={"udplb/drain": text}, owned=False), GAMES, (), CLUSTER)
    assert (decision.reason, codes(decision)) == ("malformed_annotation", ["UDPLB920"])
    assert "write a duration from 1s to 10m: 300s" in str(decision.findings[0])


def test_a_hook_of_the_applications_own_is_kept() -> None:
    after = drained(containers=[container("5555/UDP", lifecycle=OWN_HOOK), container(name="log")])
    assert [one.get("lifecycle") for one in after["spec"]["containers"]] == [OWN_HOOK, SLEEP]
    assert after["spec"]["terminationGracePeriodSeconds"] == 330


def test_a_drain_that_finds_no_container_without_a_hook_is_told() -> None:
    raw = pod(annotations=FIVE_MINUTES, containers=[container("5555/UDP", lifecycle=OWN_HOOK)])
    for made in (raw, admitted(raw)):
        (finding,) = mutate(made, GAMES, (), CLUSTER).findings
        assert (finding.code, finding.field) == ("UDPLB923", "metadata.annotations[udplb/drain]")
        assert finding.fix == "let the hook wait for 300 s, or remove the hook"


def test_what_else_stands_in_the_lifecycle_is_kept() -> None:
    start = {"postStart": {"exec": {"command": ["/warm"]}}}
    after = drained(containers=[container("5555/UDP", lifecycle=start)])
    assert after["spec"]["containers"][0]["lifecycle"] == start | SLEEP


@pytest.mark.parametrize(
    ("given", "raised"),
    [(-1, 301), (0, 300), (5, 305), (30, 330), (600, 900), (2**31 - 1, 2**31), (2**63 - 1, 2**63 - 1)],
)
def test_the_application_keeps_its_own_time_after_the_sleep(given: int, raised: int) -> None:
    after = drained(terminationGracePeriodSeconds=given)
    assert after["spec"]["terminationGracePeriodSeconds"] == raised
    assert admitted(after) == after


def test_neither_the_sidecar_nor_an_init_container_sleeps() -> None:
    raw = pod(
        "5555/UDP",
        annotations=FIVE_MINUTES | {"udplb/native-sidecar": "false"},
        initContainers=[{"name": "once"}, {"name": "proxy", "restartPolicy": "Always"}],
    )
    spec = admitted(raw)["spec"]
    assert [one.get("lifecycle") for one in spec["initContainers"]] == [None, None]
    assert spec["containers"][1]["lifecycle"] == {
        "preStop": {"exec": {"command": ["/udp-healthcheck", "--drain"]}}
    }


def test_a_pod_without_the_annotation_keeps_its_end() -> None:
    spec = admitted(pod("5555/UDP"))["spec"]
    assert "terminationGracePeriodSeconds" not in spec
    assert "lifecycle" not in spec["containers"][0]


def test_a_pod_that_is_skipped_keeps_its_end() -> None:
    raw = pod("5555/UDP", annotations=FIVE_MINUTES, hostNetwork=True)
    assert admitted(raw)["spec"] == raw["spec"]


def test_another_webhooks_longer_grace_period_stands() -> None:
    after = drained()
    after["spec"]["terminationGracePeriodSeconds"] = 3600
    assert admitted(after) == after


def test_another_webhooks_hook_stands() -> None:
    after = drained()
    after["spec"]["containers"][0]["lifecycle"] = OWN_HOOK
    assert admitted(after)["spec"]["containers"][0]["lifecycle"] == OWN_HOOK


def test_a_copy_with_another_duration_gets_it() -> None:
    copied = drained(terminationGracePeriodSeconds=60)
    copied["metadata"]["annotations"]["udplb/drain"] = "400s"
    after = admitted(copied)
    assert after["spec"]["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": 400}}}
    assert after["spec"]["terminationGracePeriodSeconds"] == 460


def test_a_copy_without_the_annotation_loses_the_drain() -> None:
    copied = drained(terminationGracePeriodSeconds=60)
    del copied["metadata"]["annotations"]["udplb/drain"]
    expected = admitted(pod("5555/UDP", annotations={}, terminationGracePeriodSeconds=60))
    assert admitted(copied) == expected


def test_a_forged_memory_of_the_grace_period_is_not_believed() -> None:
    forged = (
        '{"changed":{"spec.terminationGracePeriodSeconds":%s},"hash":"x","injected":true,"ports":{"5555":"x"},'
        '"schema":1,"version":"0.1.0"}'
    )
    for value in ("99999999999", '"soon"', "-1"):
        raw = pod("5555/UDP", annotations=FIVE_MINUTES | {"udplb/status": forged % value})
        assert admitted(raw)["spec"]["terminationGracePeriodSeconds"] == 330


@pytest.mark.parametrize(
    ("text", "demands", "said"),
    [
        pytest.param("179s", [], "AWS takes 180 s and more", id="below what AWS takes"),
        pytest.param("180s", [], "", id="what AWS takes"),
        pytest.param(
            "299s", [balancer("echo", 5555)], "the 300 s of Service echo's deregistration delay", id="delay"
        ),
        pytest.param("300s", [balancer("echo", 5555)], "", id="the delay"),
        pytest.param(
            "300s",
            [balancer("a", 5555), balancer("b", 5555, drain_delay=600)],
            "the 600 s of Service b's deregistration delay",
            id="the longest delay",
        ),
        pytest.param("179s", [balancer("echo", 5555, drain_delay=30)], "AWS takes 180 s", id="a short delay"),
        pytest.param("180s", [balancer("echo", 5555, drain_delay=30)], "", id="enough for a short delay"),
        pytest.param(
            "180s", [Demand("web", {"app": "echo"}, tcp=(80,))], "", id="a TCP load balancer has no UDP flows"
        ),
    ],
)
def test_a_drain_that_is_too_short_is_warned(text: str, demands: list[Demand], said: str) -> None:
    raw = pod("5555/UDP", annotations={"udplb/drain": text})
    decision = mutate(raw, GAMES, demands, CLUSTER)
    assert codes(decision) == (["UDPLB930"] if said else [])
    assert said in "".join(finding.reason for finding in decision.findings)


def test_the_status_remembers_what_stood_there() -> None:
    after = drained(terminationGracePeriodSeconds=60)
    assert status(after)["changed"] == {
        "spec.containers[app].lifecycle.preStop": None,
        "spec.terminationGracePeriodSeconds": 60,
    }


def test_the_hash_is_about_the_sidecar_alone() -> None:
    assert status(drained())["hash"] == status(admitted(pod("5555/UDP")))["hash"]


def test_a_namespace_in_audit_hears_of_each_change() -> None:
    raw = pod("5555/UDP", annotations=FIVE_MINUTES)
    made = mutate(raw, Namespace("trial", {"udplb/inject": "audit"}), (), CLUSTER).edits
    assert "the container would serve for 300 s more" in [edit.says for edit in made]
    assert "would be raised to 330" in [edit.says for edit in made]
