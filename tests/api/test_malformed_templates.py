"""A malformed `udplb/*` key in a template: refused where a person writes it, never in a controller's way.

No controllers run here; what they send is replayed. Source: Kubernetes `pkg/controller/deployment/sync.go` (a
ReplicaSet is scaled by an UPDATE of the whole object), `pkg/controller/controller_utils.go`.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.process import wait_until
from tests.lab.rest import Answer
from tests.policy.pod.pods import container, status

pytestmark = pytest.mark.cluster

MALFORMED, GOOD = {"udplb/ports": "game"}, {"udplb/ports": "5555"}
KNOWN_SECONDS = 30.0


def template(annotations: dict[str, str]) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "echo"}, "annotations": annotations},
        "spec": {"containers": [container("5555/UDP")]},
    }


def workload(
    kind: str, name: str, annotations: dict[str, str], owner: Answer | None = None
) -> dict[str, Any]:
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "echo"}}, "template": template(annotations)}
    metadata = {"name": name} | ({"ownerReferences": [reference(owner)]} if owner else {})
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def reference(owner: Answer) -> dict[str, Any]:
    metadata = owner.body["metadata"]
    named = {"kind": owner.body["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {"apiVersion": owner.body["apiVersion"], "controller": True, **named}


class Replayed:
    """A Deployment with a malformed key that was there before the namespace opted in, and its ReplicaSet."""

    def __init__(self, cluster: ControlPlane, namespace: str) -> None:
        self.cluster = cluster
        self.core = f"/api/v1/namespaces/{namespace}"
        self.apps = f"/apis/apps/v1/namespaces/{namespace}"
        self.deployment = self.post("deployments", workload("Deployment", "echo", MALFORMED))
        self.replica_set = self.post(
            "replicasets", workload("ReplicaSet", "echo-5d", MALFORMED, self.deployment)
        )
        opted_in = {"metadata": {"labels": {"udplb/inject": "enabled"}}}
        cluster.request("PATCH", f"/api/v1/namespaces/{namespace}", opted_in)

    def post(self, resource: str, body: dict[str, Any]) -> Answer:
        group = self.core if resource == "pods" else self.apps
        return self.cluster.request("POST", f"{group}/{resource}", body)

    def put(self, resource: str, changed: dict[str, Any]) -> Answer:
        return self.cluster.request("PUT", f"{self.apps}/{resource}/{changed['metadata']['name']}", changed)

    def pod(self, **metadata: Any) -> Answer:
        body = template(MALFORMED)
        body["metadata"] |= {"generateName": "echo-5d-", **metadata}
        return self.post("pods", body)


@pytest.fixture(scope="module")
def replayed(cluster: ControlPlane) -> Replayed:
    made = Replayed(cluster, cluster.namespace("malformed"))
    wait_until(lambda: made.pod().status != 201, "namespace known as opted in", KNOWN_SECONDS)
    return made


def test_a_bare_pod_is_refused_and_told_why(replayed: Replayed) -> None:
    answer = replayed.pod()
    assert answer.status == 422
    (cause,) = answer.body["details"]["causes"]
    assert cause["field"] == "metadata.annotations[udplb/ports]"
    assert 'udplb cannot read "game"' in cause["message"]


def test_a_replica_sets_pod_comes_without_a_sidecar_and_its_status_says_why(replayed: Replayed) -> None:
    answer = replayed.pod(ownerReferences=[reference(replayed.replica_set)])
    assert answer.status == 201
    assert "initContainers" not in answer.body["spec"]
    assert (status(answer.body)["injected"], status(answer.body)["reason"]) == (False, "malformed_annotation")


@pytest.mark.parametrize("replicas", [5, 0])
def test_its_replica_set_is_scaled(replayed: Replayed, replicas: int) -> None:
    current = replayed.cluster.request("GET", f"{replayed.apps}/replicasets/echo-5d").body
    current["spec"]["replicas"] = replicas
    answer = replayed.put("replicasets", current)
    assert (answer.status, answer.body["spec"]["replicas"]) == (200, replicas)


def test_the_deployment_controllers_own_updates_pass(replayed: Replayed) -> None:
    current = replayed.cluster.request("GET", f"{replayed.apps}/deployments/echo").body
    current["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
    answer = replayed.put("deployments", current)
    assert answer.status == 200, answer.body
    assert any("UDPLB966" in warning for warning in answer.warnings)


def test_the_fix_rolls_out(replayed: Replayed) -> None:
    current = replayed.cluster.request("GET", f"{replayed.apps}/deployments/echo").body
    fixed = copy.deepcopy(current)
    fixed["spec"]["template"]["metadata"]["annotations"] = GOOD
    assert replayed.put("deployments", fixed).status == 200
    fresh = replayed.post("replicasets", workload("ReplicaSet", "echo-6e", GOOD, replayed.deployment))
    assert fresh.status == 201
    body = template(GOOD)
    body["metadata"] |= {"generateName": "echo-6e-", "ownerReferences": [reference(fresh)]}
    assert status(replayed.post("pods", body).body)["ports"] == {"5555": "annotation"}


def test_a_person_who_writes_the_key_anew_is_refused(replayed: Replayed) -> None:
    answer = replayed.post("deployments", workload("Deployment", "another", MALFORMED))
    assert answer.status == 422
    (cause,) = answer.body["details"]["causes"]
    assert cause["field"] == "spec.template.metadata.annotations[udplb/ports]"


def test_a_cron_jobs_job_and_its_pod_are_never_refused(replayed: Replayed) -> None:
    owner = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "0", "controller": True}
    body = {
        "metadata": {"name": "nightly-1", "ownerReferences": [owner]},
        "spec": {"template": template(MALFORMED)},
    }
    body["spec"]["template"]["spec"]["restartPolicy"] = "Never"  # type: ignore[index]
    path = replayed.apps.replace("/apps/", "/batch/") + "/jobs"
    assert replayed.cluster.request("POST", path, body).status == 201
