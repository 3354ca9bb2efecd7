"""What holds for every Service, however odd: a decision, a patch that applies, and no second one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.service.services import AUTO_MODE, LBC, OPTED_IN, UNKNOWN
from webhook.patch import apply, operations
from webhook.policy import keys
from webhook.policy.cluster import Cluster
from webhook.policy.finding import Decision, Severity
from webhook.policy.raw import MalformedObject
from webhook.policy.service import decision
from webhook.policy.service.annotations import ANNOTATIONS
from webhook.policy.service.sight import PodInSight

WORDS = st.sampled_from(
    [
        *(
            "",
            "true",
            "false",
            "ip",
            "instance",
            "traffic-port",
            "80",
            "7777",
            "0",
            "10",
            "5",
            "a=b",
            "a=b,",
            "tcp",
        ),
        *(
            "http",
            "udp",
            "nlb",
            "external",
            "nlb-ip",
            "internal",
            "internet-facing",
            "dualstack",
            "on",
            "off",
            "*",
        ),
        *(
            "9" * 5000,
            "NaN",
            "[1]",
            '{"type":[]}',
            '{"type":"forward","forwardConfig":{"targetGroups":[{"weight":[]}]}}',
        ),
    ]
)
NAMES = st.sampled_from([name if not name.endswith(".") else f"{name}53" for name in ANNOTATIONS]).map(
    keys.aws
)
OTHER_KEYS = st.sampled_from(
    [keys.KEEP, keys.ALLOW, "service.beta.kubernetes.io/actions.UDP-7777", "else.example/x"]
)
PORTS = st.fixed_dictionaries(
    {"port": st.sampled_from([53, 7777, 80, 0, -5, 10**12])},
    optional={
        "protocol": st.sampled_from(["UDP", "TCP", "SCTP", ""]),
        "targetPort": st.sampled_from([53, 7777, "game", 0, ""]),
        "nodePort": st.sampled_from([0, 30001]),
        "name": st.sampled_from(["game", "dns", ""]),
    },
)
SERVICES = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": st.just("game"), "unknown": st.just({"kept": [1]})},
            optional={"annotations": st.dictionaries(NAMES | OTHER_KEYS, WORDS, max_size=6)},
        ),
        "spec": st.fixed_dictionaries(
            {
                "type": st.just("LoadBalancer"),
                "ports": st.lists(PORTS, min_size=1, max_size=4),
                "unknown": st.just(7),
            },
            optional={
                "selector": st.just({"app": "game"}),
                "ipFamilyPolicy": st.sampled_from(["SingleStack", "PreferDualStack", "RequireDualStack"]),
                "externalTrafficPolicy": st.sampled_from(["Local", "Cluster", ""]),
                "ipFamilies": st.sampled_from([["IPv4"], ["IPv6"], ["IPv4", "IPv6"]]),
                "loadBalancerClass": st.sampled_from(
                    ["service.k8s.aws/nlb", "eks.amazonaws.com/nlb", "x.example/y"]
                ),
            },
        ),
    }
)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


LEGAL = {
    "scheme": ["internal", "internet-facing"],
    "type": ["external", "nlb-ip", "nlb"],
    "nlb-target-type": ["ip", "instance"],
    "healthcheck-protocol": ["tcp", "http", "HTTP"],
    "healthcheck-port": ["traffic-port", "8080", "web"],
    "healthcheck-path": ["/", "/health"],
    "healthcheck-interval": ["5", "6", "10", "300"],
    "healthcheck-timeout": ["2", "5"],
    "healthcheck-healthy-threshold": ["2", "10"],
    "attributes": [
        "load_balancing.cross_zone.enabled=true",
        "load_balancing.cross_zone.enabled=false",
        "deletion_protection.enabled=false",
        "access_logs.s3.enabled=true , access_logs.s3.prefix=a\\,b",
        "",
    ],
    "cross-zone-load-balancing-enabled": ["true", "false"],
    "target-group-attributes": ["deregistration_delay.timeout_seconds=30", "stickiness.type=source_ip"],
    "ip-address-type": ["ipv4", "dualstack"],
    "enable-tcp-udp-listener": ["true", "false", "1"],
    "enable-prefix-for-ipv6-source-nat": ["on"],
    "disable-nlb-sg": ["true"],
    "ssl-cert": ["arn"],
    "subnets": ["a,b,c"],
}
"""Values that each make sense by themselves; whether they do together is the question."""
WEB = {"name": "web", "port": 80, "protocol": "TCP", "targetPort": 8080}
GAME = {"name": "game", "port": 7777, "protocol": "UDP", "targetPort": 7777}
DNS = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]
SENSIBLE = st.builds(
    lambda written, plain, ports, spec: {
        "metadata": {
            "name": "game",
            "annotations": {keys.aws(name): value for name, value in written.items()} | plain,
            "unknown": {"kept": [1]},
        },
        "spec": {"type": "LoadBalancer", "selector": {"app": "game"}, "ports": ports, "unknown": 7} | spec,
    },
    st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in LEGAL.items()}),
    st.dictionaries(OTHER_KEYS, st.sampled_from(["", "externalTrafficPolicy", "UDPLB203"]), max_size=2),
    st.sampled_from([[GAME], [GAME, WEB], [WEB, GAME], DNS, [*DNS, GAME, WEB]]),
    st.fixed_dictionaries(
        {},
        optional={
            "externalTrafficPolicy": st.sampled_from(["Local", "Cluster"]),
            "ipFamilies": st.sampled_from([["IPv4"], ["IPv6"]]),
            "loadBalancerClass": st.sampled_from(["service.k8s.aws/nlb", "eks.amazonaws.com/nlb"]),
        },
    ),
)
CLUSTERS = st.sampled_from(
    [
        LBC,
        AUTO_MODE,
        UNKNOWN,
        replace(LBC, ipv6=True, default_scheme="internet-facing", default_target_type="ip"),
        replace(LBC, cross_zone=False, check_interval=5),
        replace(AUTO_MODE, auto_mode_tcp_udp=True),
    ]
)
MANY = settings(max_examples=max(2_000, settings().max_examples * 10))
"""2,000 Services in the short run, 100,000 in the long one."""


@MANY
@given(SERVICES | SENSIBLE, CLUSTERS)
def test_what_is_set_is_set_once_keeps_the_rest_and_satisfies_the_final_judgement(
    raw: dict[str, Any], cluster: Cluster
) -> None:
    made = decision.mutate(raw, None, OPTED_IN, (), cluster)
    assert made.broken == ()
    if made.rejected:
        assert made.edits == ()
        return
    after = apply(raw, operations(raw, made.edits))
    assert decision.mutate(after, None, OPTED_IN, (), cluster).edits == ()
    assert not decision.validate(after, None, OPTED_IN, (), cluster).rejected
    assert without(after, made) == without(raw, made)


def without(raw: dict[str, Any], made: Decision) -> dict[str, Any]:
    """The object but for what was edited."""
    ours = {edit.path[-1] for edit in made.edits}
    metadata = raw["metadata"]
    written = {key: value for key, value in (metadata.get("annotations") or {}).items() if key not in ours}
    spec = {key: value for key, value in raw["spec"].items() if key not in ours}
    return raw | {"metadata": metadata | {"annotations": written}, "spec": spec}


def test_the_generated_services_are_of_both_kinds() -> None:
    """Else the property above would prove little."""
    verdicts = []

    @settings(max_examples=200, database=None)
    @given(SENSIBLE)
    def judge(raw: dict[str, Any]) -> None:
        verdicts.append(decision.mutate(raw, None, OPTED_IN, (), LBC).rejected)

    judge()
    assert 0.2 < sum(verdicts) / len(verdicts) < 0.8


@given(SERVICES, SERVICES)
def test_an_update_ends_in_a_decision_and_a_second_one_is_quiet(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    made = decision.mutate(new, old, OPTED_IN, (), LBC)
    after = apply(new, operations(new, made.edits))
    assert decision.mutate(after, old, OPTED_IN, (), LBC).edits == ()


@given(SERVICES, st.sampled_from(["metadata", "spec", "status"]), st.text(max_size=12), JUNK)
def test_junk_is_called_malformed_or_decided(raw: dict[str, Any], part: str, key: str, junk: Any) -> None:
    for broken in (raw | {part: junk}, raw | {part: {**raw.get(part, {}), key: junk, "ports": junk}}):
        for judge in (decision.mutate, decision.validate):
            try:
                judge(broken, None, OPTED_IN, (), LBC)
            except MalformedObject:
                continue


LATER = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
STATUSES = st.sampled_from([{}, {"loadBalancer": {"ingress": [{"hostname": "nlb.example"}]}}])
FINALIZERS = st.lists(st.sampled_from([keys.LBC_FINALIZER, "else.example/x"]), max_size=2, unique=True)


@given(SERVICES, SERVICES, st.booleans())
def test_a_deletion_is_never_held_up(old: dict[str, Any], new: dict[str, Any], was: bool) -> None:
    (old if was else new)["metadata"] |= LATER
    for judge in (decision.mutate, decision.validate):
        assert judge(new, old, OPTED_IN, (), LBC) == Decision(reason="deleting")


@given(SERVICES, STATUSES, STATUSES, FINALIZERS)
def test_an_update_of_status_or_finalizers_alone_passes_without_a_word(
    raw: dict[str, Any], before: dict[str, Any], after: dict[str, Any], finalizers: list[str]
) -> None:
    old = raw | {"status": before}
    new = raw | {"status": after, "metadata": raw["metadata"] | {"finalizers": finalizers}}
    for judge in (decision.mutate, decision.validate):
        assert judge(new, old, OPTED_IN, (), LBC) == Decision(reason="unchanged")


@given(SERVICES)
def test_what_was_bad_before_the_opt_in_can_still_be_labelled(raw: dict[str, Any]) -> None:
    labelled = raw | {"metadata": raw["metadata"] | {"labels": {"team": "games"}}}
    for judge in (decision.mutate, decision.validate):
        assert not judge(labelled, raw, OPTED_IN, (), LBC).rejected


CONTAINER_PORTS = st.tuples(
    st.sampled_from(["UDP", "TCP"]), st.sampled_from(["game", "dns", ""]), st.sampled_from([53, 7777, 8080])
)
PODS = st.builds(
    PodInSight,
    owner=st.sampled_from(["deployment/game", "pod/a", "job/x"]),
    labels=st.just(frozenset({("app", "game")})),
    ports=st.frozensets(CONTAINER_PORTS, max_size=4),
    sidecar=st.none() | st.frozensets(st.sampled_from([53, 7777]), max_size=2),
    unchanging=st.booleans(),
)
SIGHTS = st.dictionaries(PODS, st.integers(1, 500), max_size=3)


@given(SERVICES, SIGHTS)
def test_pods_in_sight_refuse_nothing_but_two_numbers_in_one_listener(
    raw: dict[str, Any], pods: dict[PodInSight, int]
) -> None:
    made = decision.mutate(raw, None, OPTED_IN, (), LBC)
    if made.rejected:
        return
    judged = decision.validate(apply(raw, operations(raw, made.edits)), None, OPTED_IN, (), LBC, pods)
    rejected = {finding.code for finding in judged.findings if finding.severity is Severity.REJECT}
    assert rejected <= {"UDPLB302"}


@given(SERVICES, SIGHTS)
def test_a_restart_is_never_told_alone(raw: dict[str, Any], pods: dict[PodInSight, int]) -> None:
    made = decision.mutate(raw, None, OPTED_IN, (), LBC)
    judged = decision.validate(apply(raw, operations(raw, made.edits)), None, OPTED_IN, (), LBC, pods)
    told = [str(finding) for finding in judged.findings if finding.code == "UDPLB402"]
    if any("rollout restart" in line for line in told):
        assert "all traffic" in told[0]
        assert "to off" in told[-1]
