"""Whom a real API server calls: the chart's own selectors and conditions, with nobody listening at the URL.

The API server counts its calls by webhook, failed ones too. So the chart keeps its failure policies here, and
what they let through or refuse while the webhook is down is seen as well. The control plane is not the one
that other tests share, because `udplb serve` may be installed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import count
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.charts.chart import CHART, rendered_text
from tests.lab.control_plane import ControlPlane, free_port
from tests.lab.process import wait_until
from tests.lab.rest import Answer

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

Object = dict[str, Any]

MUTATE_POD, MUTATE_SERVICE = "pods.mutate.udplb", "services.mutate.udplb"
VALIDATE_CREATE, VALIDATE_UPDATE = "services-create.validate.udplb", "services-update.validate.udplb"
VALIDATE_POD, VALIDATE_WORKLOAD = "pods.validate.udplb", "workloads.validate.udplb"
NOBODY: set[str] = set()
CREATED = {MUTATE_SERVICE, VALIDATE_CREATE}
UPDATED = {MUTATE_SERVICE, VALIDATE_UPDATE}

UDP = {"name": "game", "port": 5555, "protocol": "UDP"}
TCP = {"name": "web", "port": 80, "protocol": "TCP"}
TYPE_LOAD_BALANCER = {"spec": {"type": "LoadBalancer"}}
NUMBERS = count(1)
ALERTS = YAML(typ="safe").load((CHART / "files" / "alerts.yaml").read_text())


class ApiServer:
    """An API server that tells whom it called for a request."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self.request = control_plane.request

    def called(self, method: str, path: str, body: Object | None = None) -> tuple[set[str], Answer]:
        """The webhooks called for a request, and its answer."""
        before = self._calls()
        answer = self.request(method, path, body)
        after = self._calls()
        return {name for name, calls in after.items() if calls > before.get(name, 0)}, answer

    def _calls(self) -> dict[str, int]:
        """Calls by webhook since the start.

        An expression that errs is no call, but counts as one that failed: under `Fail` it refuses the request.
        """
        metrics = self.request("GET", "/metrics").body
        errors = re.findall(
            r"^apiserver_admission_match_condition_evaluation_errors_total\{.*", metrics, re.MULTILINE
        )
        assert not errors, errors
        line = r'^apiserver_admission_webhook_request_total\{.*?name="([^"]+)".*\} (\S+)$'
        totals: dict[str, int] = {}
        for name, calls in re.findall(line, metrics, re.MULTILINE):
            totals[name] = totals.get(name, 0) + int(float(calls))
        return totals


@pytest.fixture(scope="module")
def api_server() -> Iterator[ApiServer]:
    """The chart is installed; `enabled`, `audited`, `other` and kube-system are labelled, `unlabelled` is not."""
    with ControlPlane() as control_plane:
        for name, labels in NAMESPACES.items():
            control_plane.namespace(name, labels)
        opt_in = {"metadata": {"labels": {"udplb/inject": "enabled"}}}
        assert control_plane.request("PATCH", "/api/v1/namespaces/kube-system", opt_in).status == 200
        control_plane.apply(
            rendered_text(
                f"--set=webhook.url=https://127.0.0.1:{free_port()}",
                f"--set-file=tls.caBundle={control_plane.directory / 'ca.crt'}",
            )
        )
        # Labelled last: once this label is known, so are all before it, kube-system's too.
        assert control_plane.request("PATCH", "/api/v1/namespaces/default", opt_in).status == 200
        running = ApiServer(control_plane)
        wait_until(lambda: _all_are_called(running), "call of every webhook by the API server", 30)
        yield running


def _all_are_called(api_server: ApiServer) -> bool:
    service = load_balancer(UDP)
    annotated = pod(annotations={"udplb/ports": "5555"})
    created, _ = api_server.called("POST", "/api/v1/namespaces/default/services?dryRun=All", service)
    pods, _ = api_server.called("POST", "/api/v1/namespaces/default/pods?dryRun=All", annotated)
    return created == CREATED and pods == {MUTATE_POD, VALIDATE_POD}


