"""The rules and the annotations as documents: docs/rules.md and docs/annotations.md are made here."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import chain
from textwrap import fill, indent
from typing import Any, Protocol

from webhook.policy import keys
from webhook.policy.example import Example, as_yaml
from webhook.policy.finding import Severity
from webhook.policy.pod.examples import EXAMPLES as POD_EXAMPLES
from webhook.policy.pod.presets import PRESETS, Preset
from webhook.policy.pod.rules import EXPECTED, SKIPS
from webhook.policy.pod.rules import RULES as POD_RULES
from webhook.policy.pod.status import MEMBERS
from webhook.policy.service.annotations import ANNOTATIONS, Reader
from webhook.policy.service.examples import EXAMPLES as SERVICE_EXAMPLES
from webhook.policy.service.not_checked import NOT_CHECKED
from webhook.policy.service.rules import RULES as SERVICE_RULES

RULES_HEAD = """# Rules

What udplb refuses and what it warns about. A rejection names the code, the field, what is wrong and what to
write instead. `udplb/allow: "UDPLBnnn,…"` on a Service turns a rejection into a warning, and so does the setting
`ruleSeverity` for the whole cluster, but for rules marked *not waivable*: their values cannot be parsed by the
controller.

The examples show only what matters. All else is that of a game server: UDP 7777 behind a Service `game`, in an
opted-in namespace of a cluster with the AWS Load Balancer Controller. `udplb explain UDPLBnnn` prints the same.
"""

CHANGES_HEAD = """
## Changes

In a namespace labelled `udplb/inject: audit`, these codes name what would be done:

| code | what udplb does |
|---|---|
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
        keys.PROBE,
        "annotation of a pod",
        "when a port is green, on every port of the pod: see [Probes](#probes)",
    ),
    (f"{keys.PROBE_OF_PORT}<port>", "annotation of a pod", "the same for one TCP port; wins"),
    (
        keys.NATIVE_SIDECAR,
        "annotation of a pod",
        '`"false"`: an ordinary container instead of a native sidecar',
    ),
    (
        keys.DRAIN,
        "annotation of a pod",
        "a duration from `1s` to `10m`: how long the application serves on after its deletion began",
    ),
    (keys.STATUS, "annotation of a pod, written by udplb", "what was injected, or why nothing was"),
)

PROBES_HEAD = """
## Probes

`udplb/probe` is a kind or a preset, then `,key=value` with the keys of
[the sidecar's `--port`](../sidecar/README.md) and the preset's own options: `dns,name=example.org,type=A`;
`a2s,udp=2457` on a game port that its query port gates; `bound,queue=fail`; `bound,tcp=8080`.

`bound` is green while a socket is bound on the UDP port of the same number and is read (the default). `none` is
green always. `payload,send=HEX,expect=HEX,mask=HEX` sends bytes and is green while the answer begins with the
expected ones; a preset is the same with a protocol's bytes. A value that udplb cannot read is refused where a person
writes it, and skips the pod where a controller does. Secrets never go into annotations: what looks like one is
refused.

| preset | green means | options | source |
|---|---|---|---|
"""

STATUS_HEAD = """
## Status

`udplb/status` is compact JSON with sorted keys. udplb reads it to leave alone what is done; it never takes it for a
proof, since people copy running pods into manifests. A sidecar is stale when the status's `ports` differ from what
today's Services ask; another version or image alone does not make it stale.

| member | meaning |
|---|---|
"""

SKIPS_HEAD = """
The reasons why a pod, or one of its ports, is left alone. Each is the label `reason` of the metric
`udplb_reviews_total` and the field `reason` of the log. Those that surprise are also warned and stand in the status;
with the pod label `udplb/inject: "true"` all are.

| reason | rule | what it says | in the status |
|---|---|---|---|
"""

READ_HEAD = """
## Load balancer annotations that udplb looks at

All begin with `service.beta.kubernetes.io/aws-load-balancer-`. A name that ends in a dot has a port behind it.

| name | parsed as | read by |
|---|---|---|
"""


