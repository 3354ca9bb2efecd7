"""The cache follows a real API server: what it holds, what it asks live, and what it survives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.owners import AUTO_MODE, LBC, add_owner, remove_owner
from webhook.kube.cache import ClusterCache
from webhook.policy.cluster import Cluster, LimitRange, Owner, Sidecar
from webhook.policy.service.demand import LookupFailed
from webhook.policy.service.sight import PodInSight

pytestmark = pytest.mark.cluster

SECONDS = 30.0
CONFIGURED = Cluster(sidecar=Sidecar("udp-healthcheck:test"))
OPTED_IN = {"udplb/inject": "enabled"}
ECHO = {"app": "echo"}
READER = "system:serviceaccount:udplb-system:udplb"
WITHOUT_PODS = [
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["namespaces", "limitranges"], "verbs": ["list", "watch"]},
]
RULES = [*WITHOUT_PODS, {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    """One of our own: it is stopped, and no webhook is in the way."""
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="module")
def reader(plane: ControlPlane) -> Path:
    """Who may read what the chart lets the webhook read, and nothing else."""
    kind, group = {"name": "udplb-reader"}, "/apis/rbac.authorization.k8s.io/v1"
    plane.request("POST", f"{group}/clusterroles", {"metadata": kind, "rules": RULES})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **kind}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": READER}
    body = {"metadata": kind, "roleRef": reference, "subjects": [subject]}
    assert plane.request("POST", f"{group}/clusterrolebindings", body).status == 201
    return plane.kubeconfig_for(READER)


def service(plane: ControlPlane, namespace: str, name: str, **spec: Any) -> None:
    body = {
        "metadata": {"name": name},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": "service.k8s.aws/nlb",
            "selector": ECHO,
            "ports": [{"port": 5555, "protocol": "UDP"}],
            **spec,
        },
    }
    answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/services", body)
    assert answer.status == 201, answer.body


def patch(plane: ControlPlane, path: str, body: Mapping[str, Any]) -> None:
    answer = plane.request("PATCH", path, body)
    assert answer.status == 200, answer.body


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {SECONDS} s"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def started(
    kubeconfig: Path, configured: Cluster = CONFIGURED, **options: Any
) -> AsyncIterator[ClusterCache]:
    """A cache that is running; not necessarily synced."""
    cache = ClusterCache(kubeconfig, configured, **{"detect_owner": True, "detect_family": True} | options)
    await cache.start()
    try:
        yield cache
    finally:
        await cache.stop()


@asynccontextmanager
async def synced(kubeconfig: Path, **options: Any) -> AsyncIterator[ClusterCache]:
    async with started(kubeconfig, **options) as cache:
        await until(lambda: not cache.unready, "sync")
        yield cache


def names(cache: ClusterCache, namespace: str) -> list[str]:
    return [one.name for one in cache.services(namespace)]


def asking(cache: ClusterCache, namespace: str, labels: Mapping[str, str] | None = ECHO) -> list[str]:
    return [demand.service for demand in cache.demands(namespace, labels)]


def value(cache: ClusterCache, name: str, **labels: str) -> float:
    return next(read() for known, _, held, read in cache.gauges() if (known, held) == (name, labels))


def test_load_balancers_are_held_with_what_the_chart_lets_us_read(plane: ControlPlane, reader: Path) -> None:
    namespace = plane.namespace("held", OPTED_IN)
    service(plane, namespace, "echo")
    service(plane, namespace, "inside", type="ClusterIP", loadBalancerClass=None)

    async def test() -> None:
        async with synced(reader) as cache:
            assert names(cache, namespace) == ["echo"]
            assert asking(cache, namespace) == ["echo"]
            assert asking(cache, namespace, {"app": "other"}) == []
            assert asking(cache, namespace, None) == ["echo"]
            assert value(cache, "udplb_cache_services") == 1
            assert value(cache, "udplb_watch_restarts_total") == 0
            assert value(cache, "udplb_cache_age_seconds") < SECONDS

    asyncio.run(test())


def test_a_service_that_stops_or_starts_being_a_load_balancer_leaves_or_enters(
    plane: ControlPlane, reader: Path
) -> None:
    namespace = plane.namespace("turning", OPTED_IN)
    path = f"/api/v1/namespaces/{namespace}/services/echo"

    async def test() -> None:
        async with synced(reader) as cache:
            service(plane, namespace, "echo")
            await until(lambda: names(cache, namespace) == ["echo"], "Service")
            patch(plane, path, {"spec": {"type": "ClusterIP", "loadBalancerClass": None}})
            await until(lambda: names(cache, namespace) == [], "end of the load balancer")
            patch(plane, path, {"spec": {"type": "LoadBalancer", "loadBalancerClass": "service.k8s.aws/nlb"}})
            await until(lambda: names(cache, namespace) == ["echo"], "load balancer")
            patch(plane, path, {"spec": {"selector": {"app": "new"}}})
            await until(lambda: asking(cache, namespace, {"app": "new"}) == ["echo"], "selector")
            assert asking(cache, namespace) == []
            plane.request("DELETE", path)
            await until(lambda: names(cache, namespace) == [], "deletion")

    asyncio.run(test())


def test_namespaces_are_held_by_label_and_with_their_limits(plane: ControlPlane, reader: Path) -> None:
    namespace, other = plane.namespace("labelled", {"team": "games"}), plane.namespace("other")
    limits = {"limits": [{"type": "Container", "min": {"cpu": "5m"}, "max": {"cpu": "1"}}]}
    body = {"metadata": {"name": "bounds"}, "spec": limits}
    assert plane.request("POST", f"/api/v1/namespaces/{namespace}/limitranges", body).status == 201

    async def test() -> None:
        async with synced(reader) as cache:
            assert cache.namespace(namespace).labels == {}
            assert cache.namespace("never made").labels is None
            patch(plane, f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": OPTED_IN}})
            await until(lambda: bool(cache.namespace(namespace).labels), "label")
            held = cache.namespace(namespace)
            assert held.labels is not None
            assert held.labels["team"] == "games"
            bounds = LimitRange("Container", {"cpu": "5m"}, {"cpu": "1"}, default={"cpu": "1"})
            assert held.limit_ranges == (bounds,)
            assert cache.namespace(other).limit_ranges == ()

    asyncio.run(test())


def test_the_live_list_knows_a_service_at_once(plane: ControlPlane, reader: Path) -> None:
    namespace = plane.namespace("live", OPTED_IN)

    async def test() -> None:
        async with synced(reader) as cache:
            await until(lambda: bool(cache.namespace(namespace).labels), "namespace")
            assert await cache.live_demands(namespace, ECHO) == []
            service(plane, namespace, "echo")
            found = await cache.live_demands(namespace, ECHO)
            assert [demand.service for demand in found] == ["echo"]
            assert await cache.live_demands(namespace, {"app": "other"}) == []
            assert value(cache, "udplb_live_lists_total", result="found") == 2
            assert value(cache, "udplb_live_lists_total", result="empty") == 1

    asyncio.run(test())


def run_pod(plane: ControlPlane, namespace: str, name: str, **metadata: Any) -> None:
    body = {
        "metadata": {"name": name, **metadata},
        "spec": {
            "containers": [
                {
                    "name": "game",
                    "image": "game",
                    "ports": [{"name": "game", "containerPort": 5555, "protocol": "UDP"}],
                }
            ]
        },
    }
    answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", body)
    assert answer.status == 201, answer.body


def owned_by(uid: str) -> list[dict[str, Any]]:
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "echo-5d9f",
        "uid": uid,
        "controller": True,
    }
    return [owner]


def test_the_pods_behind_a_selector_are_in_sight(plane: ControlPlane, reader: Path) -> None:
    namespace = plane.namespace("sight", OPTED_IN)
    labels = {**ECHO, "pod-template-hash": "5d9f"}
    for number in range(3):
        run_pod(plane, namespace, f"echo-{number}", labels=labels, ownerReferences=owned_by(f"u{number}"))
    run_pod(plane, namespace, "other", labels={"app": "other"})
    expected = PodInSight("deployment/echo", frozenset(labels.items()), frozenset({("UDP", "game", 5555)}))

    async def test() -> None:
        configured = replace(CONFIGURED, sees_pods=True)
        async with started(reader, configured, pod_seconds=SECONDS) as cache:
            await until(lambda: not cache.unready, "sync")
            await until(lambda: bool(cache.namespace(namespace).labels), "namespace")
            assert await cache.pods(namespace, ECHO) == {expected: 3}
            assert await cache.pods(namespace, {"app": "nobody's"}) == {}
            assert await cache.pods("../pods", ECHO) == {}
            assert value(cache, "udplb_pod_lists_total", result="found") == 1
        async with started(reader, pod_seconds=SECONDS) as blind:
            await until(lambda: not blind.unready, "sync")
            assert await blind.pods(namespace, ECHO) == {}
            assert value(blind, "udplb_pod_lists_total", result="found") == 0

    asyncio.run(test())


def test_running_pods_without_a_sidecar_are_counted_where_pods_may_be_listed(
    plane: ControlPlane, reader: Path
) -> None:
    namespace = plane.namespace("census", OPTED_IN)
    audited = plane.namespace("audited", {"udplb/inject": "audit"})
    for where in (namespace, audited):
        run_pod(plane, where, "bare", labels=ECHO)
    opted_in = plane.request("GET", "/api/v1/namespaces?labelSelector=udplb/inject%3Denabled").body["items"]
    pods = [
        plane.request("GET", f"/api/v1/namespaces/{one['metadata']['name']}/pods").body["items"]
        for one in opted_in
    ]
    bare = sum(map(len, pods))  # no webhook is called here; each declares its port
    assert bare

    async def test() -> None:
        configured = replace(CONFIGURED, sees_pods=True)
        async with synced(reader, configured=configured, census_seconds=0.2) as cache:
            await until(lambda: value(cache, "udplb_pods_missing") == bare, "count")
            assert value(cache, "udplb_pods_stale") == 0
        async with synced(reader) as blind:
            assert not [name for name, *_ in blind.gauges() if name.startswith("udplb_pods_")]

    asyncio.run(test())


def test_without_the_right_to_list_pods_none_is_in_sight(plane: ControlPlane) -> None:
    namespace = plane.namespace("no-right", OPTED_IN)
    run_pod(plane, namespace, "echo", labels=ECHO)
    blind = "system:serviceaccount:udplb-system:blind"
    kind, group = {"name": "udplb-blind"}, "/apis/rbac.authorization.k8s.io/v1"
    plane.request("POST", f"{group}/clusterroles", {"metadata": kind, "rules": WITHOUT_PODS})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", **kind}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": blind}
    plane.request(
        "POST",
        f"{group}/clusterrolebindings",
        {"metadata": kind, "roleRef": reference, "subjects": [subject]},
    )

    async def test() -> None:
        configured = replace(CONFIGURED, sees_pods=True)
        async with started(plane.kubeconfig_for(blind), configured, pod_seconds=SECONDS) as cache:
            await until(lambda: not cache.unready, "sync")
            await until(lambda: bool(cache.namespace(namespace).labels), "namespace")
            assert await cache.pods(namespace, ECHO) == {}
            assert value(cache, "udplb_pod_lists_total", result="lookup_failed") == 1

    asyncio.run(test())


def test_the_live_list_is_for_namespaces_that_are_known_to_have_opted_in(
    plane: ControlPlane, reader: Path
) -> None:
    namespace = plane.namespace("not-ours")

    async def test() -> None:
        async with synced(reader) as cache:
            for name in (namespace, "never-made", "../namespaces"):
                assert await cache.live_demands(name, ECHO) == []
            assert value(cache, "udplb_live_lists_total", result="empty") == 0

    asyncio.run(test())


def test_the_owner_is_who_has_installed_its_resource(plane: ControlPlane, reader: Path) -> None:
    async def owner(**options: Any) -> Owner | None:
        async with synced(reader, **options) as cache:
            return cache.cluster().owner

    async def source(**options: Any) -> str:
        async with synced(reader, **options) as cache:
            return cache.owner_source

    assert asyncio.run(owner()) is None
    add_owner(plane, LBC)
    try:
        assert asyncio.run(owner()) is Owner.LBC
        assert asyncio.run(owner(detect_owner=False)) is None
        add_owner(plane, AUTO_MODE)
        try:
            assert asyncio.run(owner()) is None
        finally:
            remove_owner(plane, AUTO_MODE)
    finally:
        remove_owner(plane, LBC)
    assert asyncio.run(source()) == "detection"
    assert asyncio.run(source(detect_owner=False)) == "setting"


def test_without_an_api_server_the_cache_waits_and_says_why(plane: ControlPlane, reader: Path) -> None:
    plane.stop_api_server()

    async def test() -> None:
        try:
            async with started(reader) as cache:
                await until(lambda: plane.url in cache.unready, "reason")
                await asyncio.to_thread(plane.start_api_server)
                await until(lambda: not cache.unready, "sync")
        finally:
            await asyncio.to_thread(running, plane)

    asyncio.run(test())


def test_an_api_server_that_is_lost_is_served_from_the_cache_and_found_again(
    plane: ControlPlane, reader: Path
) -> None:
    namespace = plane.namespace("lost", OPTED_IN)
    service(plane, namespace, "echo")

    async def test() -> None:
        async with synced(reader) as cache:
            await asyncio.to_thread(plane.stop_api_server)
            try:
                await until(lambda: cache.restarts > 0, "restart")
                assert cache.unready == ""
                assert asking(cache, namespace) == ["echo"]
                with pytest.raises(LookupFailed, match="lookup_failed"):
                    await cache.live_demands(namespace, {"app": "other"})
                age = value(cache, "udplb_cache_age_seconds")
                await until(lambda: value(cache, "udplb_cache_age_seconds") > age, "greater age")
                await asyncio.to_thread(plane.start_api_server)
                add_owner(plane, LBC)
                service(plane, namespace, "later")
                await until(lambda: names(cache, namespace) == ["echo", "later"], "new Service")
                remove_owner(plane, LBC)
            finally:
                await asyncio.to_thread(running, plane)

    asyncio.run(test())


def running(plane: ControlPlane) -> None:
    """Leave it running for the next test, whatever became of this one."""
    try:
        plane.request("GET", "/readyz")
    except OSError:
        plane.start_api_server()


def test_who_may_not_list_is_told_so(plane: ControlPlane) -> None:
    async def test() -> None:
        async with started(plane.kubeconfig_for("nobody")) as cache:
            await until(lambda: "cannot list resource" in cache.unready, "reason")

    asyncio.run(test())
