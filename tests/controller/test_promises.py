"""What the webhook admits the real controller builds, and builds healthy; what it refuses had to be refused.

Every recorded and generated Service is created through both webhooks, stored as the API server stores it, and
given to the controller, as it was written and as it was admitted.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.controller.generated import CROSS_ZONE, SIBLINGS, Case
from tests.controller.test_model import generated
from tests.lab.controller import Question, verdicts
from tests.policy.service.test_recorded_verdicts import CASES, CLUSTER
from tests.policy.service.verdicts import OUT_OF_SIGHT, with_node_ports
from webhook.patch import apply, operations
from webhook.policy import keys
from webhook.policy.cluster import Namespace, Owner
from webhook.policy.finding import Finding, Severity
from webhook.policy.service import decision
from webhook.policy.service.defaults import defaults, switches_cross_zone
from webhook.policy.service.load_balancer import TRAFFIC_PORT, UDP_PROTOCOLS
from webhook.policy.service.objects import parse_service
from webhook.policy.service.owners import Ownership, owner
from webhook.policy.service.rules import RULES

Object = dict[str, Any]
Verdict = Mapping[str, Any]

OPTED_IN = Namespace("games", {keys.INJECT: "enabled"})
NEEDS_AWS = (
    *OUT_OF_SIGHT,
    "To enable prefix for source NAT, all associated subnets",
    "count of ",
    "expect one ",
    "Number of values in source-nat-ipv6-prefixes",
)
"""Refusals that stand on subnets, which a review does not know."""
WITHIN_A_SUBNET = "Value must be within subnet CIDR range"
AWS_SOURCES = ("ELBv2 API", "NLB user guide", "EKS user guide", "LBC pkg/", "LBC model_", "LBC docs/")
"""AWS's API, its guides, and the source of its controller; an issue or another project is none."""
SOURCES = {rule.code: rule.source for rule in RULES}


@dataclass(frozen=True)
class Reviewed:
    """A Service as it was written, as it would be with our defaults, and what both webhooks said of it."""

    case: Case
    repaired: Object
    rejections: tuple[Finding, ...]
    before: Verdict
    """Of the Service without us."""
    after: Verdict
    """Of the repaired one."""

    @property
    def faults(self) -> list[str]:
        return list(unhealthy(self.repaired, self.after))


def reviewed(cases: Iterable[Case]) -> list[Reviewed]:
    concerned = [case for case in cases if parse_service(case.service).is_udp_load_balancer]
    made = [created(case) for case in concerned]
    written = [asked(case, case.service) for case in concerned]
    repaired = [asked(case, final) for case, (final, _) in zip(concerned, made, strict=True)]
    answers = verdicts([*written, *repaired])
    count = len(concerned)
    return [
        Reviewed(case, final, rejections, before, after)
        for case, (final, rejections), before, after in zip(
            concerned, made, answers[:count], answers[count:], strict=True
        )
    ]


def created(case: Case) -> tuple[Object, tuple[Finding, ...]]:
    """The Service with our defaults, and the rejections of either webhook."""
    siblings = tuple(parse_service(sibling) for sibling in SIBLINGS)
    mutated = decision.mutate(case.service, None, OPTED_IN, siblings, case.cluster)
    edits = defaults(parse_service(case.service), OPTED_IN, case.cluster)
    final = apply(case.service, operations(case.service, edits))
    said = mutated.findings
    if not mutated.rejected:
        assert mutated.reason or mutated.edits == edits
        said = decision.validate(final, None, OPTED_IN, siblings, case.cluster).findings
    return final, tuple(finding for finding in said if finding.severity is Severity.REJECT)


def asked(case: Case, service: Object) -> Question:
    return Question(stored(service), SIBLINGS, case.cluster, case.subnets)


def stored(service: Object) -> Object:
    """As the API server stores it: with all node ports."""
    raw = with_node_ports(copy.deepcopy(service))
    if raw["spec"].get("externalTrafficPolicy") == "Local":
        raw["spec"].setdefault("healthCheckNodePort", 32000)
    return raw


