"""Each rule's example does what docs/rules.md and `udplb explain` say of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ruamel.yaml import YAML

from webhook.admission import WARNING_CHARACTERS
from webhook.patch import apply, operations
from webhook.policy import keys
from webhook.policy.cluster import Cluster, Namespace, Owner, Sidecar
from webhook.policy.example import Example, Fragment, as_yaml
from webhook.policy.finding import Decision, Rule, Severity
from webhook.policy.pod import decision as pods
from webhook.policy.pod.examples import EXAMPLES as POD_EXAMPLES
from webhook.policy.pod.examples import UNILLUSTRATED
from webhook.policy.pod.rules import RULES as POD_RULES
from webhook.policy.pod.rules import SKIPS, SkipReason
from webhook.policy.pod.sight import in_sight
from webhook.policy.raw import MalformedObject
from webhook.policy.service import decision as services
from webhook.policy.service.demand import Demand, demand
from webhook.policy.service.examples import EXAMPLES as SERVICE_EXAMPLES
from webhook.policy.service.objects import parse_service
from webhook.policy.service.rules import RULES as SERVICE_RULES

LBC = Cluster(Sidecar("udp-healthcheck:0.1.0"), Owner.LBC, version="0.1.0")
GAMES = Namespace("games", {keys.INJECT: "enabled", keys.READINESS_GATE: "enabled"})
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "game", "namespace": "games", "annotations": {}},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "game"},
        "externalTrafficPolicy": "Cluster",
        "ports": [{"name": "game", "port": 7777, "protocol": "UDP", "targetPort": 7777}],
    },
}
OTHER: dict[str, Any] = {
    "metadata": {"name": "other", "annotations": {keys.aws("nlb-target-type"): "ip"}},
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "other"},
        "ports": [{"port": 53, "protocol": "UDP"}],
    },
}
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "game-0", "labels": {"app": "game"}, "annotations": {}},
    "spec": {
        "containers": [
            {"name": "game", "image": "game:1", "ports": [{"containerPort": 7777, "protocol": "UDP"}]}
        ]
    },
}
OWNED: Fragment = {
    "metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "game", "controller": True}]}
}
LIVE: Fragment = {
    "metadata": {"finalizers": [keys.LBC_FINALIZER]},
    "status": {"loadBalancer": {"ingress": [{"hostname": "nlb.example"}]}},
}


_GROUP, _PROXY = keys.aws("target-group-attributes"), keys.aws("proxy-protocol")
_TYPE, _ADDRESSES = keys.aws("type"), keys.aws("ip-address-type")
_PREFIX, _LISTENER = keys.aws("enable-prefix-for-ipv6-source-nat"), keys.aws("listener-attributes.TLS-80")


def with_fragment(base: Mapping[str, Any], fragment: Fragment) -> dict[str, Any]:
    """The whole object: members of the fragment replace or remove the base's."""
    whole = copy.deepcopy(dict(base))
    for key, value in fragment.items():
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, Mapping):
            whole[key] = with_fragment(whole.get(key, {}), value)
        else:
            whole[key] = copy.deepcopy(value)
    return whole


def edited(raw: dict[str, Any], decision: Decision) -> dict[str, Any]:
    return apply(raw, operations(raw, decision.edits))


def judge_service(example: Example, fragment: Fragment) -> Decision:
    cluster = replace(LBC, **example.cluster)
    beside = (parse_service(with_fragment(OTHER, example.beside or {}), "games"),)
    if example.kind == "Namespace":
        namespace = Namespace("games", with_fragment({}, fragment)["metadata"]["labels"])
        return services.mutate(
            with_fragment(SERVICE, example.service or {}), None, namespace, beside, cluster
        )
    if example.old is not None:
        old = with_fragment(with_fragment(SERVICE, LIVE), example.old)
        if "loadBalancerClass" in old["spec"]:
            old = edited(old, services.mutate(old, None, GAMES, beside, cluster))
        return services.mutate(with_fragment(old, fragment), old, GAMES, beside, cluster)
    if example.final:
        admitted = edited(SERVICE, services.mutate(SERVICE, None, GAMES, beside, cluster))
        return services.validate(with_fragment(admitted, fragment), None, GAMES, beside, cluster)
    raw = with_fragment(SERVICE, fragment)
    made = services.mutate(raw, None, GAMES, beside, cluster)
    if example.pod is None:
        return made
    seen = in_sight(with_fragment(POD, example.pod))
    assert seen is not None
    selected = raw["spec"]["selector"].items() <= example.pod["metadata"]["labels"].items()
    return services.validate(edited(raw, made), None, GAMES, beside, cluster, {seen: 3} if selected else {})