NAMESPACES: Mapping[str, Mapping[str, str]] = {
    "enabled": {"udplb/inject": "enabled"},
    "audited": {"udplb/inject": "audit"},
    "other": {"udplb/inject": "true"},
    "unlabelled": {},
}


def named(metadata: Object, spec: Object) -> Object:
    return {"metadata": {"name": f"object-{next(NUMBERS)}", **metadata}, "spec": deepcopy(spec)}


def load_balancer(*ports: Object, **metadata: Any) -> Object:
    return named(metadata, {"type": "LoadBalancer", "ports": list(ports)})


def cluster_ip(*ports: Object, **metadata: Any) -> Object:
    return named(metadata, {"ports": list(ports)})


def pod(spec: Object | None = None, **metadata: Any) -> Object:
    return named(metadata, {"containers": [{"name": "game", "image": "game"}], **(spec or {})})


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        pytest.param(load_balancer(UDP), CREATED, id="without-labels-and-annotations"),
        pytest.param(load_balancer(UDP, labels={"a": "b"}, annotations={"c": "d"}), CREATED, id="with-both"),
        pytest.param(load_balancer(TCP, UDP), CREATED, id="tcp-beside-udp"),
        pytest.param(load_balancer(UDP, annotations={"udplb/inject": "true"}), CREATED, id="opted-in"),
        pytest.param(
            load_balancer(UDP, deletionTimestamp="2026-01-01T00:00:00Z"), CREATED, id="restored-while-deleted"
        ),
        pytest.param(load_balancer(UDP, annotations={"udplb/inject": "false"}), NOBODY, id="break-glass"),
        pytest.param(load_balancer(TCP), NOBODY, id="tcp-only"),
        pytest.param(load_balancer({"port": 80}), NOBODY, id="no-protocol"),
        pytest.param(load_balancer(), NOBODY, id="no-ports"),
        pytest.param(cluster_ip(UDP), NOBODY, id="cluster-ip"),
        pytest.param(
            named({}, {"type": "ExternalName", "externalName": "a.example"}), NOBODY, id="external-name"
        ),
    ],
)
def test_a_new_service_calls(api_server: ApiServer, service: Object, expected: set[str]) -> None:
    called, _ = api_server.called("POST", "/api/v1/namespaces/enabled/services?dryRun=All", service)
    assert called == expected


def test_a_new_udp_load_balancer_is_refused_while_the_webhook_is_down(api_server: ApiServer) -> None:
    _, answer = api_server.called("POST", "/api/v1/namespaces/enabled/services", load_balancer(UDP))
    assert answer.status == 500
    assert f'failed calling webhook "{VALIDATE_CREATE}"' in answer.body["message"]


@pytest.mark.parametrize(
    ("path", "made", "counted"),
    [
        pytest.param("services", load_balancer(UDP), "webhook_rejection_count", id="fails-closed"),
        pytest.param("pods", pod(), "webhook_fail_open_count", id="fails-open"),
    ],
)
def test_the_api_server_counts_what_our_alert_asks_for(
    api_server: ApiServer, path: str, made: Object, counted: str
) -> None:
    (alert,) = (one for one in ALERTS if one["alert"] == "UdplbNotReached")
    name, matchers = re.findall(rf"(apiserver_admission_{counted})\{{(.*?)\}}\[", alert["expr"])[0]
    api_server.request("POST", f"/api/v1/namespaces/enabled/{path}", made)
    text = api_server.request("GET", "/metrics").body
    series = [
        dict(re.findall(r'(\w+)="([^"]*)"', line))
        for line in re.findall(rf"^{name}\{{(.*)\}}", text, re.MULTILINE)
    ]
    asked = re.findall(r'(\w+)=~?"([^"]*)"', matchers)
    assert asked
    assert [one for one in series if all(re.fullmatch(value, one[key]) for key, value in asked)]