NOT_CHECKED_HEAD = """
## Not checked

What can go wrong and cannot be told from the object at admission, for it takes AWS, nodes or what comes later.

| what | why not | where to look |
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


CHANGES = {
    "UDPLB100": "gives the Service its load balancer class",
    "UDPLB200": "asks for ip targets",
    "UDPLB300": "lets TCP and UDP of one number share a listener",
    "UDPLB400": "sets the health check",
    "UDPLB600": "switches cross-zone balancing on",
    "UDPLB650": "makes a dualstack load balancer fit for UDP",
    "UDPLB750": "sets externalTrafficPolicy: Local",
    "UDPLB900": "gives a pod its sidecar",
}
"""What udplb does, by the codes under which a namespace in audit mode is told what would be done."""

EXAMPLES: dict[str, Example] = SERVICE_EXAMPLES | POD_EXAMPLES
"""What earns a code, and the same put right; a few codes have none."""

UNWAIVABLE = frozenset(rule.code for rule in SERVICE_RULES if not rule.waivable)
"""Codes that neither `udplb/allow` nor `ruleSeverity` touches."""

_WIDTH = 100
_VERBS = {Severity.REJECT: "rejected", Severity.WARN: "warned"}


def rows() -> list[Row]:
    """Every rule about Services and pods, and every reason to leave a pod alone, in the order of their codes."""
    return sorted([*SERVICE_RULES, *POD_RULES], key=lambda row: row.code)


def rules_document() -> str:
    """docs/rules.md: one anchor a rule."""
    changes = "".join(f"| {code} | {does} |\n" for code, does in CHANGES.items())
    sections = "".join(chain.from_iterable(map(_section, rows())))
    unseen = "".join(f"| {one.title} | {one.why} | {one.look} |\n" for one in NOT_CHECKED)
    return RULES_HEAD + CHANGES_HEAD + changes + sections + NOT_CHECKED_HEAD + unseen


def _section(row: Row) -> Iterator[str]:
    yield f"\n## {row.code}\n\n**{row.title}** ({_verb(row)})\n\n{row.about}\n\n"
    if row.code in EXAMPLES:
        for heading, manifest in parts(EXAMPLES[row.code]):
            yield f"{heading}\n\n"
            yield f"```yaml\n{manifest}```\n\n" if manifest else ""
    yield f"Source: {row.source}\n"


def _verb(row: Row) -> str:
    return _VERBS[row.severity] + (", not waivable" if row.code in UNWAIVABLE else "")


def as_json(row: Row) -> dict[str, Any]:
    """A rule for machines."""
    told: dict[str, Any] = {
        "code": row.code,
        "severity": row.severity.value,
        "title": row.title,
        "about": row.about,
        "source": row.source,
        "waivable": row.code not in UNWAIVABLE,
    }
    example = EXAMPLES.get(row.code)
    return told | ({"example": {"before": example.before, "after": example.after}} if example else {})


def as_text(row: Row) -> str:
    """A rule for people at a terminal."""
    text = f"{row.code}: {row.title} ({_verb(row)})\n\n{fill(row.about, _WIDTH)}\n"
    for heading, manifest in parts(EXAMPLES[row.code]) if row.code in EXAMPLES else ():
        text += f"\n{heading}\n{indent(manifest, '  ')}"
    return f"{text}\nSource: {row.source}\n"


def nearest(code: str) -> list[str]:
    """The codes that look most like one that does not exist."""
    known = [*CHANGES, *(row.code for row in rows())]
    begun = [one for one in known if one.startswith(code.upper())]
    return (begun or get_close_matches(code.upper(), known, n=3, cutoff=0.0))[:3]


def parts(example: Example) -> Iterator[tuple[str, str]]:
    """An example as headings, each with a manifest or nothing below it."""
    if example.when:
        yield example.when, ""
    if example.final:
        yield "Another webhook changes what udplb had set.", ""
    if example.service:
        yield "The Service:", as_yaml(example.service)
    if example.beside:
        yield "Another Service of the namespace:", as_yaml(example.beside)
    if example.pod:
        yield "A pod that runs behind it:", as_yaml(example.pod)
    if example.old:
        yield "In the cluster, live:", as_yaml(example.old)
    kind = "" if example.kind == "Service" else f" ({example.kind})"
    yield f"Before{kind}:", as_yaml(example.before)
    yield f"After{kind}:", as_yaml(example.after)


def annotations_document() -> str:
    """docs/annotations.md: our keys, and who reads AWS's."""
    own = "".join(f"| `{key}` | {where} | {values} |\n" for key, where, values in OWN_KEYS)
    read = "".join(
        f"| `{row.name}` | {row.kind.value} | {', '.join(who.value for who in Reader if who in row.readers)} |\n"
        for row in ANNOTATIONS.values()
    )
    return ANNOTATIONS_HEAD + own + PROBES_HEAD + _presets() + _status() + READ_HEAD + read


def _status() -> str:
    members = "".join(f"| `{name}` | {meaning} |\n" for name, meaning in MEMBERS.items())
    reasons = "".join(
        f"| `{reason}` | [{row.code}](rules.md#{row.code.lower()}) | {row.title} |"
        f" {'yes' if reason in EXPECTED else ''} |\n"
        for reason, row in SKIPS.items()
    )
    return STATUS_HEAD + members + SKIPS_HEAD + reasons


def _presets() -> str:
    return "".join(
        f"| `{name}` | {preset.green} | {_options(preset)} | {preset.source} |\n"
        for name, preset in PRESETS.items()
    )


def _options(preset: Preset) -> str:
    return "; ".join(
        f"`{name}`: {option.wanted} (default `{option.default}`)" for name, option in preset.options.items()
    )
