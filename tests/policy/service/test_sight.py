"""What the pods behind a Service add to its judgement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.policy.service.services import DNS_TCP, DNS_UDP, GAME, LBC, LIVE, OPTED_IN, WEB, finished, service
from webhook.admission import ALL_WARNINGS_CHARACTERS, WARNING_CHARACTERS, fitting
from webhook.policy.finding import Decision, Severity
from webhook.policy.service import decision
from webhook.policy.service.objects import parse_service
from webhook.policy.service.sight import PodInSight, Sight

DNS_FAILOVER = "target_group_health.dns_failover.minimum_healthy_targets.percentage"
ROUTING = "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage"
TO_ALL = {"target-group-attributes": f"{DNS_FAILOVER}=100,{ROUTING}=100"}
GAMES = frozenset({("app", "game")})
UDP = frozenset({("UDP", "game", 7777)})
BARE = PodInSight("deployment/game", GAMES, UDP)
SERVED = replace(BARE, sidecar=frozenset({7777}))
STALE = replace(BARE, sidecar=frozenset({9001}))
LOOKING = replace(LBC, sees_pods=True)
NAMED = [DNS_UDP | {"targetPort": "dns"}, DNS_TCP | {"targetPort": "dns-tcp"}]
MERGED = {"enable-tcp-udp-listener": "true"}


def named(udp: int, tcp: int) -> PodInSight:
    return PodInSight("deployment/dns", GAMES, frozenset({("UDP", "dns", udp), ("TCP", "dns-tcp", tcp)}))


def judged(
    raw: dict[str, Any], pods: Sight, old: dict[str, Any] | None = None, *others: dict[str, Any]
) -> Decision:
    siblings = [parse_service(other) for other in others]
    return decision.validate(raw, old, OPTED_IN, siblings, LOOKING, pods)


def said(made: Decision, code: str) -> list[str]:
    return [f"{finding.reason}; {finding.fix}" for finding in made.findings if finding.code == code]


def test_adoption_is_told_step_by_step() -> None:
    assert said(judged(finished(), {BARE: 3, STALE: 1, SERVED: 2}), "UDPLB402") == [
        "of 6 pods in sight 3 have no sidecar and 1 have a stale one (deployment/game): "
        "the first green target takes all traffic; go step by step",
        f"step 1: {DNS_FAILOVER}=100,{ROUTING}=100; ",
        "step 2: with both at 100 on AWS, kubectl -n games rollout restart deployment/game; ",
        "step 3: when all targets are green, set both target_group_health percentages to off; "
        "removing them resets nothing",
    ]


def test_the_first_step_is_not_told_again() -> None:
    steps = said(judged(finished(TO_ALL), {BARE: 3}), "UDPLB402")
    assert [step.partition(":")[0] for step in steps[1:]] == ["step 2", "step 3"]


def test_the_last_step_is_told_when_every_pod_answers() -> None:
    (last,) = said(judged(finished(TO_ALL), {SERVED: 3}), "UDPLB402")
    assert "set both target_group_health percentages to off" in last


def test_what_does_not_run_yet_is_no_step_of_an_adoption() -> None:
    assert said(judged(finished(), {replace(BARE, running=False): 1}), "UDPLB402") == []
    assert said(judged(finished(TO_ALL), {replace(SERVED, running=False): 1}), "UDPLB402") == []


def test_a_restart_never_stands_alone() -> None:
    for pods in ({BARE: 1}, {BARE: 400, SERVED: 100}, {STALE: 1}):
        warnings = said(judged(finished(), pods), "UDPLB402")
        assert ["restart" in warning for warning in warnings] == [False, False, True, False]


@pytest.mark.parametrize("annotations", [{}, {"target-group-attributes": f"{ROUTING}=100"}, {"target-group-attributes": f"{DNS_FAILOVER}=off,{ROUTING}=off"}])  # fmt: skip
def test_half_of_the_first_step_is_none(annotations: dict[str, str]) -> None:
    assert "step 1" in said(judged(finished(annotations), {BARE: 1}), "UDPLB402")[1]


QUIET: list[tuple[str, dict[str, Any], Sight]] = [
    ("nobody is in sight", finished(), {}),
    ("all answer", finished(), {SERVED: 3}),
    ("the application answers itself", finished(), {replace(BARE, ports=UDP | {("TCP", "", 7777)}): 1}),
    ("their own keys decide", finished(), {replace(BARE, unchanging=True): 1}),
    ("a TCP port of the Service goes there", finished({}, GAME, WEB | {"targetPort": 7777}), {BARE: 1}),
    ("the check goes to another port", finished({"healthcheck-port": "8080"}), {replace(BARE, ports=UDP | {("TCP", "", 8080)}): 1}),
    ("the name is none of theirs", finished({}, GAME | {"targetPort": "play"}), {BARE: 1}),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "pods"), [row[1:] for row in QUIET], ids=[row[0] for row in QUIET])
def test_nothing_needs_a_rollout(raw: dict[str, Any], pods: Sight) -> None:
    assert said(judged(raw, pods), "UDPLB402") == []


def test_the_tcp_port_of_another_load_balancer_is_in_use() -> None:
    beside = service({}, WEB | {"targetPort": 7777}, metadata={"name": "web"})
    elsewhere = service({}, WEB | {"targetPort": 7777}, metadata={"name": "web"}, selector={"app": "web"})
    assert said(judged(finished(), {BARE: 1}, None, beside), "UDPLB402") == []
    assert said(judged(finished(), {BARE: 1}, None, elsewhere), "UDPLB402")


def test_a_new_target_port_makes_sidecars_stale() -> None:
    old, new = finished(status=LIVE), finished({}, GAME | {"targetPort": 7778}, status=LIVE)
    count, *_ = said(judged(new, {SERVED: 5}, old), "UDPLB402")
    assert count.startswith("of 5 pods in sight 5 have a stale one (deployment/game)")


def test_pods_of_nobody_are_made_anew_by_hand() -> None:
    steps = said(
        judged(finished(), {replace(BARE, owner="pod/a"): 1, replace(BARE, owner="pod/b"): 1}), "UDPLB402"
    )
    assert "make the pods of pod/a and 1 more anew" in steps[2]
    many = said(judged(finished(), {BARE: 1, replace(BARE, owner="statefulset/z"): 1}), "UDPLB402")
    assert "rollout restart deployment/game, then 1 more" in many[2]


def test_the_warnings_about_adoption_fit_even_with_long_names_and_in_audit() -> None:
    long = replace(BARE, owner=f"deployment/{'n' * 253}"), replace(STALE, owner="deployment/z")
    raw = finished(metadata={"namespace": "n" * 63})
    warnings = [f"audit: {finding}" for finding in judged(raw, {long[0]: 400, long[1]: 100}).findings]
    assert max(map(len, warnings)) <= WARNING_CHARACTERS, max(warnings, key=len)
    assert sum(map(len, fitting(warnings))) <= ALL_WARNINGS_CHARACTERS


@pytest.mark.parametrize(
    ("pods", "severity"),
    [
        ({}, Severity.WARN),
        ({PodInSight("deployment/dns", GAMES): 1}, Severity.WARN),
        ({named(53, 53): 2}, None),
        ({named(53, 5353): 2}, Severity.REJECT),
        ({named(53, 53): 2, named(53, 5353): 1}, Severity.REJECT),
    ],
    ids=["no pod", "no pod that knows both", "one number", "two numbers", "two numbers in some"],
)
def test_two_names_of_one_listener_are_judged_by_the_pods(pods: Sight, severity: Severity | None) -> None:
    made = judged(finished(MERGED, *NAMED), pods)
    found = {
        finding.code: finding.severity
        for finding in made.findings
        if finding.code in ("UDPLB302", "UDPLB303")
    }
    assert list(found.values()) == ([] if severity is None else [severity])


def test_two_numbers_that_were_two_before_are_a_warning() -> None:
    old = finished(MERGED, *NAMED)
    new = finished(MERGED, *NAMED, metadata={"labels": {"a": "b"}})
    assert not judged(new, {named(53, 5353): 2}, old).rejected


def test_pods_without_the_name_are_counted() -> None:
    raw = finished({}, GAME | {"targetPort": "game"})
    lacking = replace(BARE, ports=frozenset({("TCP", "game", 7777)}))
    assert said(judged(raw, {SERVED: 3}), "UDPLB325") == []
    assert said(judged(raw, {SERVED: 3, lacking: 2}), "UDPLB325") == [
        "2 of 5 pods in sight (deployment/game) declare no UDP port 'game', so they get no traffic of UDP 7777; "
        "declare it with protocol UDP, or write the number"
    ]


def test_a_check_port_that_a_pod_declares_is_nobodys_worry() -> None:
    raw = finished({"healthcheck-port": "8080"})
    serving = replace(SERVED, ports=UDP | {("TCP", "", 8080)})
    assert said(judged(raw, {serving: 1, SERVED: 1}), "UDPLB408") == []
    assert said(judged(raw, {SERVED: 1}), "UDPLB408")
    assert said(judged(raw, {}), "UDPLB408")


@pytest.mark.parametrize(
    ("code", "raw"),
    [("UDPLB303", finished(MERGED, *NAMED)), ("UDPLB408", finished({"healthcheck-port": "8080"}))],
)
def test_the_mutating_webhook_leaves_to_the_validating_one_what_pods_decide(
    code: str, raw: dict[str, Any]
) -> None:
    assert said(decision.mutate(raw, None, OPTED_IN, (), LBC), code)
    assert said(decision.mutate(raw, None, OPTED_IN, (), LOOKING), code) == []


ASKS: list[tuple[str, dict[str, Any], dict[str, Any] | None, bool]] = [
    ("a new one", finished(), None, True),
    ("a changed one", finished({"healthcheck-interval": "20"}), finished(), True),
    ("an unchanged one", finished(), finished(), False),
    ("no UDP", finished({}, WEB), None, False),
    ("instance targets", finished({"nlb-target-type": "instance"}), None, False),
    ("no selector", finished(selector=None), None, False),
]


@pytest.mark.parametrize(("raw", "old", "asks"), [row[1:] for row in ASKS], ids=[row[0] for row in ASKS])
def test_pods_are_looked_at_where_they_matter(
    raw: dict[str, Any], old: dict[str, Any] | None, asks: bool
) -> None:
    final = decision.final(raw, old, OPTED_IN, (), LOOKING)
    assert final.selector == ({"app": "game"} if asks else {})


def test_another_load_balancer_on_the_same_pods_is_told_where_nobody_looks_at_pods() -> None:
    beside = parse_service(finished({}, DNS_UDP, metadata={"name": "dns"}))
    for cluster, expected in ((LBC, {"UDPLB909"}), (LOOKING, set())):
        made = decision.validate(finished(), None, OPTED_IN, (beside,), cluster)
        assert {finding.code for finding in made.findings} == expected
    same = parse_service(finished(metadata={"name": "same"}))
    assert decision.validate(finished(), None, OPTED_IN, (same,), LBC).findings == ()
