"""`udplb check` against real API servers: one where all is right, and ones where something is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.lab.control_plane import ControlPlane, free_port
from tests.lab.owners import LBC, add_owner
from tests.lab.webhook import CHART, Namespaces, Webhook, install
from webhook.cli.check import app

pytestmark = pytest.mark.cluster

OWNED = ("--set=image.registry=localhost", "--set=owner=lbc")


def check(kubeconfig: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [f"--kubeconfig={kubeconfig}", *arguments])


def faults(kubeconfig: Path) -> dict[str, str]:
    """What is not right, by name: what was found and the way out."""
    done = check(kubeconfig, "--output=json")
    assert done.exit_code == 1, done.output
    return {one["name"]: f"{one['found']}: {one['fix']}" for one in json.loads(done.stdout) if not one["ok"]}


@pytest.fixture(scope="module")
def bare() -> Iterator[ControlPlane]:
    """A cluster without udplb."""
    with ControlPlane() as control_plane:
        yield control_plane


def test_where_all_is_right_every_line_says_ok(cluster: ControlPlane, namespace: Namespaces) -> None:
    name = namespace()
    before = cluster.request("GET", f"/api/v1/namespaces/{name}/pods").body["items"]
    done = check(cluster.kubeconfig)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert all(line.startswith("ok ") for line in lines)
    assert lines[1].endswith("lbc builds load balancers")
    assert cluster.request("GET", f"/api/v1/namespaces/{name}/pods").body["items"] == before == []


def test_a_cluster_without_udplb_is_told_how_to_install_it(bare: ControlPlane) -> None:
    found = faults(bare.kubeconfig)
    assert found["webhook configurations"].startswith("not there: helm install udplb charts/udplb")
    assert found["replicas"].startswith("not there: helm install udplb charts/udplb")
    assert found["owner"].startswith("not there: helm install udplb charts/udplb")
    assert found["a pod in a dry run"].endswith("kubectl label namespace NAME udplb/inject=enabled")


def test_a_webhook_that_the_api_server_does_not_reach_is_told_with_the_port_to_open(
    bare: ControlPlane,
) -> None:
    add_owner(bare, LBC)
    bare.namespace("games", {"udplb/inject": "enabled"})
    with Webhook(bare.kubeconfig) as running:
        install(bare, running)
        assert check(bare.kubeconfig).exit_code == 0
    assert faults(bare.kubeconfig).keys() == {"a pod in a dry run"}
    assert "reach TCP 9443" in faults(bare.kubeconfig)["a pod in a dry run"]
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-udplb"
    emptied = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
    bare.request("PATCH", path, emptied, "application/json-patch+json")
    assert "has no caBundle" in faults(bare.kubeconfig)["webhook configurations"]


def test_a_cluster_that_tells_no_owner_is_settled_by_the_labels_of_its_namespaces() -> None:
    enabled = {"metadata": {"labels": {"udplb/inject": "enabled"}}}
    with ControlPlane() as unowned:
        unowned.namespace("games", {"udplb/inject": "enabled"})
        unowned.request("PATCH", "/api/v1/namespaces/kube-system", enabled)
        with Webhook(unowned.kubeconfig, "--owner=lbc") as running:
            install(unowned, running)
            found = faults(unowned.kubeconfig)
            assert found.keys() == {"owner"}
            assert "lacks the label udplb/owner: label it, or set owner to lbc" in found["owner"]
            assert "games" in found["owner"]
            assert "kube-system" not in found["owner"]
            labelled = {"metadata": {"labels": {"udplb/owner": "lbc"}}}
            for namespace in ("games", "udplb-lab-probe"):  # the second is of install()
                unowned.request("PATCH", f"/api/v1/namespaces/{namespace}", labelled)
            assert check(unowned.kubeconfig).exit_code == 0


def test_the_settings_of_the_installation_name_the_owner_where_the_cluster_does_not(
    bare: ControlPlane,
) -> None:
    rendered = bare.helm("template", "udplb", str(CHART), "--no-hooks", *OWNED)
    with ControlPlane() as unowned:
        unowned.apply(rendered.stdout)
        unowned.namespace("games", {"udplb/inject": "enabled"})
        assert "owner" not in faults(unowned.kubeconfig)


def test_no_answer_from_the_cluster_is_one_line(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    server = f"https://127.0.0.1:{free_port()}"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": server}}],
                "users": [{"name": "u", "user": {}}],
            }
        )
    )
    done = check(kubeconfig)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"udplb check: {server} cannot be reached")