@pytest.mark.parametrize(
    "service",
    [load_balancer(UDP, annotations={"udplb/inject": "false"}), load_balancer(TCP), cluster_ip(UDP)],
    ids=["break-glass", "tcp-only", "cluster-ip"],
)
def test_other_services_are_created_while_the_webhook_is_down(api_server: ApiServer, service: Object) -> None:
    assert api_server.request("POST", "/api/v1/namespaces/enabled/services", service).status == 201


@pytest.mark.parametrize(
    ("namespace", "expected"),
    [("audited", {MUTATE_SERVICE}), ("other", NOBODY), ("unlabelled", NOBODY), ("kube-system", NOBODY)],
)
def test_nothing_is_refused_outside_enabled_namespaces(
    api_server: ApiServer, namespace: str, expected: set[str]
) -> None:
    called, answer = api_server.called(
        "POST", f"/api/v1/namespaces/{namespace}/services?dryRun=All", load_balancer(UDP)
    )
    assert (called, answer.status) == (expected, 201)


def live(api_server: ApiServer, service: Object) -> str:
    """Create a Service, as a ClusterIP first, for which nobody is called; return its path."""
    first = deepcopy(service)
    kind = first["spec"].pop("type", "ClusterIP")
    name = first["spec"].pop("loadBalancerClass", None)
    answer = api_server.request("POST", "/api/v1/namespaces/enabled/services", first)
    assert answer.status == 201, answer.body
    path = f"/api/v1/namespaces/enabled/services/{service['metadata']['name']}"
    answer = api_server.request("PATCH", path, {"spec": {"type": kind, "loadBalancerClass": name}})
    assert answer.status == 200, answer.body
    return path


CLASS = "service.k8s.aws/nlb"


def classed(port: Object, name: str = CLASS, **metadata: Any) -> Object:
    service = load_balancer(port, **metadata)
    service["spec"]["loadBalancerClass"] = name
    return service


@pytest.mark.parametrize(
    ("service", "change", "expected"),
    [
        pytest.param(classed(TCP), {"loadBalancerClass": None}, {MUTATE_SERVICE}, id="tcp-only"),
        pytest.param(
            classed(TCP, "eks.amazonaws.com/nlb"),
            {"loadBalancerClass": None},
            {MUTATE_SERVICE},
            id="auto-mode",
        ),
        pytest.param(
            classed(UDP, annotations={"udplb/inject": "false"}),
            {"loadBalancerClass": None},
            {MUTATE_SERVICE},
            id="break-glass",
        ),
        pytest.param(
            classed(TCP, "vendor.example/lb"), {"loadBalancerClass": None}, NOBODY, id="another-vendor's"
        ),
        pytest.param(
            classed(TCP),
            {"loadBalancerClass": None, "type": "ClusterIP"},
            NOBODY,
            id="with-the-load-balancer",
        ),
    ],
)
def test_an_update_that_drops_the_class_calls(
    api_server: ApiServer, service: Object, change: Object, expected: set[str]
) -> None:
    """The API server refuses it unless we put the class back, or the Service is no load balancer any more."""
    called, answer = api_server.called("PATCH", live(api_server, service), {"spec": change})
    assert called == expected
    assert answer.status == (200 if "type" in change else 422)


OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "0"}


