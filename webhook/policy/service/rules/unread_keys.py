"""Keys of AWS's family that no controller of this Service reads."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator

from webhook.policy import keys
from webhook.policy.finding import Fault, Rule, Severity, annotation_field
from webhook.policy.service.annotations import ACTIONS, ANNOTATIONS, Reader, read_by
from webhook.policy.service.facts import Facts
from webhook.policy.service.rules.ownership import AUTO_MODE_INSTEAD
from webhook.policy.service.rules.refused import at

MOST_UNREAD = 8


def unread_keys(facts: Facts) -> Iterator[Fault]:
    """The first few: finding the nearest real key takes its time, and one object may hold thousands."""
    return itertools.islice(_unread_keys(facts), MOST_UNREAD)


def _unread_keys(facts: Facts) -> Iterator[Fault]:
    """Keys of AWS's family that no controller of this Service reads: most often spelling mistakes."""
    actions = {f"{listener.protocol}-{listener.port}" for listener in facts.model.listeners}
    for name in facts.annotations:
        if not _is_read(facts, name):
            yield at(facts, name, "no controller of this Service reads it", _instead(name))
    for key, value in facts.service.annotations.items():
        if key.startswith(ACTIONS) and key.removeprefix(ACTIONS) not in actions:
            fix = f"name a listener of this Service: {', '.join(sorted(actions))}"
            yield Fault(annotation_field(key), "no listener of this Service reads this action", fix, value)


def _instead(name: str) -> str:
    family = name.partition(".")[0]
    if name in ANNOTATIONS or f"{family}." in ANNOTATIONS:
        return "remove it: EKS Auto Mode has no such annotation"
    if family == "healthcheck-port":
        return "write traffic-port, which checks each target group on its own port"
    nearest = difflib.get_close_matches(name, ANNOTATIONS, n=1, cutoff=0.5)
    return f"if you mean it, write {keys.aws(nearest[0])}" if nearest else "remove it"


def _is_read(facts: Facts, name: str) -> bool:
    """By this Service's controller; keys of the legacy controller alone are left in peace, others to their own rules."""
    if name == "type" or read_by(name, facts.reader):
        return True
    row = ANNOTATIONS.get(name)
    in_peace = row is not None and row.readers == {Reader.LEGACY}
    return in_peace or (facts.reader is Reader.AUTO_MODE and keys.aws(name) in AUTO_MODE_INSTEAD)


RULES: tuple[Rule[Facts], ...] = (
    Rule(
        "UDPLB411",
        Severity.WARN,
        "An annotation that no controller reads",
        "A misspelt key has no effect and no event. There is no health check of a single port: traffic-port "
        "checks each target group on its own.",
        "LBC pkg/annotations/constants.go",
        unread_keys,
    ),
)
