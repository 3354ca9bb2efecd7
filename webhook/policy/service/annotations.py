"""The load balancer annotations: how each is parsed, who reads it, and a reader that notes what fails.

Source: LBC `pkg/annotations/constants.go`, `pkg/service`; EKS user guide, auto-configure-nlb; the
legacy controller's `pkg/providers/v1`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, TypeVar

from webhook.policy import gosyntax, keys
from webhook.policy.finding import AWS_PREFIX, annotation_field
from webhook.policy.service.load_balancer import Refusal

T = TypeVar("T")


class Kind(Enum):
    """How the controllers parse a value."""

    TEXT = "text"
    BOOL = "Go bool"
    INT32 = "int32"
    LIST = "comma list"
    MAP = "key=value list"


class Reader(StrEnum):
    """Who reads an annotation."""

    LBC = "AWS Load Balancer Controller"
    AUTO_MODE = "EKS Auto Mode"
    LEGACY = "legacy controller"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One row of what the controllers read: the key without AWS's prefix.

    A name that ends in `.` stands for keys with a port behind it (`target-group-attributes.53`).
    """

    name: str
    kind: Kind
    readers: frozenset[Reader]


def _row(name: str, kind: Kind, readers: str) -> Annotation:
    initials = {"L": Reader.LBC, "A": Reader.AUTO_MODE, "T": Reader.LEGACY}
    return Annotation(name, kind, frozenset(initials[initial] for initial in readers))


ANNOTATIONS = {
    row.name: row
    for row in (
        _row("type", Kind.TEXT, "LT"),
        _row("nlb-target-type", Kind.TEXT, "LA"),
        _row("scheme", Kind.TEXT, "LA"),
        _row("internal", Kind.BOOL, "LT"),
        _row("name", Kind.TEXT, "LA"),
        _row("subnets", Kind.LIST, "LAT"),
        _row("eip-allocations", Kind.LIST, "LAT"),
        _row("private-ipv4-addresses", Kind.LIST, "LA"),
        _row("ipv6-addresses", Kind.LIST, "LA"),
        _row("additional-resource-tags", Kind.MAP, "LAT"),
        _row("target-node-labels", Kind.MAP, "LT"),
        _row("multi-cluster-target-group", Kind.BOOL, "LA"),
        _row("minimum-load-balancer-capacity", Kind.MAP, "LA"),
        _row("enable-tcp-udp-listener", Kind.BOOL, "LA"),
        _row("quic-enabled-ports", Kind.LIST, "L"),
        _row("disable-nlb-sg", Kind.BOOL, "L"),
        _row("listener-attributes.", Kind.MAP, "L"),
        _row("ssl-cert", Kind.LIST, "LAT"),
        _row("ssl-ports", Kind.LIST, "LAT"),
        _row("ssl-negotiation-policy", Kind.TEXT, "LAT"),
        _row("backend-protocol", Kind.TEXT, "LAT"),
        _row("alpn-policy", Kind.TEXT, "LA"),
        _row("healthcheck-protocol", Kind.TEXT, "LAT"),
        _row("healthcheck-port", Kind.TEXT, "LAT"),
        _row("healthcheck-path", Kind.TEXT, "LAT"),
        _row("healthcheck-success-codes", Kind.TEXT, "LA"),
        _row("healthcheck-interval", Kind.INT32, "LAT"),
        _row("healthcheck-timeout", Kind.INT32, "LAT"),
        _row("healthcheck-healthy-threshold", Kind.INT32, "LAT"),
        _row("healthcheck-unhealthy-threshold", Kind.INT32, "LAT"),
        _row("attributes", Kind.MAP, "LA"),
        _row("cross-zone-load-balancing-enabled", Kind.BOOL, "LT"),
        _row("target-group-attributes", Kind.MAP, "LAT"),
        _row("target-group-attributes.", Kind.MAP, "L"),
        _row("proxy-protocol", Kind.TEXT, "LT"),
        _row("proxy-protocol-per-target-group", Kind.LIST, "L"),
        _row("access-log-enabled", Kind.BOOL, "LT"),
        _row("access-log-s3-bucket-name", Kind.TEXT, "LT"),
        _row("access-log-s3-bucket-prefix", Kind.TEXT, "LT"),
        _row("access-log-emit-interval", Kind.INT32, "T"),
        _row("connection-draining-enabled", Kind.BOOL, "T"),
        _row("connection-draining-timeout", Kind.INT32, "T"),
        _row("connection-idle-timeout", Kind.INT32, "T"),
        _row("extra-security-groups", Kind.LIST, "T"),
        _row("security-groups", Kind.LIST, "LAT"),
        _row("security-group-prefix-lists", Kind.LIST, "L"),
        _row("manage-backend-security-group-rules", Kind.BOOL, "L"),
        _row("inbound-sg-rules-on-private-link-traffic", Kind.TEXT, "L"),
        _row("enable-icmp-for-path-mtu-discovery", Kind.TEXT, "L"),
        _row("ip-address-type", Kind.TEXT, "LA"),
        _row("enable-prefix-for-ipv6-source-nat", Kind.TEXT, "LA"),
        _row("source-nat-ipv6-prefixes", Kind.LIST, "LA"),
    )
}