@pytest.mark.parametrize(
    ("service", "change", "expected"),
    [
        pytest.param(cluster_ip(UDP), TYPE_LOAD_BALANCER, UPDATED, id="becomes-a-load-balancer"),
        pytest.param(load_balancer(UDP), {"spec": {"type": "ClusterIP"}}, UPDATED, id="is-one-no-more"),
        pytest.param(load_balancer(TCP), {"spec": {"ports": [TCP, UDP]}}, UPDATED, id="first-udp-port"),
        pytest.param(load_balancer(TCP, UDP), {"spec": {"ports": [TCP]}}, UPDATED, id="last-udp-port-goes"),
        pytest.param(load_balancer(UDP), {"spec": {"selector": {"app": "a"}}}, UPDATED, id="spec"),
        pytest.param(load_balancer(UDP), {"metadata": {"labels": {"a": "b"}}}, UPDATED, id="first-label"),
        pytest.param(
            load_balancer(UDP, labels={"a": "b"}),
            {"metadata": {"labels": None}},
            UPDATED,
            id="last-label-goes",
        ),
        pytest.param(load_balancer(UDP), {"metadata": {"annotations": {"a": "b"}}}, UPDATED, id="annotation"),
        pytest.param(
            load_balancer(UDP, annotations={"udplb/inject": "false"}),
            {"metadata": {"annotations": None}},
            UPDATED,
            id="break-glass-is-taken-back",
        ),
        pytest.param(
            load_balancer(UDP),
            {"metadata": {"annotations": {"udplb/inject": "false"}}, "spec": {"selector": {"app": "a"}}},
            NOBODY,
            id="break-glass",
        ),
        pytest.param(
            load_balancer(UDP), {"metadata": {"finalizers": ["udplb.example/a"]}}, NOBODY, id="finalizer"
        ),
        pytest.param(load_balancer(UDP), {"metadata": {"ownerReferences": [OWNER]}}, NOBODY, id="owner"),
        pytest.param(load_balancer(UDP), {}, NOBODY, id="nothing"),
        pytest.param(load_balancer(TCP), {"spec": {"selector": {"app": "a"}}}, NOBODY, id="tcp-only"),
        pytest.param(cluster_ip(UDP), {"spec": {"selector": {"app": "a"}}}, NOBODY, id="cluster-ip"),
    ],
)
def test_an_update_of_a_service_calls(
    api_server: ApiServer, service: Object, change: Object, expected: set[str]
) -> None:
    called, answer = api_server.called("PATCH", live(api_server, service), change)
    assert (called, answer.status) == (expected, 200)


def test_an_update_of_the_status_calls_nobody(api_server: ApiServer) -> None:
    path = live(api_server, load_balancer(UDP))
    ingress = {"status": {"loadBalancer": {"ingress": [{"hostname": "nlb.example"}]}}}
    called, answer = api_server.called("PATCH", f"{path}/status", ingress)
    assert (called, answer.status) == (NOBODY, 200)


@pytest.mark.parametrize("repeated", [True, False], ids=["timestamp-repeated", "timestamp-omitted"])
def test_a_service_that_is_being_deleted_calls_nobody(api_server: ApiServer, repeated: bool) -> None:
    path = live(api_server, load_balancer(UDP, finalizers=["udplb.example/a"]))
    called, answer = api_server.called("DELETE", path)
    assert (called, answer.status) == (NOBODY, 200)

    service = api_server.request("GET", path).body
    assert service["metadata"]["deletionTimestamp"]
    service["metadata"]["labels"] = {"changed": "too"}
    if not repeated:
        del service["metadata"]["deletionTimestamp"]
    called, answer = api_server.called("PUT", path, service)
    assert (called, answer.status) == (NOBODY, 200)

    called, answer = api_server.called("PATCH", path, {"metadata": {"finalizers": None}})
    assert (called, answer.status) == (NOBODY, 200)
    assert api_server.request("GET", path).status == 404


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        pytest.param(pod(), {MUTATE_POD}, id="plain"),
        pytest.param(pod(labels={"udplb/inject": "true"}), {MUTATE_POD}, id="labelled-true"),
        pytest.param(pod(annotations={"a": "b"}), {MUTATE_POD}, id="foreign-annotation"),
        pytest.param(
            pod(annotations={"udplb/ports": "5555"}), {MUTATE_POD, VALIDATE_POD}, id="our-annotation"
        ),
        pytest.param(pod(annotations={"udplb/status": "{}"}), {MUTATE_POD, VALIDATE_POD}, id="our-status"),
        pytest.param(
            pod(labels={"udplb/inject": "false"}, annotations={"udplb/ports": "5555"}),
            NOBODY,
            id="labelled-false",
        ),
        pytest.param(
            pod({"nodeName": "a"}, annotations={"kubernetes.io/config.mirror": "a", "udplb/ports": "5555"}),
            NOBODY,
            id="mirror",
        ),
    ],
)
def test_a_new_pod_calls(api_server: ApiServer, made: Object, expected: set[str]) -> None:
    called, answer = api_server.called("POST", "/api/v1/namespaces/enabled/pods?dryRun=All", made)
    assert (called, answer.status) == (expected, 201)


