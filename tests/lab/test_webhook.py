"""The webhook of the lab is `udplb serve` itself, called by the real API server."""

from __future__ import annotations

import signal

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.process import LabError
from tests.lab.webhook import PROBE_SERVICE, Namespaces, Webhook

pytestmark = pytest.mark.cluster


def test_the_api_server_calls_it_for_an_opted_in_namespace(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    path = f"/api/v1/namespaces/{namespace()}/services?dryRun=All"
    assert "loadBalancerClass" in cluster.request("POST", path, PROBE_SERVICE).body["spec"]


def test_the_api_server_leaves_it_alone_for_any_other_namespace(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    path = f"/api/v1/namespaces/{namespace({})}/services?dryRun=All"
    assert "loadBalancerClass" not in cluster.request("POST", path, PROBE_SERVICE).body["spec"]


def test_a_namespace_in_audit_is_handed_out_only_when_the_webhook_knows(
    cluster: ControlPlane, namespace: Namespaces
) -> None:
    path = f"/api/v1/namespaces/{namespace({'udplb/inject': 'audit'})}/services?dryRun=All"
    assert "loadBalancerClass" not in cluster.request("POST", path, PROBE_SERVICE).body["spec"]


def test_stopping_it_says_the_exit_code_and_starting_brings_it_back_at_its_address(
    control_plane: ControlPlane,
) -> None:
    with Webhook(control_plane.kubeconfig) as running:
        address = running.url
        assert running.stop() == 0
        assert not running.ready()
        running.start()
        assert running.url == address
        running.signal(signal.SIGKILL)
        assert running.stop() == -signal.SIGKILL


def test_a_start_that_fails_says_why(control_plane: ControlPlane) -> None:
    with pytest.raises(LabError, match="no-such-flag"), Webhook(control_plane.kubeconfig, "--no-such-flag"):
        pass
