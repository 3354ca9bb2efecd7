"""Probe presets: a protocol's name and options as the bytes that the sidecar sends and expects.

The sidecar knows bytes only. Ids that a client would draw at random are fixed, since the policy is pure: the
answer must bring them back, and one question an interval needs no more. No preset holds a secret, for whoever
can read a pod could read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Options = Mapping[str, str]

MAX_BYTES = 1232
"""What the sidecar sends or compares at most: an IPv6 path's least MTU without the headers."""

_ID_8 = b"udplb\x00\x00\x01"
_ID_12 = b"udplb-probe\x01"
_MESSAGE_ID = b"\x75\x64"
_ANY = b"\x00"
_ALL = b"\xff"


@dataclass(frozen=True, slots=True)
class Payload:
    """One question and the beginning of a good answer; only the bits that `mask` holds are compared."""

    send: bytes
    expect: bytes
    mask: bytes


@dataclass(frozen=True, slots=True)
class Option:
    """One `key=value` of a preset: what stands in its place, and what may be written."""

    default: str
    wanted: str
    accepts: Callable[[str], bool]
    secret: bool = False
    """Another value than those accepted would be a secret: it is refused, and never repeated in a message."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One protocol: the bytes made of its options, or None where a socket is all that can be looked at.

    `green` says what an answer proves, for docs/annotations.md; `source` where the bytes are specified.
    """

    green: str
    source: str
    payload: Callable[[Options], Payload] | None = None
    options: Mapping[str, Option] = field(default_factory=dict)


_TYPES = {"A": 1, "NS": 2, "SOA": 6, "TXT": 16, "AAAA": 28, "SRV": 33}
_RCODES = {"any": None, "NOERROR": 0, "NXDOMAIN": 3, "REFUSED": 5}
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)


def _labels(name: str) -> list[str]:
    return name.removesuffix(".").split(".") if name != "." else []


def _is_name(name: str) -> bool:
    return len(name) <= 253 and all(_LABEL.fullmatch(label) for label in _labels(name))


def _dns(options: Options) -> Payload:
    name = b"".join(bytes([len(label)]) + label.encode() for label in _labels(options["name"])) + b"\x00"
    question = name + _TYPES[options["type"]].to_bytes(2, "big") + b"\x00\x01"
    counts = b"\x00\x01" + _ANY * 6
    answered, code = 0x80, _RCODES[options["rcode"]]
    return Payload(
        send=_MESSAGE_ID + _ANY * 2 + counts + question,
        expect=_MESSAGE_ID + bytes([answered, code or 0]) + _ANY * 8,
        mask=_ALL * 2 + bytes([answered, 0 if code is None else 0x0F]) + _ANY * 8,
    )


def _stun(_: Options) -> Payload:
    cookie = bytes.fromhex("2112a442")
    return Payload(
        send=bytes.fromhex("00010000") + cookie + _ID_12,
        expect=bytes.fromhex("01010000") + cookie + _ID_12,
        mask=bytes.fromhex("ffef0000") + _ALL * 16,  # 0111 is an error, and an answer
    )


def _a2s(_: Options) -> Payload:
    return Payload(
        send=_ALL * 4 + b"TSource Engine Query\x00",
        expect=_ALL * 4 + b"A",
        mask=_ALL * 4 + b"\xf7",  # A asks for a challenge, I is the answer
    )


def _quic(_: Options) -> Payload:
    theirs, ours = b"\x08" + _ID_8, b"\x08udplb\x00\x00\x02"
    question = b"\xc0" + bytes.fromhex("1a2a3a4a") + theirs + ours
    return Payload(
        send=question.ljust(1200, _ANY),
        expect=b"\x80" + _ANY * 4 + ours + theirs,
        mask=b"\x80" + _ALL * 22,
    )


def _coap(_: Options) -> Payload:
    return Payload(b"\x40\x00" + _MESSAGE_ID, b"\x70\x00" + _MESSAGE_ID, _ALL * 4)


def _raknet(_: Options) -> Payload:
    magic = bytes.fromhex("00ffff00fefefefefdfdfdfd12345678")
    return Payload(
        send=b"\x01" + _ANY * 8 + magic + _ID_8,
        expect=b"\x1c" + _ANY * 16 + magic,
        mask=_ALL + _ANY * 16 + _ALL * 16,
    )


