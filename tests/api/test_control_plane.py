"""The test control plane is a real one, and nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab import control_plane as lab
from tests.lab.control_plane import ControlPlane
from tests.lab.owners import AUTO_MODE, LBC, Owner, add_owner, remove_owner
from tests.lab.process import LabError, wait_until
from tests.lab.scratch import sweep

pytestmark = pytest.mark.cluster

SCRIPT = """
import sys
from tests.lab.control_plane import ControlPlane
with ControlPlane() as running:
    print(running.directory, flush=True)
    sys.stdin.read()
"""


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "game"}, "spec": {"containers": [{"name": "game", "image": "game"}], **spec}}


def processes_naming(text: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if text.encode() in words:
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    """Another process that runs a control plane of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def private_control_plane() -> Iterator[ControlPlane]:
    """One whose owners may change without other tests seeing it."""
    with ControlPlane() as running:
        yield running


def test_a_new_namespace_takes_pods(control_plane: ControlPlane) -> None:
    name = control_plane.namespace("takes-pods")
    answer = control_plane.request("POST", f"/api/v1/namespaces/{name}/pods", pod())
    assert answer.status == 201, answer.body


def test_pods_get_the_token_of_their_service_account(control_plane: ControlPlane) -> None:
    name = control_plane.namespace("service-account")
    answer = control_plane.request("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod())
    mounts = answer.body["spec"]["containers"][0]["volumeMounts"]
    assert [mount["mountPath"] for mount in mounts] == ["/var/run/secrets/kubernetes.io/serviceaccount"]


def test_a_limit_range_is_enforced(control_plane: ControlPlane) -> None:
    name = control_plane.namespace("limit-range")
    limits = {"metadata": {"name": "small"}, "spec": {"limits": [{"type": "Pod", "max": {"memory": "64Mi"}}]}}
    control_plane.request("POST", f"/api/v1/namespaces/{name}/limitranges", limits)
    answer = control_plane.request("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod())
    assert answer.status == 403
    assert "maximum memory usage per Pod is 64Mi" in answer.body["message"]


def test_a_resource_quota_is_enforced(control_plane: ControlPlane) -> None:
    name = control_plane.namespace("quota")
    path = f"/api/v1/namespaces/{name}/resourcequotas"
    control_plane.request("POST", path, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    status = {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}
    control_plane.request("PATCH", f"{path}/none/status", status)

    def refused() -> bool:  # the plugin reads quotas through a watch
        answer = control_plane.request("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod())
        return answer.status == 403 and "exceeded quota: none" in answer.body["message"]

    wait_until(refused, "refusal by the quota", 10)


def test_pod_security_is_enforced(control_plane: ControlPlane) -> None:
    name = control_plane.namespace("restricted", {"pod-security.kubernetes.io/enforce": "restricted"})
    answer = control_plane.request("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod())
    assert answer.status == 403
    assert 'violates PodSecurity "restricted' in answer.body["message"]


def test_an_answer_carries_the_warnings(control_plane: ControlPlane) -> None:
    name = control_plane.namespace("warned", {"pod-security.kubernetes.io/warn": "restricted"})
    answer = control_plane.request("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", pod())
    assert answer.status == 201
    assert answer.warnings[0].startswith('would violate PodSecurity "restricted')


def test_a_user_has_the_name_and_groups_asked_for_and_no_rights(control_plane: ControlPlane) -> None:
    kubeconfig = control_plane.kubeconfig_for("system:serviceaccount:a:b", ["system:serviceaccounts", "ops"])
    who = control_plane.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig).stdout
    assert '"system:serviceaccount:a:b"' in who
    assert '"ops"' in who
    nodes = control_plane.kubectl("get", "nodes", kubeconfig=kubeconfig, check=False)
    assert "is forbidden" in nodes.stderr


def test_a_failing_command_says_why(control_plane: ControlPlane) -> None:
    with pytest.raises(LabError, match=r'namespaces "absent" not found'):
        control_plane.kubectl("get", "namespace", "absent")


def test_helm_talks_to_it(control_plane: ControlPlane) -> None:
    assert control_plane.helm("list", "--short").stdout == ""


def test_the_api_server_comes_back_at_the_same_address_with_its_data(control_plane: ControlPlane) -> None:
    before = control_plane.url
    control_plane.namespace("survives")
    control_plane.stop_api_server()
    with pytest.raises(OSError, match="refused"):
        control_plane.request("GET", "/readyz")
    control_plane.start_api_server()
    assert control_plane.url == before
    assert control_plane.request("GET", "/api/v1/namespaces/survives").status == 200


@pytest.mark.parametrize("owner", [LBC, AUTO_MODE], ids=["lbc", "auto-mode"])
def test_a_load_balancers_owner_comes_and_goes(owner: Owner, private_control_plane: ControlPlane) -> None:
    add_owner(private_control_plane, owner)
    kinds = private_control_plane.kubectl("get", owner.definition, "-A", "-o", "name")
    assert kinds.stdout == ""
    remove_owner(private_control_plane, owner)
    gone = private_control_plane.kubectl("get", owner.definition, "-A", check=False)
    assert "the server doesn't have a resource type" in gone.stderr


def test_a_taken_port_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", lab.free_port())) as taken:
        ports = iter([taken.getsockname()[1], lab.free_port()])
        monkeypatch.setattr(lab, "free_port", lambda *_: next(ports))
        with ControlPlane() as second:
            assert second.request("GET", "/readyz").status == 200
    assert next(ports, None) is None


def test_leaving_the_context_leaves_nothing(owner: subprocess.Popen[str]) -> None:
    assert owner.stdout is not None
    directory = Path(owner.stdout.readline().strip())
    assert len(processes_naming(str(directory))) == 4  # etcd, the API server and the keeper of each
    owner.communicate("")
    assert processes_naming(str(directory)) == []
    assert not directory.exists()


def test_a_killed_owner_leaves_no_process_and_the_next_run_clears_its_folder(
    owner: subprocess.Popen[str],
) -> None:
    assert owner.stdout is not None
    directory = Path(owner.stdout.readline().strip())
    sweep()
    assert directory.exists(), "a folder in use must not be swept"
    os.kill(owner.pid, signal.SIGKILL)
    wait_until(lambda: not processes_naming(str(directory)), "end of the orphans", 10)
    sweep()
    assert not directory.exists()
