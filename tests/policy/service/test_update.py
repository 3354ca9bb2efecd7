"""UPDATE: what comes back, what passes without a word, and what must not happen to a live Service."""

from dataclasses import replace
from typing import Any

import pytest

from tests.policy.service.services import DNS_TCP, DNS_UDP, GAME, LBC, LIVE, OPTED_IN, finished, service
from webhook.policy import keys
from webhook.policy.finding import Decision, Severity
from webhook.policy.service import decision


def update(old: dict[str, Any], new: dict[str, Any]) -> Decision:
    return decision.mutate(new, old, OPTED_IN, (), LBC)


def rejected_by(made: Decision) -> set[str]:
    return {finding.code for finding in made.findings if finding.severity is Severity.REJECT}


def test_a_manifest_applied_again_gets_back_what_it_never_held() -> None:
    restored = {
        edit.path[-1]: edit.value
        for edit in update(finished(), service(metadata={"labels": {"a": "b"}})).edits
    }
    assert restored == {
        "loadBalancerClass": "service.k8s.aws/nlb",
        "externalTrafficPolicy": "Local",
        keys.aws("nlb-target-type"): "ip",
        keys.aws("healthcheck-protocol"): "tcp",
        keys.aws("healthcheck-port"): "traffic-port",
        keys.aws("attributes"): "load_balancing.cross_zone.enabled=true",
    }


def test_our_pair_returns_into_attributes_that_the_user_changed() -> None:
    old = finished({"attributes": "a=b,load_balancing.cross_zone.enabled=true"})
    new = finished({"attributes": "c=d"})
    edits = update(old, new).edits
    assert [edit.value for edit in edits] == ["c=d,load_balancing.cross_zone.enabled=true"]


def test_the_policy_that_the_api_server_fills_in_is_turned_back_to_local() -> None:
    edits = update(finished(), finished(externalTrafficPolicy="Cluster")).edits
    assert [(edit.path, edit.value) for edit in edits] == [(("spec", "externalTrafficPolicy"), "Local")]


def test_another_value_is_the_users_word() -> None:
    assert update(finished(), finished({"healthcheck-protocol": "http"})).edits == ()


def test_a_key_of_the_user_that_is_gone_stays_gone() -> None:
    old = finished({"healthcheck-protocol": "http", "healthcheck-path": "/"})
    new = finished()
    del new["metadata"]["annotations"][keys.aws("healthcheck-protocol")]
    assert update(old, new).edits == ()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (finished(), finished(), "unchanged"),
        (finished(), finished(metadata={"finalizers": ["service.k8s.aws/resources"]}), "unchanged"),
        (finished(), finished(status=LIVE), "unchanged"),
        (
            service(),
            service({"scheme": "x"}, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            "deleting",
        ),
        (
            service(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}),
            service({"scheme": "x"}),
            "deleting",
        ),
        (service({}, DNS_TCP), service({"scheme": "x"}, DNS_TCP), "no_udp_port"),
        (finished(), service(type="ClusterIP"), "no_udp_port"),
        (finished(), finished({}, DNS_TCP), "no_udp_port"),
        (finished({"scheme": "x"}), finished({"scheme": "x"}, plain={keys.INJECT: "false"}), "opted_out"),
    ],
    ids=[
        "same",
        "finalizer",
        "status",
        "deleting",
        "was deleting",
        "never UDP",
        "no load balancer any more",
        "no UDP any more",
        "break-glass on a bad one",
    ],
)
def test_these_updates_pass_without_a_word(old: dict[str, Any], new: dict[str, Any], reason: str) -> None:
    for made in (update(old, new), decision.validate(new, old, OPTED_IN, (), LBC)):
        assert made == Decision(reason=reason)


def test_a_service_that_becomes_a_load_balancer_is_treated_as_new() -> None:
    made = update(service(type="ClusterIP"), service())
    assert any(edit.path[-1] == "loadBalancerClass" for edit in made.edits)


