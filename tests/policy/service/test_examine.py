"""A Service that exists, judged while nobody changes it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.policy.service.services import DNS_TCP, LBC, LIVE, OPTED_IN, finished, service
from webhook.policy import keys
from webhook.policy.finding import Severity
from webhook.policy.service import decision


def examine(raw: dict[str, Any]) -> dict[str, Severity]:
    made = decision.examine(raw, OPTED_IN, (), LBC)
    assert made.edits == ()
    return {finding.code: finding.severity for finding in made.findings}


def test_a_healthy_one_earns_nothing() -> None:
    assert examine(finished(status=LIVE)) == {}


def test_a_bad_one_earns_its_rejection_though_no_review_would_refuse_it() -> None:
    assert examine(finished({"healthcheck-protocol": "udp"}, status=LIVE)) == {"UDPLB403": Severity.REJECT}


def test_one_that_nobody_serves_is_advised() -> None:
    assert examine(service({"type": "nlb"}, status=LIVE)) == {"UDPLB142": Severity.WARN}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [(service({}, DNS_TCP), "no_udp_port"), (service(plain={keys.INJECT: "false"}), "opted_out")],
)
def test_one_that_is_none_of_ours_has_a_reason(raw: dict[str, Any], reason: str) -> None:
    assert decision.examine(raw, OPTED_IN, (), LBC).reason == reason
