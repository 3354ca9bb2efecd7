"""The cache against a real API server: what it sees, how it starts, and what it survives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.owners import AUTO_MODE, LBC, add_owner, remove_owner
from tests.policy.service.services import UNKNOWN
from webhook.kube.cache import ClusterCache, NoCluster
from webhook.policy.cluster import Owner

pytestmark = pytest.mark.cluster

LABELS = {"app": "game"}


@pytest.fixture(scope="module")
def alone() -> Iterator[ControlPlane]:
    """A control plane of its own: these tests stop the API server and change its owners."""
    with ControlPlane() as running:
        yield running


@pytest.fixture
def cache(alone: ControlPlane) -> Iterator[ClusterCache]:
    made = ClusterCache(alone.kubeconfig, UNKNOWN, detect_owner=True, detect_family=True)
    asyncio.run(made.start())
    until(lambda: made.unready == "", "the cache to sync")
    yield made
    asyncio.run(made.stop())


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited 30 s for {what}"
        time.sleep(0.02)


def game(name: str = "game", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 7777, "protocol": "UDP"}]
    full = {
        "type": "LoadBalancer",
        "loadBalancerClass": "service.k8s.aws/nlb",
        "selector": LABELS,
        "ports": ports,
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": full | spec}


def services(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/services" + (f"/{name}" if name else "")


def test_a_service_is_seen_when_it_comes_changes_and_goes(alone: ControlPlane, cache: ClusterCache) -> None:
    namespace = alone.namespace("seen", {"udplb/inject": "enabled"})
    alone.request("POST", services(namespace), game(type="ClusterIP", loadBalancerClass=None))
    alone.request("POST", services(namespace), game("other"))
    until(lambda: [one.service for one in cache.demands(namespace, LABELS)] == ["other"], "the other Service")
    made = alone.request("GET", services(namespace, "game")).body
    made["spec"] |= {"type": "LoadBalancer", "loadBalancerClass": "service.k8s.aws/nlb"}
    alone.request("PUT", services(namespace, "game"), made)
    until(lambda: len(cache.demands(namespace, LABELS)) == 2, "the Service that became a load balancer")
    assert len(cache.demands(namespace)) == len(cache.services(namespace)) == 2
    made = alone.request("GET", services(namespace, "game")).body
    made["spec"]["type"] = "ClusterIP"
    del made["spec"]["loadBalancerClass"]
    alone.request("PUT", services(namespace, "game"), made)
    alone.request("DELETE", services(namespace, "other"))
    until(lambda: not cache.demands(namespace, LABELS), "both to be gone")


def test_namespaces_and_limit_ranges_are_seen(alone: ControlPlane, cache: ClusterCache) -> None:
    name = alone.namespace("bounded", {"udplb/inject": "audit"})
    bounds = {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "bounds"}, "spec": bounds}
    alone.request("POST", f"/api/v1/namespaces/{name}/limitranges", limits)
    until(lambda: bool(cache.namespace(name).limit_ranges), "the LimitRange")
    until(lambda: (cache.namespace(name).labels or {}).get("udplb/inject") == "audit", "the label")
    assert cache.namespace("kube-system").labels == {}
    assert cache.namespace("nowhere").labels is None


def test_a_live_list_asks_the_api_server(alone: ControlPlane, cache: ClusterCache) -> None:
    namespace = alone.namespace("live", {"udplb/inject": "enabled"})
    until(lambda: bool(cache.namespace(namespace).labels), "the namespace")
    alone.request("POST", services(namespace), game())
    found = asyncio.run(cache.live_demands(namespace, LABELS))
    assert [one.service for one in found] == ["game"]
    assert asyncio.run(cache.live_demands("default", LABELS)) == []
    values = {(name, labels.get("result", "")): value() for name, _about, labels, value in cache.gauges()}
    assert values["udplb_live_lists_total", "found"] == 1
    assert values["udplb_cache_services", ""] >= 1
    assert values["udplb_watch_restarts_total", ""] == 0
    assert values["udplb_cache_age_seconds", ""] < 60


def detected(alone: ControlPlane) -> Owner | None:
    made = ClusterCache(alone.kubeconfig, UNKNOWN, detect_owner=True, detect_family=False)
    asyncio.run(made.start())
    until(lambda: made.unready == "", "the cache to sync")
    asyncio.run(made.stop())
    return made.cluster().owner


def test_the_owner_is_whoever_is_installed_alone(alone: ControlPlane) -> None:
    assert detected(alone) is None
    add_owner(alone, LBC)
    assert detected(alone) is Owner.LBC
    add_owner(alone, AUTO_MODE)
    assert detected(alone) is None
    remove_owner(alone, LBC)
    until(lambda: detected(alone) is Owner.AUTO_MODE, "Auto Mode to be alone")
    remove_owner(alone, AUTO_MODE)


def test_losing_the_api_server_later_keeps_the_cache_and_its_readiness(
    alone: ControlPlane, cache: ClusterCache
) -> None:
    namespace = alone.namespace("lost", {"udplb/inject": "enabled"})
    alone.request("POST", services(namespace), game())
    until(lambda: bool(cache.demands(namespace, LABELS)), "the Service")
    alone.stop_api_server()
    try:
        restarts = next(value for name, *_, value in cache.gauges() if name == "udplb_watch_restarts_total")
        until(lambda: restarts() > 0, "the watch to break")
        assert cache.unready == ""
        assert [one.service for one in cache.demands(namespace, LABELS)] == ["game"]
    finally:
        alone.start_api_server()
    alone.request("DELETE", services(namespace, "game"))
    until(lambda: not cache.demands(namespace, LABELS), "the watch to be back")


def test_an_api_server_that_is_away_at_the_start_is_awaited(alone: ControlPlane) -> None:
    alone.stop_api_server()
    made = ClusterCache(alone.kubeconfig, UNKNOWN, detect_owner=True, detect_family=True)
    try:
        asyncio.run(made.start())
        until(lambda: "cannot be reached" in made.unready, "the reason")
    finally:
        alone.start_api_server()
    until(lambda: made.unready == "", "the cache to sync")
    asyncio.run(made.stop())


@pytest.mark.parametrize("text", [None, "", "{}", "junk: ["])
def test_no_usable_cluster_is_said_in_one_line(tmp_path: Path, text: str | None) -> None:
    file = None
    if text is not None:
        file = tmp_path / "kubeconfig"
        file.write_text(text)
    with pytest.raises(NoCluster) as caught:
        ClusterCache(file, UNKNOWN, detect_owner=True, detect_family=True)
    assert "\n" not in str(caught.value)
