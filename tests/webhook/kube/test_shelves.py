"""Which load balancers select a pod: the index against plain reading."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.service.services import LBC
from webhook.kube.namespaces import LimitRangeStore, NamespaceStore
from webhook.kube.services import ServiceStore
from webhook.policy.cluster import LimitRange
from webhook.policy.service.demanding import demand

LABELS = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=3)


def service(name: str, selector: dict[str, str] | None, namespace: str = "games") -> dict[str, Any]:
    ports = [{"port": 7777, "protocol": "UDP"}]
    spec = {
        "type": "LoadBalancer",
        "loadBalancerClass": "service.k8s.aws/nlb",
        "selector": selector,
        "ports": ports,
    }
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def store(*items: dict[str, Any]) -> ServiceStore:
    made = ServiceStore(lambda service: demand(service, LBC))
    made.replace(list(items))
    return made


@given(st.lists(LABELS, max_size=8), LABELS)
def test_the_index_finds_what_reading_every_selector_finds(
    selectors: list[dict[str, str]], labels: dict[str, str]
) -> None:
    shelf = store(*(service(f"s{number}", selector) for number, selector in enumerate(selectors))).shelf(
        "games"
    )
    expected = [f"s{n}" for n, one in enumerate(selectors) if one and one.items() <= labels.items()]
    assert [found.service for found in shelf.selecting(labels)] == sorted(expected)


def test_a_change_is_seen_and_leaves_earlier_readers_alone() -> None:
    held = store(service("a", {"app": "a"}))
    before = held.shelf("games")
    held.put(service("b", {"app": "b"}))
    assert [one.name for one in before.services] == ["a"]
    assert [one.name for one in held.shelf("games").services] == ["a", "b"]
    held.drop(service("a", None))
    held.drop(service("b", None))
    assert held.shelf("games").services == ()
    assert len(held) == 0


def test_a_service_that_no_api_server_would_store_is_left_out() -> None:
    broken = {"metadata": {"name": "x", "namespace": "games"}, "spec": {"ports": "none"}}
    assert len(store(broken, service("a", {"app": "a"}))) == 1


def test_namespaces_of_others_are_empty() -> None:
    assert store(service("a", {"app": "a"}, "other")).shelf("games").selecting({"app": "a"}) == []


def test_a_namespace_is_known_by_its_labels_only_where_it_has_opted_in() -> None:
    held = NamespaceStore()
    held.replace(
        [
            {"metadata": {"name": "in", "labels": {"udplb/inject": "enabled"}}},
            {"metadata": {"name": "out", "labels": {"a": "b"}}},
        ]
    )
    assert held.labels("in") == {"udplb/inject": "enabled"}
    assert held.labels("out") == {}
    assert held.labels("unknown") is None
    held.put({"metadata": {"name": "out", "labels": {"udplb/inject": "audit"}}})
    held.drop({"metadata": {"name": "in"}})
    assert held.labels("out") == {"udplb/inject": "audit"}
    assert held.labels("in") is None


def test_limit_ranges_of_a_namespace_are_joined() -> None:
    def limits(name: str, **limit: Any) -> dict[str, Any]:
        return {"metadata": {"name": name, "namespace": "games"}, "spec": {"limits": [limit]}}

    held = LimitRangeStore()
    held.replace([limits("a", type="Container", max={"cpu": "1"})])
    held.put(limits("b", type="Pod", min={"memory": "1Mi"}))
    held.put({"metadata": {"name": "c", "namespace": "games"}, "spec": {"limits": [{"type": 7}]}})
    assert held.ranges("games") == (
        LimitRange("Container", max={"cpu": "1"}),
        LimitRange("Pod", min={"memory": "1Mi"}),
    )
    held.drop(limits("a"))
    assert [bound.kind for bound in held.ranges("games")] == ["Pod"]
    assert held.ranges("other") == ()
