"""What is made of the API server's word about its cluster."""

from __future__ import annotations

from typing import Any

import pytest

from tests.webhook.kube.api import Call, answering, encoded
from webhook.kube.client import ApiError
from webhook.kube.discovery import Discovered, discover
from webhook.policy.cluster import Owner

GROUP = {"versions": [{"groupVersion": "GROUP/v1"}]}
BINDINGS = {"resources": [{"name": "targetgroupbindings"}, {"name": "targetgroupbindings/status"}]}
OTHERS = {"resources": [{"name": "ingressclassparams"}]}
LBC = {"/apis/elbv2.k8s.aws": GROUP, "/apis/GROUP/v1": BINDINGS}
AUTO_MODE = {"/apis/eks.amazonaws.com": GROUP, "/apis/GROUP/v1": BINDINGS}
KUBERNETES = "/api/v1/namespaces/default/services/kubernetes"


def answers(objects: dict[str, Any], status: int = 404) -> Discovered:
    def answer(call: Call) -> None:
        found = objects.get(call.path)
        call.reply(encoded(found or {"message": "none"}), 200 if found else status)

    with answering(answer) as api:
        return discover(api.client())


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param({}, Discovered(), id="neither"),
        pytest.param(LBC, Discovered(Owner.LBC), id="lbc"),
        pytest.param(AUTO_MODE, Discovered(Owner.AUTO_MODE), id="auto mode"),
        pytest.param({**LBC, **AUTO_MODE}, Discovered(), id="both"),
        pytest.param({**LBC, "/apis/GROUP/v1": OTHERS}, Discovered(), id="group without the resource"),
        pytest.param({KUBERNETES: {"spec": {"ipFamilies": ["IPv6"]}}}, Discovered(ipv6=True), id="ipv6"),
        pytest.param({KUBERNETES: {"spec": {"ipFamilies": ["IPv4", "IPv6"]}}}, Discovered(), id="ipv4 first"),
        pytest.param({"/version": {"gitVersion": "v1.34.4"}}, Discovered(version="v1.34.4"), id="version"),
    ],
)
def test_the_cluster_is_known_by_what_it_serves(objects: dict[str, Any], expected: Discovered) -> None:
    assert answers(objects) == expected


def test_what_may_not_be_read_counts_as_absent() -> None:
    assert answers({}, status=403) == Discovered()


@pytest.mark.parametrize(
    "objects", [{"/apis/elbv2.k8s.aws": {"versions": 1}}, {"/version": {"gitVersion": 1}}]
)
def test_nonsense_is_an_error(objects: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="wrong type"):
        answers(objects)


def test_a_server_in_trouble_is_an_error() -> None:
    with pytest.raises(ApiError, match="HTTP 500"):
        answers({}, status=500)
