"""Which facts a handler gathers, and what it makes of a decision."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.webhook.reviews import deployment, pod, review, service
from tests.webhook.serving import ECHO, FewServices
from webhook.admission import AdmissionRequest, Answer, MalformedReview, decode_review
from webhook.handlers import Handler, handlers, in_audit
from webhook.policy.cluster import Cluster, Namespace, Owner, Sidecar
from webhook.policy.finding import Decision, Edit, Finding, Severity
from webhook.policy.service.demand import Demand, LookupFailed

TYPE = "metadata.annotations[service.beta.kubernetes.io/aws-load-balancer-nlb-target-type]"
REJECTION = Finding("UDPLB202", Severity.REJECT, TYPE, "wrong", "set ip")
WARNING = Finding("UDPLB607", Severity.WARN, "spec", "look")
EDIT = Edit("UDPLB100", ("spec", "loadBalancerClass"), "service.k8s.aws/nlb", says="would be set")
SILENT = Edit("UDPLB900", ("metadata", "annotations", "x"), "y")


def answer(cache: FewServices, path: str, asked: Mapping[str, Any]) -> Answer:
    handler = handlers(cache, cache, cache.cluster)[path]
    return asyncio.run(handler.answer(decode_review(json.dumps(asked).encode())))


def decided(decision: Decision, namespace: str = "games", labels: Mapping[str, str] | None = None) -> Answer:
    """The answer of a handler whose policy says this."""

    async def decide(request: AdmissionRequest, namespace: Namespace, cluster: Cluster) -> Decision:
        return decision

    class Namespaces:
        def namespace(self, name: str) -> Namespace:
            return Namespace(name, labels or {"udplb/inject": "enabled" if name == "games" else "audit"})

    cluster = Cluster(sidecar=Sidecar("x"), owner=Owner.LBC)
    handler = Handler(
        frozenset({("", "Service")}), frozenset({"CREATE"}), decide, Namespaces(), lambda: cluster
    )
    asked = review(service(), "Service", namespace=namespace)
    return asyncio.run(handler.answer(decode_review(json.dumps(asked).encode())))


def test_a_pod_that_the_cache_has_a_service_for_asks_nobody() -> None:
    cache = FewServices()
    assert answer(cache, "/mutate/pods", review(pod())).outcome == "patched"
    assert cache.asked_live == []


def test_a_pod_that_nothing_decides_gets_one_live_list() -> None:
    cache = FewServices(known=(), live=(ECHO,))
    assert answer(cache, "/mutate/pods", review(pod())).outcome == "patched"
    assert cache.asked_live == ["games"]


@pytest.mark.parametrize("reason", ["lookup_failed", "lookup_limited"])
def test_a_live_list_that_fails_is_a_skip_and_no_error(reason: str) -> None:
    cache = FewServices(known=(), live=LookupFailed(reason))
    got = answer(cache, "/mutate/pods", review(pod()))
    assert (got.outcome, got.reason, got.response["allowed"]) == ("skipped", reason, True)


def test_a_namespace_that_the_cache_does_not_hold_gets_no_live_list() -> None:
    cache = FewServices(known=())
    answer(cache, "/mutate/pods", review(pod(), namespace="new"))
    assert cache.asked_live == []


def test_a_workload_is_previewed_with_all_demands_of_its_namespace() -> None:
    one_pod = Demand("one", {"statefulset.kubernetes.io/pod-name": "echo-0"}, probed=(5555,), udp=True)
    cache = FewServices(known=(one_pod,))
    got = answer(cache, "/validate/workloads", review(deployment(), "StatefulSet", dryRun=True))
    assert any("TCP 5555" in warning for warning in got.response["warnings"])


@pytest.mark.parametrize("fields", [{"object": None}, {"operation": "UPDATE", "oldObject": None}])
def test_what_a_review_always_holds_must_be_there(fields: dict[str, Any]) -> None:
    asked = review(service(), "Service")
    asked["request"] |= fields
    with pytest.raises(MalformedReview, match=r"request\.(object|oldObject) is missing"):
        answer(FewServices(), "/mutate/services", asked)


def test_the_policy_gets_the_old_object_on_update_only() -> None:
    deleted = {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}
    for path in ("/mutate/services", "/validate/services"):
        asked = [review(service(), "Service", verb, oldObject=deleted) for verb in ("CREATE", "UPDATE")]
        assert [answer(FewServices(), path, one).reason for one in asked] == ["", "deleting"]


def test_the_validating_webhook_looks_at_the_pods_behind_a_service() -> None:
    cache = FewServices()
    raw = service(**{"service.beta.kubernetes.io/aws-load-balancer-nlb-target-type": "ip"})
    raw["spec"]["loadBalancerClass"] = "service.k8s.aws/nlb"
    warnings = answer(cache, "/validate/services", review(raw, "Service")).response["warnings"]
    assert any("of 3 pods in sight 3 have no sidecar (deployment/echo)" in warning for warning in warnings)
    assert cache.asked_pods == [("games", {"app": "echo"})]


@pytest.mark.parametrize(
    ("path", "spec"),
    [
        ("/mutate/services", {}),
        ("/validate/services", {"type": "ClusterIP"}),
        ("/validate/services", {"loadBalancerClass": "example.com/lb"}),
        ("/validate/services", {"selector": {}}),
    ],
    ids=["mutating", "no load balancer", "foreign", "no selector"],
)
def test_no_pods_are_looked_at_where_nothing_could_be_said(path: str, spec: dict[str, Any]) -> None:
    cache = FewServices()
    raw = service()
    raw["spec"] |= spec
    answer(cache, path, review(raw, "Service"))
    assert cache.asked_pods == []


def test_edits_are_a_patch_and_warnings_go_along() -> None:
    got = decided(Decision((EDIT,), (WARNING,)))
    assert (got.outcome, got.mode, got.owner) == ("patched", "enabled", "lbc")
    assert got.response["patch"]
    assert got.response["warnings"] == [str(WARNING)]


def test_a_rejection_takes_the_edits_with_it() -> None:
    got = decided(Decision((EDIT,), (REJECTION, WARNING)))
    assert got.outcome == "denied"
    assert "patch" not in got.response
    assert got.response["warnings"] == [str(WARNING)]
    assert got.findings == (REJECTION, WARNING)


def test_the_namespace_names_its_owner_before_the_cluster_does() -> None:
    labels = {"udplb/inject": "enabled", "udplb/owner": "auto-mode"}
    assert decided(Decision(), labels=labels).owner == "auto-mode"


def test_an_unknown_word_on_the_namespace_is_no_opt_in() -> None:
    got = decided(Decision((EDIT,)), labels={"udplb/inject": "yes"})
    assert (got.outcome, got.reason) == ("skipped", "namespace_not_enabled")


def test_audit_says_edits_and_rejections_as_warnings_and_does_nothing() -> None:
    got = decided(Decision((EDIT, SILENT), (REJECTION, WARNING)), namespace="watched")
    assert (got.outcome, got.mode) == ("allowed", "audit")
    assert got.response["allowed"] is True
    assert got.response["warnings"] == [
        "audit: UDPLB100 spec.loadBalancerClass: would be set",
        f"audit: {REJECTION}",
        f"audit: {WARNING}",
    ]


def test_audit_without_anything_to_say_is_silent() -> None:
    request = decode_review(json.dumps(review(service(), "Service")).encode())
    response, outcome = in_audit(request, Decision(reason="no_udp_port"))
    assert response == {"uid": request.uid, "allowed": True}
    assert outcome == "skipped"
