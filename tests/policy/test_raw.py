"""Typed reading of raw JSON."""

from typing import Any

import pytest

from webhook.policy.raw import MalformedObject
from webhook.policy.service.objects import parse_service


def test_absent_and_null_fields_are_empty() -> None:
    service = parse_service({"metadata": None, "spec": {"ports": [None], "selector": None}}, "games")
    assert (service.namespace, service.ports, service.type) == ("games", (), "ClusterIP")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"metadata": []}, "metadata"),
        ({"metadata": {"annotations": {"a": 1}}}, "metadata.annotations"),
        ({"metadata": {"finalizers": [1]}}, "metadata.finalizers"),
        ({"spec": {"type": 1}}, "spec.type"),
        ({"spec": {"ports": {}}}, "spec.ports"),
        ({"spec": {"ports": ["x"]}}, "spec.ports[0]"),
        ({"spec": {"ports": [{"port": True}]}}, "spec.ports[0].port"),
        ({"spec": {"ports": [{"port": 1, "targetPort": []}]}}, "spec.ports[0].targetPort"),
        ({"spec": {"ports": [{"port": 1, "targetPort": True}]}}, "spec.ports[0].targetPort"),
        ({"spec": {"publishNotReadyAddresses": "yes"}}, "spec.publishNotReadyAddresses"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(raw: dict[str, Any], path: str) -> None:
    with pytest.raises(MalformedObject) as caught:
        parse_service(raw)
    assert str(caught.value) == path
