"""The model against the real controller, asked live: its parser, ownership test and model builder.

The controller's newest Go module is 3.3.0; the model is 3.5.0's. What differs between the two is named here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import settings

from tests.controller.generated import SIBLINGS, Case, cases
from tests.lab.controller import Question, verdicts
from tests.policy.service.test_recorded_verdicts import CASES, CLUSTER
from tests.policy.service.verdicts import OUT_OF_SIGHT, differences, subnets_of, with_node_ports
from webhook.policy.service.build import build, merges_tcp_udp
from webhook.policy.service.load_balancer import NetworkLoadBalancer
from webhook.policy.service.objects import parse_service
from webhook.policy.service.owners import Ownership, owner

SEED = 20260505
NEWER_REFUSALS = {
    "invalid value to set the capacity: ": "3.3.0 takes what is no number for 0; an error since 3.4.0",
}
"""What the model refuses and 3.3.0 does not, by the controller's later words."""


def generated(short: int, long: int) -> Iterator[Case]:
    """The same Services in each `make test`, more and others in each long run."""
    if settings().max_examples < 10_000:
        return cases(SEED, short)
    seed = random.SystemRandom().getrandbits(32)
    print(f"Services of seed {seed}")
    return cases(seed, long)


def as_released(built: NetworkLoadBalancer) -> NetworkLoadBalancer:
    """The model without what only later controllers refuse."""
    newer = tuple(NEWER_REFUSALS)
    return replace(built, refusals=tuple(one for one in built.refusals if not one.says.startswith(newer)))


def test_the_model_builds_what_the_controller_builds() -> None:
    siblings = tuple(parse_service(sibling) for sibling in SIBLINGS)
    asked = [
        Question(with_node_ports(case.service), SIBLINGS, case.cluster, case.subnets)
        for case in generated(10_000, 60_000)
    ]
    answers = verdicts(asked)
    built_by_both = 0
    different = []
    for question, verdict in zip(asked, answers, strict=True):
        service = parse_service(question.service)
        found = [f"the controller takes it: {verdict['supported']}"]
        if (owner(service, question.cluster) is Ownership.LBC) == verdict["supported"]:
            if not verdict["supported"] or (verdict["error"] or "").startswith(OUT_OF_SIGHT):
                continue
            subnets = subnets_of(question.service, question.subnets)
            built = as_released(build(service, question.cluster, siblings, subnets))
            merged = merges_tcp_udp(service, question.cluster)
            found = list(differences(verdict, built, merged=merged))
            built_by_both += verdict["error"] is None
        if found:
            different.append((found, question.line()))
    assert different == [], f"{len(different)} of {len(asked)} differ"
    assert built_by_both > len(asked) / 4, "too few Services get as far as a load balancer to compare"


def test_the_older_controller_answers_what_was_recorded_of_the_newer() -> None:
    recorded = list(CASES.values())
    asked = [
        Question(with_node_ports(case["service"]), SIBLINGS[:1], CLUSTER, subnets)
        for case, subnets in recorded
    ]
    different = []
    for (case, _), verdict in zip(recorded, verdicts(asked), strict=True):
        older, newer = verdict["error"] or "", case["verdict"]["error"] or ""
        # The newer one reads the address type before it looks for subnets.
        known = newer.startswith((*NEWER_REFUSALS, *OUT_OF_SIGHT)) or older.startswith(OUT_OF_SIGHT)
        if older != newer and not known:
            different.append((case["id"], older, newer))
    assert different == []


@pytest.mark.parametrize("words", NEWER_REFUSALS)
def test_each_known_difference_is_seen(words: str) -> None:
    newer = [case for case, _ in CASES.values() if (case["verdict"]["error"] or "").startswith(words)]
    asked = [Question(with_node_ports(newer[0]["service"]), (), CLUSTER, CASES[next(iter(CASES))][1])]
    assert verdicts(asked)[0]["error"] is None
