"""The rules and the annotations as documents: docs/rules.md and docs/annotations.md are made here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Protocol

from webhook.policy import keys
from webhook.policy.finding import Severity
from webhook.policy.pod.rules import RULES as POD_RULES
from webhook.policy.pod.rules import SKIPS
from webhook.policy.service.annotations import ANNOTATIONS, Reader
from webhook.policy.service.rules import RULES as SERVICE_RULES

RULES_HEAD = """# Rules

What udplb refuses and what it warns about. A rejection names the code, the field, what is wrong and what to
write instead. `udplb/allow: "UDPLBnnn,…"` on a Service turns a rejection into a warning, and so does the setting
`ruleSeverity` for the whole cluster, but for rules marked *not waivable*: their values cannot be parsed by the
controller.
"""

ANNOTATIONS_HEAD = """# Annotations and labels

## Keys of udplb

| key | where | values |
|---|---|---|
"""

OWN_KEYS = (
    (
        keys.INJECT,
        "label of a namespace",
        "`enabled`, or `audit`: everything is decided, nothing changed or refused",
    ),
    (keys.OWNER, "label of a namespace", "`lbc` or `auto-mode`, for clusters that run both"),
    (keys.INJECT, "label of a pod", '`"true"` or `"false"`'),
    (keys.INJECT, "annotation of a Service", '`"false"`: leave this Service alone'),
    (keys.ALLOW, "annotation of a Service", "comma list of codes whose rejections become warnings"),
    (
        keys.KEEP,
        "annotation of a Service",
        "comma list of `loadBalancerClass`, `externalTrafficPolicy` and annotation keys that udplb must not set",
    ),
    (keys.PORTS, "annotation of a pod", "comma list of the TCP ports to answer on; final"),
    (
        keys.NATIVE_SIDECAR,
        "annotation of a pod",
        '`"false"`: an ordinary container instead of a native sidecar',
    ),
    (keys.STATUS, "annotation of a pod, written by udplb", "what was injected, or why nothing was"),
)

READ_HEAD = """
## Load balancer annotations that udplb looks at

All begin with `service.beta.kubernetes.io/aws-load-balancer-`. A name that ends in a dot has a port behind it.

| name | parsed as | read by |
|---|---|---|
"""


class Row(Protocol):
    """What a Service's and a pod's rule have in common."""

    @property
    def code(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def title(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def source(self) -> str: ...


def rules_document() -> str:
    """docs/rules.md: one anchor a rule."""
    rows: list[Row] = [*SERVICE_RULES, *POD_RULES, *SKIPS.values()]
    rows.sort(key=lambda row: row.code)
    unwaivable = frozenset(rule.code for rule in SERVICE_RULES if not rule.waivable)
    return RULES_HEAD + "".join(chain.from_iterable(_section(row, row.code in unwaivable) for row in rows))


def _section(row: Row, unwaivable: bool) -> Iterator[str]:
    verb = {Severity.REJECT: "rejected", Severity.WARN: "warned"}.get(row.severity, str(row.severity))
    yield f"\n## {row.code}\n\n**{row.title}** ({verb}{', not waivable' if unwaivable else ''})\n\n"
    yield f"{row.about}\n\nSource: {row.source}\n"


def annotations_document() -> str:
    """docs/annotations.md: our keys, and who reads AWS's."""
    own = "".join(f"| `{key}` | {where} | {values} |\n" for key, where, values in OWN_KEYS)
    read = "".join(
        f"| `{row.name}` | {row.kind.value} | {', '.join(who.value for who in Reader if who in row.readers)} |\n"
        for row in ANNOTATIONS.values()
    )
    return ANNOTATIONS_HEAD + own + READ_HEAD + read