def codes(decision: Decision) -> set[str]:
    return {finding.code for finding in decision.findings}


@pytest.mark.parametrize("code", sorted(SERVICE_EXAMPLES))
def test_the_service_before_earns_the_code_and_the_one_after_does_not(code: str) -> None:
    example = SERVICE_EXAMPLES[code]
    before, after = judge_service(example, example.before), judge_service(example, example.after)
    assert codes(before) - codes(after) == {code} | example.also
    assert not after.rejected


@pytest.mark.parametrize("code", sorted(SERVICE_EXAMPLES))
def test_the_service_before_has_the_rules_severity(code: str) -> None:
    (rule,) = (rule for rule in SERVICE_RULES if rule.code == code)
    example = SERVICE_EXAMPLES[code]
    said = {finding.code: finding.severity for finding in judge_service(example, example.before).findings}
    assert said[code] is rule.severity


MORE_THAN_ONE_FIELD = {
    "UDPLB321": ({_LISTENER: "tcp.idle_timeout.seconds=60"}, {_LISTENER: None}),
    "UDPLB411": ({keys.aws("targettype"): "ip"}, {keys.aws("targettype"): None}),
    "UDPLB501": ({_GROUP: "preserve_client_ip.enabled=false"}, {_GROUP: "preserve_client_ip.enabled=true"}),
    "UDPLB504": ({_PROXY: "enabled"}, {_PROXY: "*"}),
    "UDPLB540": ({_PROXY: "*"}, {_PROXY: None}),
    "UDPLB802": ({_TYPE: "nlb"}, {_TYPE: "nlb-ip"}),
    "UDPLB803": ({_TYPE: "nlb"}, {_TYPE: None}),
    "UDPLB819": ({_ADDRESSES: "dualstack"}, {_ADDRESSES: "ipv4"}),
    "UDPLB821": ({_ADDRESSES: "ipv4", _PREFIX: None}, {_ADDRESSES: "dualstack", _PREFIX: None}),
}
"""Where the manifest that teaches most changes several, a pair of annotations that differ in one."""


def pair_of(code: str) -> Example:
    example = SERVICE_EXAMPLES[code]
    if code not in MORE_THAN_ONE_FIELD:
        return example
    before, after = MORE_THAN_ONE_FIELD[code]
    beside = {"spec": example.before.get("spec", {})}
    return replace(
        example,
        before=beside | {"metadata": {"annotations": before}},
        after=beside | {"metadata": {"annotations": after}},
    )


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(value, dict):
        return {path: value}
    return {
        place: leaf for key, below in value.items() for place, leaf in leaves(below, (*path, key)).items()
    }


@pytest.mark.parametrize("rule", SERVICE_RULES, ids=lambda rule: rule.code)
def test_each_rule_tells_two_services_apart_that_differ_in_one_field(rule: Rule[Any]) -> None:
    pair = pair_of(rule.code)
    before, after = (leaves(with_fragment(pair.old or {}, each)) for each in (pair.before, pair.after))
    assert sum(before.get(place) != after.get(place) for place in before.keys() | after.keys()) == 1
    assert rule.code in codes(judge_service(pair, pair.before))
    assert rule.code not in codes(judge_service(pair, pair.after))


@pytest.mark.parametrize("code", sorted(SERVICE_EXAMPLES))
def test_a_warning_is_not_cut(code: str) -> None:
    example = SERVICE_EXAMPLES[code]
    for finding in judge_service(example, example.before).findings:
        if finding.severity is Severity.WARN:
            assert len(str(finding)) <= WARNING_CHARACTERS