def test_the_first_udp_port_of_a_load_balancer_is_judged_and_not_mutated() -> None:
    made = update(service({}, DNS_TCP), service({}, DNS_TCP, DNS_UDP))
    assert made.edits == ()


def test_a_class_that_the_update_with_the_first_udp_port_drops_returns_alone() -> None:
    old = service({}, DNS_TCP, loadBalancerClass="service.k8s.aws/nlb")
    edits = update(old, service({"nlb-target-type": "ip"}, DNS_TCP, GAME)).edits
    assert [(edit.path, edit.value) for edit in edits] == [
        (("spec", "loadBalancerClass"), "service.k8s.aws/nlb")
    ]


def test_with_the_last_udp_port_what_we_wrote_does_not_go() -> None:
    made = update(finished(status=LIVE), service({}, DNS_TCP, status=LIVE))
    after = finished({}, DNS_TCP)
    assert {edit.path[-1]: edit.value for edit in made.edits} == {
        "loadBalancerClass": after["spec"]["loadBalancerClass"],
        "externalTrafficPolicy": "Local",
        **after["metadata"]["annotations"],
    }
    assert made.reason == "no_udp_port"


@pytest.mark.parametrize("status", [{}, LIVE], ids=["not yet live", "live"])
def test_a_manifest_that_opts_out_gets_back_the_class_alone(status: dict[str, Any]) -> None:
    out = service(plain={keys.INJECT: "false"}, status=status)
    made = update(finished(status=status), out)
    assert [(edit.path, edit.value) for edit in made.edits] == [
        (("spec", "loadBalancerClass"), "service.k8s.aws/nlb")
    ]


OPTED_OUT = {keys.INJECT: "false"}
CLASS_ALONE = [(("spec", "loadBalancerClass"), "service.k8s.aws/nlb")]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (finished({}, DNS_TCP), service({}, DNS_TCP, metadata={"labels": {"a": "b"}})),
        (finished(plain=OPTED_OUT), service(plain=OPTED_OUT)),
        (finished(plain=OPTED_OUT), service({}, DNS_TCP)),
    ],
    ids=["TCP alone", "opted out", "opted out, and no UDP any more"],
)
@pytest.mark.parametrize("status", [{}, LIVE], ids=["not yet live", "live"])
def test_of_a_service_that_left_our_care_the_class_still_returns(
    old: dict[str, Any], new: dict[str, Any], status: dict[str, Any]
) -> None:
    made = update(old | {"status": status}, new | {"status": status})
    assert [(edit.path, edit.value) for edit in made.edits] == CLASS_ALONE
    assert made.findings == ()


def test_a_class_does_not_follow_a_service_that_is_no_load_balancer_any_more() -> None:
    assert update(finished(status=LIVE), service(type="ClusterIP")).edits == ()


def test_the_final_judgement_of_a_service_that_leaves_changes_nothing() -> None:
    assert decision.validate(service({}, DNS_TCP), finished(), OPTED_IN, (), LBC).edits == ()


def test_a_class_of_another_vendor_that_is_dropped_is_still_his() -> None:
    made = update(service(loadBalancerClass="example.com/lb"), service({"healthcheck-protocol": "udp"}))
    assert (made.reason, made.edits, rejected_by(made)) == ("foreign_class", (), set())


def test_what_was_bad_before_is_a_warning_until_it_is_edited() -> None:
    bad = {"healthcheck-protocol": "udp"}
    made = update(finished(bad), finished(bad, metadata={"labels": {"a": "b"}}))
    assert not made.rejected
    assert "UDPLB403" in {finding.code for finding in made.findings}
    assert rejected_by(update(finished(bad), finished({"healthcheck-protocol": "quic"}))) == {"UDPLB403"}


