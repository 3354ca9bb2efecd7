"""What one review of a large Service costs in the policy, on one core: `make bench`.

The least of many runs, in processor time: what the code costs, not what else the machine does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from tests.policy.service.services import LBC, LIVE, OPTED_IN, service
from webhook.patch import apply, operations
from webhook.policy.finding import Decision
from webhook.policy.service import decision

BAR_MS = 1.0
RUNS = 1000

ANNOTATIONS = {
    "scheme": "internet-facing",
    "name": "game",
    "subnets": "subnet-a,subnet-b,subnet-c",
    "eip-allocations": "eipalloc-a,eipalloc-b,eipalloc-c",
    "healthcheck-interval": "10",
    "healthcheck-timeout": "6",
    "healthcheck-healthy-threshold": "3",
    "healthcheck-unhealthy-threshold": "2",
    "attributes": "deletion_protection.enabled=false,access_logs.s3.enabled=true,access_logs.s3.bucket=logs",
    "target-group-attributes": "deregistration_delay.timeout_seconds=60,stickiness.enabled=true,stickiness.type=source_ip",
    "target-group-attributes.4000": "stickiness.enabled=false",
    "additional-resource-tags": "team=games,stage=live",
    "proxy-protocol-per-target-group": "4000",
    "ssl-cert": "arn:aws:acm:eu-central-1:111122223333:certificate/a",
    "ssl-ports": "tcp-4018",
    "security-groups": "sg-a,sg-b",
    "manage-backend-security-group-rules": "true",
}
OTHER = {
    "external-dns.alpha.kubernetes.io/hostname": "game.example",
    "prometheus.io/scrape": "false",
    "example.com/owner": "games",
}


def ports() -> list[dict[str, Any]]:
    """Twenty, of which two are TCP."""
    protocols = ["UDP"] * 18 + ["TCP"] * 2
    return [
        {"name": f"{protocol.lower()}-{number}", "port": number, "protocol": protocol, "targetPort": number}
        for number, protocol in enumerate(protocols, 4000)
    ]


def reviews() -> dict[str, Callable[[], Decision]]:
    """The four reviews of one Service of twenty ports and twenty annotations."""
    written = service(ANNOTATIONS, *ports(), plain=OTHER)
    final = {"status": LIVE} | apply(
        written, operations(written, decision.mutate(written, None, OPTED_IN, (), LBC).edits)
    )
    again = service(ANNOTATIONS, *ports(), plain=OTHER, metadata={"labels": {"release": "2"}}, status=LIVE)
    after = apply(again, operations(again, decision.mutate(again, final, OPTED_IN, (), LBC).edits))
    return {
        "CREATE, mutate": lambda: decision.mutate(written, None, OPTED_IN, (), LBC),
        "CREATE, validate": lambda: validate(final, None),
        "UPDATE, mutate": lambda: decision.mutate(again, final, OPTED_IN, (), LBC),
        "UPDATE, validate": lambda: validate(after, final),
    }


def validate(raw: dict[str, Any], old: dict[str, Any] | None) -> Decision:
    """As the handler asks: whose pods are wanted, then the verdict."""
    final = decision.final(raw, old, OPTED_IN, (), LBC)
    assert final.selector
    return final.verdict()


def milliseconds(review: Callable[[], Decision]) -> float:
    """Of the quickest run."""
    best = float("inf")
    for _ in range(RUNS):
        began = time.process_time()
        review()
        best = min(best, time.process_time() - began)
    return best * 1000


if __name__ == "__main__":
    for name, review in reviews().items():
        print(f"{name:18}{milliseconds(review):6.2f} ms of {BAR_MS:.0f}")