def demands(fragment: Fragment) -> list[Demand]:
    service = with_fragment(SERVICE, fragment)
    admitted = edited(service, services.mutate(service, None, GAMES, (), LBC))
    asked = demand(parse_service(admitted, "games"), LBC)
    assert asked
    return [asked]


def judge_pod(
    example: Example, fragment: Fragment, base: Mapping[str, Any] = POD, failure: str = ""
) -> Decision:
    """What is decided about the pod; where the example is a Service or a Namespace, about the pod in it."""
    cluster, namespace, raw = replace(LBC, **example.cluster), GAMES, dict(base)
    service = example.service or {}
    match example.kind:
        case "Pod":
            raw = with_fragment(base, fragment)
        case "Service":
            service = fragment
        case "Namespace":
            namespace = Namespace("games", with_fragment({}, fragment)["metadata"]["labels"])
    if example.final:
        return pods.validate(raw, namespace, demands(service), cluster)
    return pods.mutate(raw, namespace, demands(service), cluster, failure)


REASONS = {row.code: reason for reason, row in SKIPS.items()}


@pytest.mark.parametrize("code", sorted(POD_EXAMPLES.keys() - REASONS.keys()))
def test_the_pod_before_earns_the_code_and_the_one_after_does_not(code: str) -> None:
    example = POD_EXAMPLES[code]
    before, after = judge_pod(example, example.before), judge_pod(example, example.after)
    assert code in codes(before)
    assert codes(after) == set()


@pytest.mark.parametrize("code", sorted(POD_EXAMPLES.keys() & REASONS.keys() - {"UDPLB967"}))
def test_the_pod_before_is_left_alone_for_the_reason_and_the_one_after_is_not(code: str) -> None:
    example, reason = POD_EXAMPLES[code], REASONS[code]
    base = with_fragment(POD, OWNED) if reason is SkipReason.MALFORMED_ANNOTATION else POD
    failure = reason if reason.startswith("lookup_") else ""
    assert judge_pod(example, example.before, base, failure).reason == reason
    after = judge_pod(example, example.after, base, failure)
    assert (after.reason, bool(after.edits)) == ("", True)


def test_a_pod_with_a_value_of_a_wrong_type_is_malformed() -> None:
    example = POD_EXAMPLES["UDPLB967"]
    with pytest.raises(MalformedObject, match="hostNetwork"):
        judge_pod(example, example.before)
    assert judge_pod(example, example.after).edits


def test_every_rule_has_an_example() -> None:
    """A new rule needs a row in webhook/policy/service/examples.py or webhook/policy/pod/examples.py."""
    assert [rule.code for rule in SERVICE_RULES if rule.code not in SERVICE_EXAMPLES] == []
    assert [row.code for row in POD_RULES if row.code not in POD_EXAMPLES.keys() | UNILLUSTRATED.keys()] == []


def test_every_example_has_a_rule() -> None:
    """A rule that is gone takes its example with it."""
    assert SERVICE_EXAMPLES.keys() - {rule.code for rule in SERVICE_RULES} == set()
    assert (POD_EXAMPLES.keys() | UNILLUSTRATED.keys()) - {row.code for row in POD_RULES} == set()


@pytest.mark.parametrize("code", sorted(SERVICE_EXAMPLES.keys() | POD_EXAMPLES.keys()))
def test_an_example_is_yaml_that_says_the_same(code: str) -> None:
    example = (SERVICE_EXAMPLES | POD_EXAMPLES)[code]
    for fragment in (example.before, example.after, example.old or {}):
        assert YAML(typ="safe").load(as_yaml(fragment)) == _as_shown(fragment)


def _as_shown(fragment: Any) -> Any:
    """Without what is missing, and of long lists only what is shown."""
    if isinstance(fragment, Mapping):
        return {key: _as_shown(value) for key, value in fragment.items() if value is not None} or None
    return [_as_shown(item) for item in fragment[:3]] if isinstance(fragment, list) else fragment
