"""What is kept of namespaces and of the limits in them."""

from __future__ import annotations

from typing import Any

import pytest

from webhook.kube.informer import Key
from webhook.kube.namespaces import Held, LimitRangeStore, NamespaceStore
from webhook.policy.cluster import LimitRange

ENABLED = {"udplb/inject": "enabled", "team": "games"}


def namespace(labels: dict[str, str] | None) -> dict[str, Any]:
    return {"metadata": {"name": "games", "labels": labels}}


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        (ENABLED, ENABLED),
        ({"udplb/inject": "audit"}, {"udplb/inject": "audit"}),
        ({"udplb/inject": "yes", "team": "games"}, {}),
        ({"team": "games"}, {}),
        (None, {}),
    ],
)
def test_labels_are_kept_of_namespaces_that_opted_in(
    labels: dict[str, str] | None, kept: dict[str, str]
) -> None:
    store = NamespaceStore()
    store.put(Key("", "games"), store.read(namespace(labels)))
    assert store.labels("games") == kept


@pytest.mark.parametrize(("labels", "kept"), [(ENABLED, {"linkerd.io/inject": "enabled"}), ({}, {})])
def test_of_annotations_only_a_meshs_switch_is_kept(labels: dict[str, str], kept: dict[str, str]) -> None:
    annotations = {"linkerd.io/inject": "enabled", "example.com/owner": "games"}
    store = NamespaceStore()
    store.put(Key("", "games"), store.read({"metadata": {"labels": labels, "annotations": annotations}}))
    assert store.annotations("games") == kept
    assert store.annotations("other") == {}


def test_a_namespace_that_is_not_held_has_no_labels() -> None:
    store = NamespaceStore()
    store.replace({Key("", "games"): Held(ENABLED, {})})
    assert store.labels("games") == ENABLED
    store.remove(Key("", "games"))
    assert store.labels("games") is None


def test_the_limits_of_a_namespace_come_together_by_name() -> None:
    store = LimitRangeStore()
    limits = {
        "spec": {
            "limits": [
                {"type": "Container", "min": {"cpu": "5m"}, "maxLimitRequestRatio": {"memory": "2"}},
                {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
            ]
        }
    }
    pod = (LimitRange("Pod", max={"cpu": "1"}),)
    container = (LimitRange("Container", min={"cpu": "5m"}, max_ratio={"memory": "2"}),)
    store.replace({Key("games", "b"): store.read(limits)})
    store.put(Key("games", "a"), pod)
    assert store.in_namespace("games") == pod + container
    assert store.in_namespace("chat") == ()
    store.remove(Key("games", "b"))
    store.remove(Key("games", "never there"))
    assert store.in_namespace("games") == pod
