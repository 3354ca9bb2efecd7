"""The README's manifests through kubectl, the real API server and udplb."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.webhook import Namespaces

pytestmark = pytest.mark.cluster

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
GAME = str(EXAMPLES / "game-server.yaml")
REJECTED = str(EXAMPLES / "rejected.yaml")
README = (Path(__file__).parents[2] / "README.md").read_text()
IN_THE_README = README.partition("(docs/examples/rejected.yaml):\n\n```text\n")[2].partition("\n```")[0]
SCHEME = "service.beta.kubernetes.io/aws-load-balancer-scheme"
OURS = {
    "service.beta.kubernetes.io/aws-load-balancer-attributes": "load_balancing.cross_zone.enabled=true",
    "service.beta.kubernetes.io/aws-load-balancer-healthcheck-port": "traffic-port",
    "service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol": "tcp",
    "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip",
}
UDP_CHECK = "service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def service(cluster: ControlPlane, name: str) -> dict[str, Any]:
    found: dict[str, Any] = cluster.request("GET", f"/api/v1/namespaces/{name}/services/game").body
    return found


def resource_versions(cluster: ControlPlane, name: str) -> dict[str, str]:
    """Every object of the namespace that udplb or kubectl could have touched."""
    kinds = ("api/v1/{}/services", "api/v1/{}/pods", "apis/apps/v1/{}/deployments", "api/v1/{}/events")
    found: dict[str, str] = {}
    for kind in kinds:
        body = cluster.request("GET", "/" + kind.format(f"namespaces/{name}")).body
        found |= {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in body["items"]}
    return found


def test_a_dry_run_of_the_readmes_service_shows_the_documented_result(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    done = cluster.kubectl("apply", "--dry-run=server", "-o", "json", "-n", namespace(), "-f", GAME)
    made = json.loads(done.stdout)["items"][0]
    annotations = {
        key: value for key, value in made["metadata"]["annotations"].items() if key != LAST_APPLIED
    }
    assert annotations == OURS | {SCHEME: "internet-facing"}
    assert made["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert made["spec"]["externalTrafficPolicy"] == "Local"


def test_a_dry_run_writes_nothing(cluster: ControlPlane, namespace: Namespaces) -> None:
    name = namespace()
    before = resource_versions(cluster, name)
    cluster.kubectl("apply", "--dry-run=server", "-n", name, "-f", GAME)
    cluster.kubectl("apply", "--dry-run=server", "-n", name, "-f", REJECTED, check=False)
    assert resource_versions(cluster, name) == before


def test_applying_a_second_time_changes_nothing(cluster: ControlPlane, namespace: Namespaces) -> None:
    name = namespace()
    cluster.kubectl("apply", "-n", name, "-f", GAME)
    before = resource_versions(cluster, name)
    again = cluster.kubectl("apply", "-n", name, "-f", GAME)
    assert "service/game unchanged" in again.stdout
    assert resource_versions(cluster, name) == before


def test_a_manifest_put_over_the_object_gets_back_what_it_never_held(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    name = namespace()
    cluster.kubectl("create", "-n", name, "-f", GAME)
    before = service(cluster, name)
    cluster.kubectl("replace", "-n", name, "-f", GAME)
    after = service(cluster, name)
    assert after["metadata"]["annotations"] == before["metadata"]["annotations"]
    assert after["spec"] == before["spec"]


def test_a_bad_manifest_is_refused_with_code_field_and_fix(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    done = cluster.kubectl("apply", "-n", namespace(), "-f", REJECTED, check=False)
    assert done.returncode == 1
    assert IN_THE_README
    assert IN_THE_README in done.stderr
    for said in (
        "UDPLB403",
        UDP_CHECK,
        "unsupported health check protocol udp",
        "write tcp",
        "docs/rules.md#udplb403",
    ):
        assert said in done.stderr


def test_audit_admits_the_same_manifest_unchanged_with_the_same_findings(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    name = namespace({"udplb/inject": "audit"})
    done = cluster.kubectl("apply", "-n", name, "-f", REJECTED)
    assert "audit: UDPLB403" in done.stderr
    made = service(cluster, name)
    assert "loadBalancerClass" not in made["spec"]
    assert set(made["metadata"]["annotations"]) == {UDP_CHECK, LAST_APPLIED}


def test_audit_says_what_would_be_changed(cluster: ControlPlane, namespace: Namespaces) -> None:
    done = cluster.kubectl("apply", "-n", namespace({"udplb/inject": "audit"}), "-f", GAME)
    assert "audit: UDPLB100 spec.loadBalancerClass: would be set to service.k8s.aws/nlb" in done.stderr


def test_a_namespace_without_the_label_is_untouched(cluster: ControlPlane, namespace: Namespaces) -> None:
    name = namespace({})
    done = cluster.kubectl("apply", "-n", name, "-f", REJECTED)
    assert "UDPLB" not in done.stderr
    assert "loadBalancerClass" not in service(cluster, name)["spec"]


def test_a_healthy_apply_prints_no_warning(cluster: ControlPlane, namespace: Namespaces) -> None:
    assert "Warning" not in cluster.kubectl("apply", "-n", namespace(), "-f", GAME).stderr


def test_finalizers_and_deletion_pass_however_bad_the_service_is(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    name = namespace({"udplb/inject": "audit"})
    cluster.kubectl("apply", "-n", name, "-f", REJECTED)
    cluster.kubectl("label", "namespace", name, "--overwrite", "udplb/inject=enabled")
    finalizer = '{"metadata":{"finalizers":["service.k8s.aws/resources"]}}'
    cluster.kubectl("patch", "service", "game", "-n", name, "--type=merge", "-p", finalizer)
    cluster.kubectl("delete", "service", "game", "-n", name, "--wait=false")
    cluster.kubectl(
        "patch", "service", "game", "-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )
    assert cluster.request("GET", f"/api/v1/namespaces/{name}/services/game").status == 404


def test_a_pod_of_the_service_gets_its_sidecar(cluster: ControlPlane, namespace: Namespaces) -> None:
    name = namespace()
    cluster.kubectl("apply", "-n", name, "-f", GAME)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "game-0", "labels": {"app": "game"}},
        "spec": {
            "containers": [
                {
                    "name": "game",
                    "image": "game:1",
                    "ports": [{"name": "game", "containerPort": 7777, "protocol": "UDP"}],
                }
            ]
        },
    }
    made = cluster.request("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod).body
    (sidecar,) = made["spec"]["initContainers"]
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("udp-healthcheck", "Always")
    assert sidecar["args"] == ["--port", "7777"]
    assert json.loads(made["metadata"]["annotations"]["udplb/status"])["ports"] == {"7777": "service/game"}
