"""The `udplb/*` annotations of a Service."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from webhook.policy import gosyntax, keys
from webhook.policy.finding import Fault, Rule, Severity, annotation_field
from webhook.policy.service.facts import Facts

KEEPABLE = ("loadBalancerClass", "externalTrafficPolicy")
MOST_WORDS = 64
"""An annotation may be long; nobody reads a warning for each of its thousand words."""


def unknown_words(facts: Facts) -> Iterator[Fault]:
    for word in gosyntax.parse_list(facts.written.annotations.get(keys.KEEP, ""))[:MOST_WORDS]:
        if word not in KEEPABLE and not word.startswith("service.beta.kubernetes.io/"):
            fix = f"list {', '.join(KEEPABLE)} or whole annotation keys"
            yield Fault(annotation_field(keys.KEEP), f"{word!r} is nothing that udplb sets", fix, word)


KEEP: Rule[Facts] = Rule(
    "UDPLB141",
    Severity.WARN,
    "udplb/keep names something that udplb does not set",
    "The annotation lists the fields and annotation keys that udplb must leave unset.",
    "udplb",
    unknown_words,
)


def switch_as_a_label(facts: Facts) -> Iterator[Fault]:
    written = facts.written.labels.get(keys.INJECT)
    if written is not None:
        fix = f'to leave this Service alone, annotate {keys.INJECT}: "false"; a namespace and a pod have it as a label'
        yield Fault(
            f"metadata.labels[{keys.INJECT}]",
            "on a Service udplb reads an annotation, not a label",
            fix,
            written,
        )


LABEL: Rule[Facts] = Rule(
    "UDPLB144",
    Severity.WARN,
    "udplb/inject is a label of this Service",
    "The switch is a label on namespaces and pods, and an annotation on Services.",
    "udplb",
    switch_as_a_label,
)


def allow(codes: Collection[str]) -> Rule[Facts]:
    """The rule about `udplb/allow`, which names the codes of all the others."""

    def unknown_codes(facts: Facts) -> Iterator[Fault]:
        for code in gosyntax.parse_list(facts.written.annotations.get(keys.ALLOW, ""))[:MOST_WORDS]:
            if code not in codes:
                fix = "write codes as rejections name them, such as UDPLB410"
                yield Fault(annotation_field(keys.ALLOW), f"{code!r} is no rule about Services", fix, code)

    return Rule(
        "UDPLB143",
        Severity.WARN,
        "udplb/allow names a rule that does not exist",
        "The annotation lists the codes whose rejections become warnings. A misspelt one allows nothing.",
        "udplb",
        unknown_codes,
    )