def unhealthy(raw: Object, verdict: Verdict) -> Iterator[str]:
    """Why the UDP side of what the controller built cannot work."""
    if verdict["error"] is not None:
        yield verdict["error"]
        return
    if "scheme" not in verdict:
        yield "the controller does not take it"
        return
    service = parse_service(stored(raw))
    listeners = {listener["port"]: listener for listener in verdict["listeners"]}
    silent = {port.node_port for port in service.udp_ports}
    silent -= {port.node_port for port in service.ports if port.protocol == "TCP"}
    for port in service.udp_ports:
        listener = listeners.get(port.port)
        if listener is None or listener["protocol"] not in UDP_PROTOCOLS:
            yield f"UDP {port.port} has no listener"
            continue
        for group in listener["targetGroups"]:
            yield from unanswered(group, listener["protocol"], silent)
    groups = [group for listener in listeners.values() for group in listener["targetGroups"]]
    on_nodes = any(group["targetType"] == "instance" for group in groups)
    said_off = "false" in switches_cross_zone(service).values()
    # With instance targets a class is all that we set.
    if verdict["attributes"].get(CROSS_ZONE) != "true" and not said_off and not on_nodes:
        yield "cross-zone is off"


def unanswered(group: Mapping[str, Any], protocol: str, silent: set[int]) -> Iterator[str]:
    check = group["healthCheck"]
    if check["protocol"] not in ("TCP", "HTTP", "HTTPS"):
        yield f"the check speaks {check['protocol']}"
    if group["targetType"] == "instance":
        dark = check["port"] in silent or (check["port"] == TRAFFIC_PORT and protocol in ("UDP", "QUIC"))
        if dark:
            yield f"no node answers the check on {check['port']}"


@pytest.fixture(scope="module", params=["recorded", "generated"])
def services(request: pytest.FixtureRequest) -> Sequence[Reviewed]:
    """Each Service created once for all promises."""
    if request.param == "generated":
        return reviewed(generated(3_000, 20_000))
    cluster = replace(CLUSTER, owner=Owner.LBC)
    return reviewed(Case(case["service"], cluster, tuple(subnets)) for case, subnets in CASES.values())


def needs_aws(error: str) -> bool:
    return error.startswith(NEEDS_AWS) or WITHIN_A_SUBNET in error


def test_what_is_admitted_is_built_and_healthy(services: Sequence[Reviewed]) -> None:
    broken = [
        (one.faults, one.repaired)
        for one in services
        if not one.rejections and ours(one) and not needs_aws(one.after["error"] or "") and one.faults
    ]
    assert broken == [], f"{len(broken)} of {len(services)}"


def ours(one: Reviewed) -> bool:
    return owner(parse_service(one.repaired), one.case.cluster) is Ownership.LBC


def test_what_the_controller_refuses_is_refused_or_repaired(services: Sequence[Reviewed]) -> None:
    refused = [one for one in services if one.before["error"] and not needs_aws(one.before["error"])]
    left = [
        (one.before["error"], one.after["error"], one.case.service)
        for one in refused
        if not one.rejections and one.after["error"] and not needs_aws(one.after["error"])
    ]
    assert left == [], f"{len(left)} of {len(refused)}"


def test_what_is_refused_though_it_would_be_healthy_is_refused_by_aws(services: Sequence[Reviewed]) -> None:
    refused = [one for one in services if one.rejections and ours(one) and not one.faults]
    homemade = [
        ([str(finding) for finding in one.rejections], one.case.service)
        for one in refused
        if not any(SOURCES[finding.code].startswith(AWS_SOURCES) for finding in one.rejections)
    ]
    assert homemade == [], f"{len(homemade)} of {len(refused)}"


def test_most_services_are_admitted(services: Sequence[Reviewed]) -> None:
    """Else the promises above would hold for nothing."""
    admitted = [one for one in services if not one.rejections and ours(one)]
    assert len(admitted) > len(services) / 10
