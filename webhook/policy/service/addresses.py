"""Fixed addresses of a load balancer: elastic, private, IPv6, and prefixes for source NAT, one for each subnet.

Source: LBC 3.5.0 `pkg/service/model_build_load_balancer.go`, `pkg/networking/utils.go`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from webhook.policy.service.annotations import AnnotationReader

SOURCE_NAT = "enable-prefix-for-ipv6-source-nat"
PREFIXES = "source-nat-ipv6-prefixes"
PREFIX_LENGTH = "80"
AUTO_ASSIGNED = "auto_assigned"


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet that the controller takes for the load balancer, with its ranges of both families."""

    id: str
    ipv4: str = ""
    ipv6: tuple[str, ...] = ()


Subnets = Sequence[Subnet] | None
"""None where they are not known, as in a review: the controller finds them in AWS."""


def source_nat(reader: AnnotationReader, ip_address_type: str, subnets: Subnets) -> str:
    """Whether UDP over IPv6 gets a prefix to come from: `on` or `off`."""
    written = reader.text(SOURCE_NAT, "off")
    if written not in ("on", "off"):
        says = f"Invalid {SOURCE_NAT} value: {written}. Valid values are ['on', 'off']."
        reader.refuse_annotation("UDPLB655", SOURCE_NAT, says)
        return "off"
    if written == "on" and ip_address_type == "ipv4":
        says = f"{SOURCE_NAT} annotation is only applicable to Network Load Balancers using Dualstack IP address type."
        reader.refuse_annotation("UDPLB656", SOURCE_NAT, says)
        return "off"
    without = [subnet.id for subnet in subnets or () if not subnet.ipv6]
    if written == "on" and without:
        says = (
            "To enable prefix for source NAT, all associated subnets must have an IPv6 CIDR. "
            f"Subnets without IPv6 CIDR: {_listed(without)}."
        )
        reader.refuse_annotation("UDPLB657", SOURCE_NAT, says)
    return written


def check_addresses(
    reader: AnnotationReader, scheme: str, ip_address_type: str, source_nat: str, subnets: Subnets
) -> None:
    """Refuse addresses that do not fit; their number is known where the Service names the subnets."""
    named = reader.items("subnets")
    count = len(subnets) if subnets is not None else None if named is None else len(named)
    internet_facing, internal = scheme == "internet-facing", scheme == "internal"
    dualstack = ip_address_type == "dualstack"
    eip = _Fixed("eip-allocations", "EIP allocations", "internet facing", "UDPLB615")
    private = _Fixed("private-ipv4-addresses", "private IPv4 addresses", "internal", "UDPLB617", 4)
    ipv6 = _Fixed("ipv6-addresses", "IPv6 addresses", "dualstack", "UDPLB617", 6)
    for fixed, fits in ((eip, internet_facing), (private, internal), (ipv6, dualstack)):
        _check(reader, fixed, fits, count)
    _check_prefixes(reader, dualstack, source_nat, subnets, count)
    for subnet in subnets or ():
        _check_place(reader, private, subnet.id, (subnet.ipv4,))
        _check_place(reader, ipv6, subnet.id, subnet.ipv6)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """One annotation with an address for each subnet, and the load balancers that it is for."""

    name: str
    what: str
    kind: str
    code: str
    version: int = 0
    """Of the Internet Protocol; 0 where the values are ids."""


def _check(reader: AnnotationReader, fixed: _Fixed, fits: bool, count: int | None) -> None:
    given = reader.items(fixed.name)
    if given is None:
        return
    if not fits:
        says = f"{fixed.what} can only be set for {fixed.kind} load balancers"
        reader.refuse_annotation(fixed.code, fixed.name, says)
    if count is not None and len(given) != count:
        says = f"count of {fixed.what} ({len(given)}) and subnets ({count}) must match"
        reader.refuse_annotation("UDPLB616", fixed.name, says)
    for address in given if fixed.version else ():
        version = _version(address)
        if version != fixed.version:
            says = f"{fixed.what} must be valid IP{f'v{fixed.version}' if version else ''} address: {address}"
            reader.refuse_annotation(fixed.code, fixed.name, says)


def _check_place(reader: AnnotationReader, fixed: _Fixed, subnet: str, ranges: Iterable[str]) -> None:
    given = reader.items(fixed.name)
    if given is not None and len(list(_within(given, ranges))) != 1:
        what = fixed.what.removesuffix("es")
        says = f"expect one {what} configured for subnet: {subnet}"
        reader.refuse_annotation(fixed.code, fixed.name, says)


def _check_prefixes(
    reader: AnnotationReader, dualstack: bool, source_nat: str, subnets: Subnets, count: int | None
) -> None:
    prefixes = reader.items(PREFIXES)
    if prefixes is None:
        return
    if not dualstack:
        says = f"{PREFIXES} annotation can only be set for Network Load Balancers using Dualstack IP address type."
        reader.refuse_annotation("UDPLB658", PREFIXES, says)
    elif source_nat != "on":
        says = f"{PREFIXES} annotation is only applicable if {SOURCE_NAT} annotation is set to on."
        reader.refuse_annotation("UDPLB658", PREFIXES, says)
    if count is not None and len(prefixes) != count:
        says = f"Number of values in {PREFIXES} ({len(prefixes)}) must match the number of subnets ({count})."
        reader.refuse_annotation("UDPLB658", PREFIXES, says)
    for index, prefix in enumerate(prefixes):
        ranges = subnets[index].ipv6 if subnets is not None and index < len(subnets) else None
        fault = _prefix_fault(prefix, ranges)
        if fault is not None:
            reader.refuse_annotation("UDPLB658", PREFIXES, f"Invalid value in {PREFIXES}: {prefix}.{fault}")


def _prefix_fault(prefix: str, ranges: Sequence[str] | None) -> str | None:
    if prefix == AUTO_ASSIGNED:
        return None
    address, *lengths = prefix.split("/")
    if not lengths:
        return ""
    if lengths[0] != PREFIX_LENGTH:
        return f" Prefix length must be {PREFIX_LENGTH}, but {lengths[0]} is specified."
    if _version(address) != 6:
        return " Value must be a valid IPv6 CIDR."
    if ranges is not None and not any(_within([address], ranges)):
        return f" Value must be within subnet CIDR range: {_listed(ranges)}."
    return None


def _version(text: str) -> int:
    """Of the Internet Protocol; 0 where this is no address."""
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def _within(addresses: Iterable[str], ranges: Iterable[str]) -> Iterator[str]:
    networks = [ipaddress.ip_network(cidr, strict=False) for cidr in ranges if cidr]
    for address in addresses:
        if _version(address) and any(ipaddress.ip_address(address) in network for network in networks):
            yield address


def _listed(items: Iterable[str]) -> str:
    """As Go prints a slice."""
    return f"[{' '.join(items)}]"