def _sip(_: Options) -> Payload:
    lines = (
        "OPTIONS sip:udplb@127.0.0.1 SIP/2.0",
        "Via: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK-udplb",
        "Max-Forwards: 0",  # a proxy answers itself and asks nobody else
        "From: <sip:udplb@127.0.0.1>;tag=udplb",
        "To: <sip:udplb@127.0.0.1>",
        "Call-ID: udplb@127.0.0.1",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
        "",
        "",
    )
    status = b"SIP/2.0 "
    return Payload("\r\n".join(lines).encode(), status, _ALL * len(status))


def _ntp(_: Options) -> Payload:
    synchronised, mode, stratum = 0x80, 0x07, 0xF0
    return Payload(
        send=b"\x23" + _ANY * 47,
        expect=b"\x04" + _ANY * 47,
        mask=bytes([synchronised | mode, stratum]) + _ANY * 46,
    )


def _snmp(options: Options) -> Payload:
    community = options["community"].encode()
    head = b"\x02\x01\x01\x04" + bytes([len(community)]) + community
    request_id = b"\x02\x04" + b"udpb"
    variable = bytes.fromhex("300e300c06082b060102010103000500")  # sysUpTime.0, null
    body = request_id + bytes.fromhex("020100020100") + variable
    message = head + b"\xa0" + bytes([len(body)]) + body
    return Payload(
        send=b"\x30" + bytes([len(message)]) + message,
        expect=b"\x30\x00" + head + b"\xa2\x00" + request_id,
        mask=b"\xff\x00" + _ALL * len(head) + b"\xff\x00" + _ALL * len(request_id),
    )


_SOCKET = "the socket is bound and read; "

PRESETS: Mapping[str, Preset] = {
    "dns": Preset(
        "any answer to a query that is never passed on (recursion is not desired); REFUSED counts, unless "
        "`rcode` says more",
        "RFC 1035, section 4.1",
        _dns,
        {
            "name": Option(".", "a domain name, such as example.org", _is_name),
            "type": Option("NS", f"one of {', '.join(_TYPES)}", _TYPES.__contains__),
            "rcode": Option("any", f"one of {', '.join(_RCODES)}", _RCODES.__contains__),
        },
    ),
    "stun": Preset(
        "a binding response with our transaction id; an error response counts; nothing is said of TURN "
        "allocations",
        "RFC 8489, sections 5 and 6",
        _stun,
    ),
    "a2s": Preset(
        "the server's description or a challenge; the query port often is not the game's: `a2s,udp=2457`",
        "Valve Developer Community, Server queries, A2S_INFO",
        _a2s,
    ),
    "quic": Preset(
        "a version negotiation that names our connection ids; nothing is said of TLS or of any route",
        "RFC 8999, section 6; RFC 9000, section 6",
        _quic,
    ),
    "coap": Preset("a reset for an empty confirmable message (CoAP ping)", "RFC 7252, section 4.3", _coap),
    "raknet": Preset(
        "an unconnected pong (Minecraft Bedrock); a full or hidden server answers, too",
        "RakNet, MessageIdentifiers.h",
        _raknet,
    ),
    "sip": Preset(
        "any status line, 4xx and 5xx too, in answer to OPTIONS with Max-Forwards 0, which no proxy passes on",
        "RFC 3261, sections 7.2 and 11; RFC 3581",
        _sip,
    ),
    "ntp": Preset(
        "an answer of a synchronised server; red while it announces that the clock is not, or that a second "
        "will be left out",
        "RFC 5905, section 7.3",
        _ntp,
    ),
    "snmp": Preset(
        "any answer to a request for sysUpTime.0 under the community `public`; an agent that knows another "
        "community only is silent, and another community is a password: use `bound`",
        "RFC 3416, section 4.2.1; RFC 3418",
        _snmp,
        {"community": Option("public", "public", "public".__eq__, secret=True)},
    ),
    "radius": Preset(_SOCKET + "a server answers only who knows its secret", "RFC 5997, section 3"),
    "syslog": Preset(_SOCKET + "a collector never answers, a probe would be a log line", "RFC 5426"),
    "netflow": Preset(_SOCKET + "a collector never answers, a probe would be a flow", "RFC 3954"),
    "wireguard": Preset(_SOCKET + "strangers get no answer, by design", "WireGuard white paper, section 5.1"),
    "openvpn": Preset(
        _SOCKET
        + "with tls-auth or tls-crypt strangers get no answer; without, a probe is a half-open session",
        "OpenVPN reference manual",
    ),
}
"""The presets by name, as `udplb/probe` writes them."""
