"""What the validating webhook says of a pod after every other webhook has had it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.policy.pod.pods import CLUSTER, GAMES, STATUS, admitted, apply, codes, pod
from webhook.policy.cluster import Namespace
from webhook.policy.finding import Severity
from webhook.policy.pod.decision import validate

NATIVE_OFF = {"udplb/native-sidecar": "false"}


def damaged(annotations: Mapping[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """An admitted pod whose sidecar was changed; None removes a field."""
    raw = admitted(pod("5555/UDP", annotations=annotations or {}))
    place = "containers" if annotations else "initContainers"
    sidecar = raw["spec"][place][-1]
    for name, value in fields.items():
        sidecar[name] = value
    return raw


def test_an_intact_pod_passes_without_a_word() -> None:
    assert validate(admitted(pod("5555/UDP")), GAMES, (), CLUSTER).findings == ()


def test_an_intact_ordinary_container_passes_without_a_word() -> None:
    assert validate(damaged(NATIVE_OFF), GAMES, (), CLUSTER).findings == ()


def test_a_pod_without_a_status_passes_without_a_word() -> None:
    assert validate(pod("5555/UDP"), GAMES, (), CLUSTER).findings == ()


def test_a_skipped_pod_passes_without_a_word() -> None:
    skipped = admitted(pod("5555/UDP", hostNetwork=True))
    assert validate(skipped, GAMES, (), CLUSTER).findings == ()


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        pytest.param(
            damaged(restartPolicy=None), "its restartPolicy: Always is gone", id="restartPolicy gone"
        ),
        pytest.param(damaged(args=["--port", "9001"]), "its arguments do not name", id="another port"),
        pytest.param(damaged(args=["--port"]), "its arguments do not name", id="no number"),
        pytest.param(damaged(args=["--port", "many"]), "its arguments do not name", id="no digits"),
        pytest.param(damaged(NATIVE_OFF, restartPolicy="Never"), "its restartPolicy is Never", id="ordinary"),
    ],
)
def test_a_damaged_sidecar_is_refused_with_the_cause(raw: dict[str, Any], cause: str) -> None:
    decision = validate(raw, GAMES, (), CLUSTER)
    assert codes(decision) == ["UDPLB927"]
    assert decision.rejected
    assert cause in decision.findings[0].reason


def test_a_doubled_sidecar_is_refused() -> None:
    raw = admitted(pod("5555/UDP"))
    raw["spec"]["initContainers"] *= 2
    decision = validate(raw, GAMES, (), CLUSTER)
    assert decision.rejected
    assert "it is there 2 times" in decision.findings[0].reason


def test_a_sidecar_moved_to_the_other_list_is_refused() -> None:
    raw = admitted(pod("5555/UDP"))
    raw["spec"]["containers"] += raw["spec"].pop("initContainers")
    (finding,) = validate(raw, GAMES, (), CLUSTER).findings
    assert finding.field == "spec.containers[1]"
    assert "not in spec.initContainers" in finding.reason


def test_a_sidecar_that_is_gone_is_warned() -> None:
    raw = admitted(pod("5555/UDP"))
    del raw["spec"]["initContainers"]
    decision = validate(raw, GAMES, (), CLUSTER)
    assert codes(decision) == ["UDPLB928"]
    assert not decision.rejected


def test_what_a_newer_version_made_is_not_judged() -> None:
    raw = damaged(restartPolicy=None)
    raw["metadata"]["annotations"][STATUS] = raw["metadata"]["annotations"][STATUS].replace("0.1.0", "0.2.0")
    assert validate(raw, GAMES, (), CLUSTER).findings == ()


def test_a_bare_pod_s_malformed_key_is_refused_here_too() -> None:
    decision = validate(pod(annotations={"udplb/ports": "x"}, owned=False), GAMES, (), CLUSTER)
    assert codes(decision) == ["UDPLB920"]
    assert decision.rejected


def test_a_controller_s_pod_is_not_warned_twice_for_it() -> None:
    assert validate(pod(annotations={"udplb/ports": "x"}), GAMES, (), CLUSTER).findings == ()


@pytest.mark.parametrize(
    ("change", "namespace"),
    [
        pytest.param({}, Namespace("plain", {}), id="namespace not opted in"),
        pytest.param({"labels": {"udplb/inject": "false"}}, GAMES, id="switched off"),
        pytest.param({"annotations": {"kubernetes.io/config.mirror": "x"}}, GAMES, id="mirror pod"),
    ],
)
def test_a_pod_that_is_none_of_ours_is_not_judged(change: dict[str, Any], namespace: Namespace) -> None:
    raw = apply(damaged(restartPolicy=None), ())
    for name, entries in change.items():
        raw["metadata"][name] |= entries
    assert validate(raw, namespace, (), CLUSTER).findings == ()


def test_a_cluster_may_turn_the_refusal_into_a_warning() -> None:
    lenient = replace(CLUSTER, severities={"UDPLB927": Severity.WARN})
    decision = validate(damaged(restartPolicy=None), GAMES, (), lenient)
    assert codes(decision) == ["UDPLB927"]
    assert not decision.rejected