LEGACY = service({"type": "nlb"}, status=LIVE)
BY_ANNOTATION = service({"type": "external", "nlb-target-type": "ip"}, status=LIVE)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (LEGACY, service({"type": "external", "nlb-target-type": "ip"}), "UDPLB801"),
        (LEGACY, service({"type": "nlb-ip"}), "UDPLB801"),
        (BY_ANNOTATION, service({"type": "nlb"}), "UDPLB802"),
        (BY_ANNOTATION, service(), "UDPLB802"),
        (BY_ANNOTATION, service({"type": "external", "nlb-target-type": "pod"}), "UDPLB802"),
        (finished(status=LIVE), finished({"nlb-target-type": "instance"}), "UDPLB807"),
        (finished(status=LIVE), finished({"scheme": "internet-facing"}), "UDPLB814"),
        (finished(status=LIVE), finished({"internal": "false"}), "UDPLB814"),
        (finished({"scheme": "internal"}, status=LIVE), finished({"scheme": "internet-facing"}), "UDPLB814"),
    ],
)
def test_these_changes_of_a_live_service_are_rejected(
    old: dict[str, Any], new: dict[str, Any], code: str
) -> None:
    assert code in rejected_by(update(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (service(), service({"type": "external", "nlb-target-type": "ip"})),
        (finished(), finished({"scheme": "internet-facing"})),
        (finished(status=LIVE), finished({"healthcheck-interval": "20"})),
    ],
    ids=["nobody had built anything", "not live", "in place"],
)
def test_these_changes_are_allowed(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert not rejected_by(update(old, new))


@pytest.mark.parametrize("annotations", [{}, {"nlb-target-type": "IP"}, {"nlb-target-type": "instance"}])
def test_live_instance_targets_are_advised_to_be_left_for_another_service(
    annotations: dict[str, str],
) -> None:
    by_class: dict[str, Any] = {"loadBalancerClass": "service.k8s.aws/nlb"}
    old = service(annotations, status=LIVE, **by_class)
    made = update(old, service(annotations, metadata={"labels": {"a": "b"}}, **by_class))
    assert made.edits == ()
    assert not made.rejected
    (advice,) = (finding.fix for finding in made.findings if finding.code.startswith("UDPLB20"))
    assert advice.startswith("create a second Service")


def test_a_rule_that_the_cluster_made_a_rejection_bricks_nothing_that_was_there_before() -> None:
    strict = replace(LBC, severities={"UDPLB411": Severity.REJECT})
    bad = {"targettype": "ip"}
    old, labelled = finished(bad), finished(bad, metadata={"labels": {"a": "b"}})
    assert decision.mutate(finished(bad), None, OPTED_IN, (), strict).rejected
    assert not decision.mutate(labelled, old, OPTED_IN, (), strict).rejected
    assert decision.mutate(finished({"targettyp": "ip"}), old, OPTED_IN, (), strict).rejected


def test_a_check_of_the_same_protocol_replaces_no_group_whatever_the_gate() -> None:
    basic = replace(LBC, feature_gates={"NLBHealthCheckAdvancedConfig": False})
    old, new = finished(status=LIVE), finished({"healthcheck-interval": "20"}, status=LIVE)
    assert decision.mutate(new, old, OPTED_IN, (), basic).findings == ()


def test_a_service_of_the_legacy_controller_is_only_advised() -> None:
    made = update(LEGACY, service({"type": "nlb", "healthcheck-protocol": "udp"}, status=LIVE))
    assert made.edits == ()
    assert {finding.code for finding in made.findings} == {"UDPLB142"}
    assert not made.rejected


def test_a_live_service_whose_nodes_kube_proxy_answers_for_is_left_in_peace() -> None:
    by_class: dict[str, Any] = {"loadBalancerClass": "service.k8s.aws/nlb", "externalTrafficPolicy": "Local"}
    old = service(status=LIVE, **by_class)
    assert update(old, service(status=LIVE, metadata={"labels": {"a": "b"}}, **by_class)) == Decision()


def test_a_load_balancer_without_security_groups_by_the_controllers_gate_may_turn_to_quic() -> None:
    bare = replace(LBC, feature_gates={"NLBSecurityGroup": False})
    made = decision.mutate(
        finished({"quic-enabled-ports": "7777"}, status=LIVE), finished(status=LIVE), OPTED_IN, (), bare
    )
    assert rejected_by(made) == set()