def test_an_update_of_a_pod_calls_nobody(api_server: ApiServer) -> None:
    made = pod(annotations={"udplb/ports": "5555"})
    assert api_server.request("POST", "/api/v1/namespaces/enabled/pods", made).status == 201
    path = f"/api/v1/namespaces/enabled/pods/{made['metadata']['name']}"
    called, answer = api_server.called("PATCH", path, {"metadata": {"labels": {"a": "b"}}})
    assert (called, answer.status) == (NOBODY, 200)


TEMPLATE: Object = {
    "metadata": {"labels": {"app": "game"}},
    "spec": {"containers": [{"name": "game", "image": "game"}]},
}
JOB: Object = {"template": {"spec": TEMPLATE["spec"] | {"restartPolicy": "Never"}}}
SELECTED: Object = {"selector": {"matchLabels": {"app": "game"}}, "template": TEMPLATE}
WORKLOADS: Mapping[str, tuple[Object, Object]] = {
    "apps/v1/deployments": (SELECTED, {"replicas": 2}),
    "apps/v1/statefulsets": (SELECTED | {"serviceName": "game"}, {"replicas": 2}),
    "apps/v1/daemonsets": (SELECTED, {"minReadySeconds": 2}),
    "batch/v1/jobs": (JOB, {"backoffLimit": 2}),
    "batch/v1/cronjobs": ({"schedule": "@daily", "jobTemplate": {"spec": JOB}}, {"suspend": True}),
}


@pytest.mark.parametrize("resource", WORKLOADS)
def test_a_workload_calls_when_it_is_made_and_when_its_spec_changes(
    api_server: ApiServer, resource: str
) -> None:
    spec, change = WORKLOADS[resource]
    group, version, plural = resource.split("/")
    made = named({}, spec)
    paths = f"/apis/{group}/{version}/namespaces/enabled/{plural}"
    called, answer = api_server.called("POST", paths, made)
    assert (called, answer.status) == ({VALIDATE_WORKLOAD}, 201)

    path = f"{paths}/{made['metadata']['name']}"
    called, answer = api_server.called("PATCH", path, {"spec": change})
    assert (called, answer.status) == ({VALIDATE_WORKLOAD}, 200)

    called, answer = api_server.called("PATCH", path, {"metadata": {"finalizers": ["udplb.example/a"]}})
    assert (called, answer.status) == (NOBODY, 200)


def test_a_replica_set_calls_nobody(api_server: ApiServer) -> None:
    called, answer = api_server.called(
        "POST", "/apis/apps/v1/namespaces/enabled/replicasets", named({}, SELECTED)
    )
    assert (called, answer.status) == (NOBODY, 201)


def test_scaling_a_deployment_calls_nobody(api_server: ApiServer) -> None:
    made = named({}, SELECTED)
    assert api_server.request("POST", "/apis/apps/v1/namespaces/enabled/deployments", made).status == 201
    scale = f"/apis/apps/v1/namespaces/enabled/deployments/{made['metadata']['name']}/scale"
    called, answer = api_server.called("PATCH", scale, {"spec": {"replicas": 3}})
    assert (called, answer.status) == (NOBODY, 200)
