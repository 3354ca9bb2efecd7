"""Which load balancers select a pod, found by an index and by looking at each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.kube.informer import Key
from webhook.kube.services import LAST_APPLIED, LoadBalancer, NamespaceServices, ServiceStore, read_service
from webhook.kube.services import demands as asked
from webhook.policy.cluster import Cluster, Sidecar
from webhook.policy.raw import MalformedObject
from webhook.policy.service.demand import Demand
from webhook.policy.service.objects import Service

TEXTS = st.sampled_from("abc")
LABELS = st.dictionaries(TEXTS, TEXTS, max_size=3)
CHANGES = st.lists(st.tuples(st.sampled_from("vwxyz"), st.none() | LABELS), max_size=20)
GAMES = "games"


def member(name: str, selector: Mapping[str, str]) -> LoadBalancer:
    return LoadBalancer(Service(namespace=GAMES, name=name, selector=selector))


def names(members: list[LoadBalancer]) -> list[str]:
    return [one.service.name for one in members]


def by_hand(members: Mapping[str, Mapping[str, str]], labels: Mapping[str, str]) -> list[str]:
    return [name for name, selector in sorted(members.items()) if Demand(name, selector).selects(labels)]


@given(st.dictionaries(st.sampled_from("uvwxyz"), LABELS), LABELS)
def test_the_index_finds_what_looking_at_each_finds(
    selectors: dict[str, dict[str, str]], labels: dict[str, str]
) -> None:
    services = NamespaceServices(member(name, selector) for name, selector in selectors.items())
    assert names(services.selecting(labels)) == by_hand(selectors, labels)


@given(CHANGES, LABELS)
def test_the_index_stays_right_through_changes(
    changes: list[tuple[str, dict[str, str] | None]], labels: dict[str, str]
) -> None:
    store, held = ServiceStore(), dict[str, dict[str, str]]()
    for name, selector in changes:
        before = store.in_namespace(GAMES)
        seen = names(before.selecting(labels))
        if selector is None:
            held.pop(name, None)
            store.remove(Key(GAMES, name))
        else:
            held[name] = selector
            store.put(Key(GAMES, name), member(name, selector))
        assert names(before.selecting(labels)) == seen, "a snapshot changed"
        assert names(store.in_namespace(GAMES).selecting(labels)) == by_hand(held, labels)
    assert names(store.in_namespace(GAMES).all()) == sorted(held)
    assert len(store) == len(held)


@pytest.mark.parametrize("bulk", [True, False])
def test_a_look_up_reads_as_few_of_ten_thousand_as_of_ten(bulk: bool) -> None:
    def read(count: int) -> int:
        members = [
            member(f"game-{number}", {"tier": "game", "app": f"game-{number}"}) for number in range(count)
        ]
        services = NamespaceServices(members if bulk else members[: count - 5])
        for late in () if bulk else members[count - 5 :]:
            services = services.with_(late)
        pairs = {"tier": "game", "app": "game-3", "pod-template-hash": "5"}.items()
        return sum(len(services._buckets.get(pair, ())) for pair in pairs)

    assert read(10) <= 2
    assert read(10_000) == read(10)


def raw(**metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": GAMES, "name": "echo", **metadata},
        "spec": {"type": "LoadBalancer", "selector": {"app": "echo"}},
    }


def test_kubectls_copy_of_the_manifest_is_not_kept() -> None:
    view = read_service(raw(annotations={LAST_APPLIED: "{}", "udplb/inject": "false"})).service
    assert view.annotations == {"udplb/inject": "false"}
    assert view.selector == {"app": "echo"}


def test_a_service_that_cannot_be_read_is_told() -> None:
    with pytest.raises(MalformedObject, match=r"metadata\.labels"):
        ServiceStore().read(raw(labels=[]))


def test_namespaces_are_kept_apart() -> None:
    store = ServiceStore()
    one, other = member("one", {"app": "a"}), member("other", {"app": "a"})
    store.replace({Key(GAMES, "one"): one, Key("chat", "other"): other})
    assert store.in_namespace("chat").all() == [other]
    assert store.in_namespace("none").all() == []
    store.remove(Key("none", "at all"))
    store.remove(Key("chat", "other"))
    assert len(store) == 1


def test_a_demand_is_made_once_until_the_cluster_changes() -> None:
    made: list[str] = []

    def make(service: Service, _: Cluster) -> Demand | None:
        made.append(service.name)
        return Demand(service.name, service.selector) if service.selector else None

    cluster, changed = Cluster(Sidecar("image")), Cluster(Sidecar("image"), ipv6=True)
    members = [member("echo", {"app": "echo"}), member("nothing", {})]
    for facts in (cluster, cluster, changed):
        assert [demand.service for demand in asked(members, make, facts)] == ["echo"]
    assert made == ["echo", "nothing"] * 2


def test_a_new_load_balancer_is_warmed_where_it_is_read() -> None:
    warmed: list[LoadBalancer] = []
    read = ServiceStore(warmed.append).read(raw())
    assert warmed == [read]
