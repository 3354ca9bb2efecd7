"""What Prometheus is told. Series that every review touches are kept, not looked up by label."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from webhook.admission import AdmissionRequest, Answer

KINDS = frozenset({"Pod", "Service", "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"})
OTHER = "other"
OPERATIONS = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1, 5)


class Metrics:
    """The series of this process, in a registry of their own."""

    def __init__(self, version: str) -> None:
        registry = self.registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._reviews = Counter(
            "udplb_reviews",
            "Admission reviews by what came of them.",
            ["kind", "operation", "mode", "outcome", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "udplb_review_seconds", "Time from head to answer.", buckets=BUCKETS, registry=registry
        )
        self._findings = Counter("udplb_findings", "Findings.", ["code", "severity"], registry=registry)
        self._broken = Counter(
            "udplb_rule_faults", "Rules that threw, each a fault of udplb.", ["code"], registry=registry
        )
        self._expiry = Gauge(
            "udplb_certificate_expiry_timestamp_seconds",
            "When the serving certificate expires.",
            registry=registry,
        )
        self._rotations = Counter(
            "udplb_certificate_rotations", "Certificates swapped while serving.", registry=registry
        )
        Gauge("udplb_build_info", "Always 1.", ["version"], registry=registry).labels(version).set(1)
        # Labels come from small closed sets; what is outside them is OTHER.
        self._review = lru_cache(maxsize=4096)(self._reviews.labels)
        self._finding = lru_cache(maxsize=1024)(self._findings.labels)

    def reviewed(self, request: AdmissionRequest, answer: Answer, seconds: float) -> None:
        kind = request.kind if request.kind in KINDS else OTHER
        operation = request.operation if request.operation in OPERATIONS else OTHER
        self._review(kind, operation, answer.mode, answer.outcome, answer.reason).inc()
        self._seconds.observe(seconds)
        for finding in answer.findings:
            self._finding(finding.code, finding.severity).inc()
        for rule in answer.broken:
            self._broken.labels(rule.code).inc()

    def refused(self, path: str, status: int, reason: str, uid: str) -> None:  # noqa: ARG002 the port's
        self._review("", "", "", "error" if status >= 500 else "malformed", str(status)).inc()

    def faulted(self, path: str, uid: str) -> None:  # noqa: ARG002 the port's
        self._review("", "", "", "error", "500").inc()

    def certificate(self, not_after: datetime, *, swapped: bool) -> None:
        """When the served one expires, and whether it took the place of another."""
        self._expiry.set(not_after.timestamp())
        if swapped:
            self._rotations.inc()

    def gauge(self, name: str, about: str, labels: Mapping[str, str], value: Callable[[], float]) -> None:
        """A series that is read where it is asked for; one name may have several, by its labels."""
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = Gauge(name, about, list(labels), registry=self.registry)
        (gauge.labels(**labels) if labels else gauge).set_function(value)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)
