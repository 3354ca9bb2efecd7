"""How a refusal of the model becomes a fault: the controller's own words, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, annotation_field
from webhook.policy.service.facts import Facts
from webhook.policy.service.objects import ServicePort


def refused(code: str, fix: str) -> Callable[[Facts], Iterable[Fault]]:
    """A check that repeats what the model refused under this code, and checks nothing again."""

    def check(facts: Facts) -> Iterator[Fault]:
        for refusal in facts.model.refusals:
            if refusal.code == code:
                reason = f"the controller refuses it and builds nothing ({refusal.says.strip()})"
                yield Fault(refusal.field, reason, fix, refusal.value)

    return check


def at(facts: Facts, name: str, reason: str, fix: str) -> Fault:
    """A fault at an AWS load balancer annotation."""
    return Fault(annotation_field(keys.aws(name)), reason, fix, facts.service.aws(name) or "")


def at_port(facts: Facts, port: ServicePort, reason: str, fix: str) -> Fault:
    """A fault at an entry of `spec.ports`."""
    index = facts.service.ports.index(port)
    return Fault(f"spec.ports[{index}]", reason, fix, f"{port.protocol} {port.port} {port.target_port}")
