"""A forged Service costs little: what its author can make long is read in one pass, and not for each port."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.policy.service.services import GAME, LBC, OPTED_IN, service
from webhook.policy.finding import Severity
from webhook.policy.service import decision


def judge(raw: dict[str, Any]) -> float:
    """Processor seconds of one review."""
    began = time.process_time()
    decision.mutate(raw, None, OPTED_IN, (), LBC)
    return time.process_time() - began


def ports(count: int) -> list[dict[str, Any]]:
    return [{"name": f"p{number}", "port": number, "protocol": "UDP"} for number in range(1, count)]


LONG: list[tuple[str, Callable[[int], dict[str, Any]]]] = [
    ("commas", lambda size: service({"attributes": "," * size + "="}, GAME)),
    ("pairs", lambda size: service({"target-group-attributes": "a=b," * (size // 4) + "c=d"}, GAME)),
    ("escapes", lambda size: service({"target-group-attributes": "\\,=" * (size // 3)}, GAME)),
]


@pytest.mark.parametrize("make", [make for _, make in LONG], ids=[name for name, _ in LONG])
def test_a_text_eight_times_as_long_costs_nowhere_near_its_square(
    make: Callable[[int], dict[str, Any]],
) -> None:
    once = min(judge(make(25_000)) for _ in range(3))
    assert min(judge(make(200_000)) for _ in range(3)) < 24 * once


NUMBERS = ",".join(str(number) for number in range(40_000))


@pytest.mark.parametrize("name", ["ssl-ports", "quic-enabled-ports", "proxy-protocol-per-target-group"])
def test_a_long_list_is_not_read_for_each_port(name: str) -> None:
    few, many = (service({name: NUMBERS, "ssl-cert": "arn"}, *ports(count)) for count in (3, 101))
    assert min(judge(many) for _ in range(3)) < 3 * min(judge(few) for _ in range(3)) + 0.1


def test_ports_behind_what_an_nlb_can_hold_are_not_read() -> None:
    made = decision.mutate(service({}, *ports(20_000)), None, OPTED_IN, (), LBC)
    (finding,) = (finding for finding in made.findings if finding.severity is Severity.REJECT)
    assert finding.code == "UDPLB323"
    assert "101 listeners" in finding.reason


def test_of_thousands_of_unread_keys_the_first_few_are_named() -> None:
    made = decision.mutate(service({f"unknown-{n}": "x" for n in range(5_000)}), None, OPTED_IN, (), LBC)
    assert [finding.code for finding in made.findings] == ["UDPLB411"] * 8
