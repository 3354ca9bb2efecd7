"""udplb beside webhooks that damage or rewrite its sidecar, as the API server calls them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.other_webhook import mutating_pods
from tests.lab.rest import Answer
from tests.lab.webhook import Namespaces
from tests.policy.pod.pods import container, pod, sidecars, status

pytestmark = pytest.mark.cluster

FIRST, LAST = "0-before", "z-after"
IMAGE = "mirror.example/udp-healthcheck:9"


def created(cluster: ControlPlane, namespace: str, **fields: Any) -> Answer:
    raw = pod("5555/UDP", owned=False, **fields)
    return cluster.request("POST", f"/api/v1/namespaces/{namespace}/pods", raw)


def strip(raw: dict[str, Any]) -> None:
    """What a webhook does whose typed model is older than native sidecars."""
    for entry in raw["spec"].get("initContainers", []):
        entry.pop("restartPolicy", None)


def rewrite(raw: dict[str, Any]) -> None:
    """What rewriters of registries, autoscalers and injectors of settings do to every container."""
    for place in ("containers", "initContainers"):
        for entry in raw["spec"].get(place, []):
            entry["image"] = IMAGE
            entry["imagePullPolicy"] = "Always"
            entry["resources"] = {"requests": {"cpu": "7m"}, "limits": {"memory": "32Mi"}}
            entry["env"] = [{"name": "REGION", "value": "x"}]
            mounts = [mount for mount in entry.get("volumeMounts", []) if mount["name"] != "settings"]
            entry["volumeMounts"] = [*mounts, {"name": "settings", "mountPath": "/settings"}]
    volumes = [volume for volume in raw["spec"].get("volumes", []) if volume["name"] != "settings"]
    raw["spec"]["volumes"] = [*volumes, {"name": "settings", "emptyDir": {}}]


def remove(raw: dict[str, Any]) -> None:
    raw["spec"]["initContainers"] = [
        entry for entry in raw["spec"].get("initContainers", []) if entry["name"] != "udp-healthcheck"
    ]


@pytest.mark.parametrize("reinvoked", [False, True], ids=["once", "reinvoked"])
@pytest.mark.parametrize("name", [FIRST, LAST])
def test_a_stripped_restart_policy_is_repaired_or_refused(
    cluster: ControlPlane, namespace: Namespaces, name: str, reinvoked: bool
) -> None:
    where = namespace()
    with mutating_pods(cluster, where, name, reinvoked, strip):
        answer = created(cluster, where)
    if answer.status == 201:
        ((_, _, sidecar),) = sidecars(answer.body)
        assert sidecar["restartPolicy"] == "Always"
    else:
        assert answer.status in (403, 422)
        assert "initContainers[0]" in answer.body["message"]


@pytest.mark.parametrize("reinvoked", [False, True], ids=["once", "reinvoked"])
@pytest.mark.parametrize("name", [FIRST, LAST])
def test_an_ordinary_container_is_the_way_out_where_the_restart_policy_is_stripped(
    cluster: ControlPlane, namespace: Namespaces, name: str, reinvoked: bool
) -> None:
    where = namespace()
    with mutating_pods(cluster, where, name, reinvoked, strip):
        answer = created(cluster, where, annotations={"udplb/native-sidecar": "false"})
    assert answer.status == 201, answer.body
    assert [(place, index) for place, index, _ in sidecars(answer.body)] == [("containers", 1)]


@pytest.mark.parametrize("annotations", [{}, {"udplb/native-sidecar": "false"}], ids=["native", "ordinary"])
@pytest.mark.parametrize("reinvoked", [False, True], ids=["once", "reinvoked"])
@pytest.mark.parametrize("name", [FIRST, LAST])
def test_what_others_rewrite_of_the_sidecar_is_neither_repaired_nor_refused(
    cluster: ControlPlane, namespace: Namespaces, name: str, reinvoked: bool, annotations: dict[str, str]
) -> None:
    where = namespace()
    with mutating_pods(cluster, where, name, reinvoked, rewrite):
        answer = created(cluster, where, annotations=annotations)
    assert answer.status == 201, answer.body
    assert [warning for warning in answer.warnings if "UDPLB" in warning] == []
    ((_, _, sidecar),) = sidecars(answer.body)
    rewritten = name == LAST or reinvoked
    assert (sidecar["image"] == IMAGE) is rewritten
    assert ("env" in sidecar) is rewritten
    assert sidecar["args"] == ["--port", "5555"]


def test_a_sidecar_that_another_webhook_removes_comes_back_or_is_warned(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    where = namespace()
    with mutating_pods(cluster, where, LAST, True, remove):
        answer = created(cluster, where)
    assert answer.status == 201, answer.body
    assert sidecars(answer.body) or any("UDPLB928" in warning for warning in answer.warnings)


def add_agent(raw: dict[str, Any]) -> None:
    """A generic injector."""
    if not any(entry["name"] == "agent" for entry in raw["spec"]["containers"]):
        agent = container("15000/TCP", name="agent")
        raw["spec"]["containers"].append(agent)
        raw["spec"].setdefault("initContainers", []).insert(0, {"name": "agent-init", "image": "agent:1"})


@pytest.mark.parametrize("name", [FIRST, LAST])
def test_two_injectors_live_together_in_both_orders(
    cluster: ControlPlane, namespace: Namespaces, name: str
) -> None:
    where = namespace()
    with mutating_pods(cluster, where, name, True, add_agent):
        answer = created(cluster, where)
    assert answer.status == 201, answer.body
    assert {entry["name"] for entry in answer.body["spec"]["containers"]} == {"app", "agent"}
    assert {entry["name"] for entry in answer.body["spec"]["initContainers"]} == {
        "agent-init",
        "udp-healthcheck",
    }
    assert status(answer.body)["ports"] == {"5555": "declared"}


def linkerd(raw: dict[str, Any]) -> None:
    """As Linkerd's injector: it renders the annotation into the arguments of its init container, once."""
    spec = raw["spec"]
    if any(entry["name"] == "linkerd-init" for entry in spec.get("initContainers", [])):
        return
    skipped = raw["metadata"].get("annotations", {}).get("config.linkerd.io/skip-inbound-ports", "")
    init = {
        "name": "linkerd-init",
        "image": "linkerd:1",
        "args": ["--inbound-ports-to-ignore", ",".join(filter(None, ["4190,4191", skipped]))],
    }
    spec.setdefault("initContainers", []).insert(0, init)
    spec["containers"].append({"name": "linkerd-proxy", "image": "linkerd:1"})


@pytest.mark.parametrize(("name", "intercepted"), [(FIRST, True), (LAST, False)])
def test_a_mesh_that_injects_after_us_leaves_our_ports_alone_and_one_before_us_is_told(
    cluster: ControlPlane, namespace: Namespaces, name: str, intercepted: bool
) -> None:
    where = namespace()
    with mutating_pods(cluster, where, name, False, linkerd):
        answer = created(cluster, where, annotations={"linkerd.io/inject": "enabled"})
    assert answer.status == 201, answer.body
    (init,) = (entry for entry in answer.body["spec"]["initContainers"] if entry["name"] == "linkerd-init")
    assert ("5555" in json.dumps(init["args"])) is not intercepted
    assert any("UDPLB931" in warning for warning in answer.warnings) is intercepted
    assert status(answer.body).get("mesh") == ("intercepted" if intercepted else None)
