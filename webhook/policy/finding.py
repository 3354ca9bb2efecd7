"""What the policy has to say: findings for people, edits for objects, and the decision that holds both."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Generic, TypeVar

Facts = TypeVar("Facts")

AWS_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
DOCS = "docs/rules.md"


class Severity(StrEnum):
    """What a finding does to the request."""

    REJECT = "reject"
    WARN = "warn"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, what, and what to do about it.

    `value` is what stands in the field; with code and field it tells whether an old object earned the
    same finding. A finding that is not `waivable` names a value that the controller cannot parse.
    """

    code: str
    severity: Severity
    field: str
    reason: str
    fix: str = ""
    value: str = ""
    waivable: bool = True

    @property
    def identity(self) -> tuple[str, str, str]:
        """The same finding of the old object; a list's items move when others come and go."""
        return self.code, re.sub(r"\[\d+\]", "[]", self.field), self.value

    @property
    def sentence(self) -> str:
        """Reason, fix and link, without the code and the field."""
        said = f"{self.reason}; {self.fix}" if self.fix else self.reason
        return f"{said}. See {DOCS}#{self.code.lower()}"

    def __str__(self) -> str:
        return shortened(f"{self.code} {self.field}: {self.sentence}")


def shortened(text: str) -> str:
    """`…` for AWS's annotation prefix, which would fill a warning's 256 characters by itself."""
    return text.replace(AWS_PREFIX, "…")


def annotation_field(key: str) -> str:
    """The path of an annotation, as a finding names it."""
    return f"metadata.annotations[{key}]"


class Action(StrEnum):
    """How an edit changes the raw object."""

    SET = "set"
    """Give a member of a map (made where it is missing) this value."""
    INSERT = "insert"
    """Put an item into a list (made where it is missing) at this index; the index -1 appends."""
    REMOVE = "remove"
    """Take a member out of a map, or an item out of a list."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of ours to the raw object, at a path of its keys and indexes.

    `code` is the base code of the change (`UDPLB200`: target type): what `audit` calls it.
    `says` is the same change in words, as `audit` prints it: "would be set to ip".
    """

    code: str
    path: tuple[str | int, ...]
    value: object = None
    action: Action = Action.SET
    says: str = ""

    @property
    def field(self) -> str:
        """The path as a finding writes it; a key with dots or slashes stands in brackets."""
        written = ""
        for step in self.path:
            if isinstance(step, int) or any(mark in step for mark in "./"):
                written += f"[{step}]"
            else:
                written += f".{step}" if written else step
        return written

    def below(self, place: tuple[str | int, ...]) -> Edit:
        """The same change of a document in which the object stands at this place."""
        return replace(self, path=(*place, *self.path))


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule that threw, which is our fault: the request goes on without it, and the error is for the log."""

    code: str
    error: Exception


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one object: edits, findings and, where it was left alone, the skip reason."""

    edits: tuple[Edit, ...] = ()
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    broken: tuple[BrokenRule, ...] = ()

    @property
    def rejected(self) -> bool:
        return any(finding.severity is Severity.REJECT for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Waivers:
    """Whose word changes a severity: the cluster's per rule, then the object's own `udplb/allow`."""

    severities: Mapping[str, Severity] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()

    def apply(self, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """The findings with the severity that counts; those switched off are gone."""
        judged = (self._judge(finding) for finding in findings)
        return tuple(finding for finding in judged if finding.severity is not Severity.OFF)

    def _judge(self, finding: Finding) -> Finding:
        if not finding.waivable:
            return finding
        severity = self.severities.get(finding.code, finding.severity)
        if severity is Severity.REJECT and finding.code in self.allowed:
            severity = Severity.WARN
        return replace(finding, severity=severity)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a rule is broken: the field, what is wrong there and what to do. Severity is the rule's."""

    field: str
    reason: str
    fix: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Rule(Generic[Facts]):
    """One thing that cannot work, or surprises: data for the docs and one small function over the facts.

    `about` tells people in a paragraph what happens on AWS; `source` says how we know.
    """

    code: str
    severity: Severity
    title: str
    about: str
    source: str
    check: Callable[[Facts], Iterable[Fault]]
    waivable: bool = True

    def findings(self, facts: Facts) -> list[Finding]:
        return [
            Finding(
                self.code, self.severity, fault.field, fault.reason, fault.fix, fault.value, self.waivable
            )
            for fault in self.check(facts)
        ]