def row_of(name: str) -> Annotation | None:
    """The row of a name, with a port behind it by its family; None where no controller knows it."""
    return ANNOTATIONS.get(name) or ANNOTATIONS.get(f"{name.partition('.')[0]}.")


def read_by(name: str, reader: Reader) -> bool:
    """Whether this controller reads the annotation."""
    row = row_of(name)
    return row is not None and reader in row.readers


def short_names(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations under AWS's prefix, without it."""
    return {
        key.removeprefix(AWS_PREFIX): value
        for key, value in annotations.items()
        if key.startswith(AWS_PREFIX)
    }


SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
"""The one key of the family without `aws-` in it; `spec.loadBalancerSourceRanges` wins over it."""
ACTIONS = "service.beta.kubernetes.io/actions."
"""Weighted forwarding, with `PROTOCOL-port` behind it."""

NOT_A_BOOL = "UDPLB603"
NOT_A_MAP = "UDPLB503"
NOT_A_NUMBER = "UDPLB415"


@dataclass(slots=True)
class AnnotationReader:
    """Reads annotations as LBC does and keeps its refusals, each once, in the order of reading."""

    annotations: Mapping[str, str]
    reader: Reader = Reader.LBC
    refused: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    written: dict[str, str] = field(init=False)
    """What the controller looks at, by short name."""
    _parsed: dict[tuple[str, Callable[[str], Any]], Any] = field(default_factory=dict)
    """Parsed once, though every target group asks: an annotation may be long and the ports many."""

    def __post_init__(self) -> None:
        named = short_names(self.annotations)
        self.written = {name: text for name, text in named.items() if read_by(name, self.reader)}

    def refuse(self, code: str, where: str, says: str, value: str = "") -> None:
        """Note that the controller stops here, and with which words."""
        # JSON may escape half a character, which no answer can carry.
        sayable = says.encode(errors="replace").decode()
        self.refused.setdefault((code, where), Refusal(code, where, value, sayable))

    def refuse_annotation(self, code: str, name: str, says: str) -> None:
        key = keys.aws(name)
        self.refuse(code, annotation_field(key), says, self.annotations.get(key, ""))

    def text(self, name: str, default: str = "") -> str:
        return self.written.get(name, default)

    def given(self, name: str) -> bool:
        return name in self.written

    def boolean(self, name: str) -> bool | None:
        """None where the annotation is absent or does not parse."""
        says = "failed to parse bool annotation, {key}: {text}"
        return self._read(name, gosyntax.parse_bool, NOT_A_BOOL, says)

    def int32(self, name: str, default: int) -> int:
        says = "failed to parse int32 annotation, {key}: {text}"
        number = self._read(name, gosyntax.parse_int32, NOT_A_NUMBER, says)
        return default if number is None else number

    def items(self, name: str) -> tuple[str, ...] | None:
        """None where the annotation is absent."""
        return self._read(name, gosyntax.parse_list)

    def words(self, name: str) -> frozenset[str]:
        """The same without order, empty where the annotation is absent."""
        return self._read(name, _words) or frozenset()

    def pairs(self, name: str) -> dict[str, str]:
        """Empty where the annotation is absent or does not parse."""
        says = "failed to parse stringMap annotation, {key}: {text}"
        return self._read(name, gosyntax.parse_map, NOT_A_MAP, says) or {}

    def _read(self, name: str, parse: Callable[[str], T | None], code: str = "", says: str = "") -> T | None:
        text = self.written.get(name)
        if text is None:
            return None
        if (name, parse) in self._parsed:
            known: T | None = self._parsed[name, parse]
            return known
        value = self._parsed[name, parse] = parse(text)
        if value is None:
            key = keys.aws(name)
            self.refuse(code, annotation_field(key), says.format(key=key, text=text), text)
        return value


def _words(text: str) -> frozenset[str]:
    return frozenset(gosyntax.parse_list(text))
