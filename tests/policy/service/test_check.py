"""A rule that throws is a fault of ours: it is named, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.policy.service.services import LBC, OPTED_IN, service
from webhook.policy.finding import Fault
from webhook.policy.service.build import build
from webhook.policy.service.check import run
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import parse_service
from webhook.policy.service.owners import Ownership
from webhook.policy.service.rules import RULES


def throwing(_: Facts) -> Iterator[Fault]:
    raise ZeroDivisionError


def telling(_: Facts) -> Iterator[Fault]:
    yield Fault("spec", "said")


def test_the_other_rules_are_heard() -> None:
    view = parse_service(service())
    facts = Facts(view, view, OPTED_IN, LBC, build(view, LBC), Ownership.LBC)
    found, broken = run((replace(RULES[0], check=throwing), replace(RULES[1], check=telling)), facts)
    assert [finding.code for finding in found] == [RULES[1].code]
    assert [(fault.code, type(fault.error)) for fault in broken] == [(RULES[0].code, ZeroDivisionError)]
