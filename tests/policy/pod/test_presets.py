"""What each preset sends, and which answers of real servers it takes for health."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from webhook.policy.pod.presets import MAX_BYTES, PRESETS
from webhook.policy.pod.probes import Probe, read_probe

SIP = (
    b"OPTIONS sip:udplb@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK-udplb\r\n"
    b"Max-Forwards: 0\r\nFrom: <sip:udplb@127.0.0.1>;tag=udplb\r\nTo: <sip:udplb@127.0.0.1>\r\n"
    b"Call-ID: udplb@127.0.0.1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
QUIC = "c01a2a3a4a 08 7564706c62000001 08 7564706c62000002"
PING = "00ffff00fefefefefdfdfdfd12345678"


@dataclass(frozen=True)
class Row:
    """One probe: the bytes it sends, answers that are green and answers that are not."""

    probe: str
    send: str
    green: tuple[str, ...]
    red: tuple[str, ...]


ROWS = (
    Row(
        "dns",
        "7564 0000 0001 0000 0000 0000 00 0002 0001",
        green=(
            "7564 8005 0001 0000 0000 0000 00 0002 0001",  # REFUSED, as a server without recursion says
            "7564 8180 0001 000d 0000 0001 00 0002 0001 00",
            "7564 8002 0000 0000 0000 0000",  # SERVFAIL without the question
        ),
        red=("7564 0000 0001 0000 0000 0000 00 0002 0001", "7565 8005 0001 0000 0000 0000", "7564 8005 0001"),
    ),
    Row(
        "dns,name=game.Example.org.,type=AAAA,rcode=NOERROR",
        "7564 0000 0001 0000 0000 0000 04 67616d65 07 4578616d706c65 03 6f7267 00 001c 0001",
        green=("7564 8500 0001 0001 0000 0000",),
        red=("7564 8503 0001 0000 0000 0000", "7564 8502 0001 0000 0000 0000"),
    ),
    Row(
        "stun",
        "0001 0000 2112a442 7564706c622d70726f626501",
        green=(
            "0101 003c 2112a442 7564706c622d70726f626501 0020",
            "0111 0010 2112a442 7564706c622d70726f626501 0009",
        ),
        red=(
            "0001 0000 2112a442 7564706c622d70726f626501",
            "0101 003c 2112a442 7564706c622d70726f626502",
            "0101 003c 2112a443 7564706c622d70726f626501",
        ),
    ),
    Row(
        "a2s",
        "ffffffff 54 536f7572636520456e67696e6520517565727900",
        green=("ffffffff 49 11 4e616d65", "ffffffff 41 4bba0e22"),
        red=("ffffffff 6c", "ffffffff 54", "fffffffe 49", "ffffffff"),
    ),
    Row(
        "quic",
        QUIC + "00" * 1177,
        green=(
            "c0 00000000 08 7564706c62000002 08 7564706c62000001 00000001 6b3343cf",
            "80 00000000 08 7564706c62000002 08 7564706c62000001",
        ),
        red=(
            QUIC,
            "c0 00000001 08 7564706c62000002 08 7564706c62000001",
            "40 00000000",
            "c0 00000000 08 7564706c62000003 08 7564706c62000001",
        ),
    ),
    Row("coap", "4000 7564", green=("7000 7564",), red=("6000 7564", "7000 7565", "7001 7564")),
    Row(
        "raknet",
        f"01 0000000000000000 {PING} 7564706c62000001",
        green=(f"1c 0000000000000000 1122334455667788 {PING} 0004 4d435045",),
        red=(f"01 0000000000000000 {PING} 7564706c62000001", f"1c 0000000000000000 {PING}"),
    ),
    Row(
        "sip",
        SIP.hex(),
        green=(b"SIP/2.0 200 OK\r\n".hex(), b"SIP/2.0 483 Too Many Hops\r\n".hex()),
        red=(b"OPTIONS sip:".hex(), b"SIP/2".hex(), b"\r\n\r\n".hex()),
    ),
    Row(
        "ntp",
        "23" + "00" * 47,
        green=("24 0a 06e8" + "00" * 44, "64 01 06e8" + "00" * 44, "1c 0f" + "00" * 46),
        red=(
            "e4 00 06e8" + "00" * 44,  # what an unsynchronised server answers
            "24 10" + "00" * 46,
            "23 02" + "00" * 46,
            "24 02 06e8",
        ),
    ),
    Row(
        "snmp",
        "3029 020101 0406 7075626c6963 a01c 0204 75647062 020100 020100 300e 300c 0608 2b06010201010300 0500",
        green=(
            "302b 020101 0406 7075626c6963 a21e 0204 75647062 020100 020100 3010 300e 0608 2b06010201010300 "
            "4302 1f40",
        ),
        red=(
            "3029 020101 0406 7075626c6963 a01c 0204 75647062 020100",
            "302b 020101 0406 7075626c6963 a21e 0204 75647063 020100",
        ),
    ),
)


def keys(text: str) -> dict[str, str]:
    probe = read_probe(text)
    assert isinstance(probe, Probe), probe
    return dict(probe.keys)


def matches(answer: bytes, expect: bytes, mask: bytes) -> bool:
    """As the sidecar compares: a prefix, in the bits of the mask."""
    return len(answer) >= len(expect) and all(
        (one ^ other) & bits == 0 for one, other, bits in zip(answer, expect, mask, strict=False)
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.probe)
def test_a_preset_sends_these_bytes(row: Row) -> None:
    rendered = keys(row.probe)
    assert rendered["probe"] == "payload"
    assert bytes.fromhex(rendered["send"]) == bytes.fromhex(row.send)


@pytest.mark.parametrize(
    ("probe", "answer", "green"),
    [(row.probe, answer, True) for row in ROWS for answer in row.green]
    + [(row.probe, answer, False) for row in ROWS for answer in row.red],
)
def test_an_answer_is_green_or_not(probe: str, answer: str, green: bool) -> None:
    rendered = keys(probe)
    expect = bytes.fromhex(rendered["expect"])
    mask = bytes.fromhex(rendered.get("mask", "ff" * len(expect)))
    assert matches(bytes.fromhex(answer), expect, mask) is green


def test_every_preset_with_bytes_has_its_row() -> None:
    with_bytes = {name for name, preset in PRESETS.items() if preset.payload}
    assert with_bytes == {row.probe.partition(",")[0] for row in ROWS}


@pytest.mark.parametrize("name", ["radius", "syslog", "netflow", "wireguard", "openvpn"])
def test_a_protocol_that_cannot_be_asked_is_judged_by_its_socket(name: str) -> None:
    assert keys(name) == {"probe": "bound", "queue": "warn"}


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_expected_has_no_bit_outside_its_mask_and_all_fits(name: str) -> None:
    rendered = keys(name)
    sent, expect = bytes.fromhex(rendered.get("send", "")), bytes.fromhex(rendered.get("expect", ""))
    mask = bytes.fromhex(rendered.get("mask", "ff" * len(expect)))
    assert len(mask) == len(expect)
    assert all(one & ~bits == 0 for one, bits in zip(expect, mask, strict=True))
    assert max(len(sent), len(expect)) <= MAX_BYTES


@pytest.mark.parametrize("name", PRESETS)
def test_a_question_is_no_answer_to_itself(name: str) -> None:
    rendered = keys(name)
    if rendered["probe"] == "payload":
        expect = bytes.fromhex(rendered["expect"])
        mask = bytes.fromhex(rendered.get("mask", "ff" * len(expect)))
        assert not matches(bytes.fromhex(rendered["send"]), expect, mask)
