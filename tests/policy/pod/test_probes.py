"""`udplb/probe` as people write it, as the sidecar reads it, and every way to get it wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy.pod.pods import CLUSTER, GAMES, admitted, balancer, codes, pod, sidecars, status
from webhook.policy.finding import Severity
from webhook.policy.pod.decision import mutate
from webhook.policy.pod.presets import PRESETS
from webhook.policy.pod.probes import DEFAULT, KINDS, Probe, Refusal, read_probe

STUN = (
    "probe=payload,udp=3479,send=000100002112a4427564706c622d70726f626501,"
    "expect=010100002112a4427564706c622d70726f626501,mask=ffef0000ffffffffffffffffffffffffffffffff"
)


@pytest.mark.parametrize(
    ("text", "argument"),
    [
        ("bound", "53,probe=bound"),
        ("none", "53,probe=none"),
        (" bound , queue=fail ", "53,probe=bound,queue=fail"),
        ("bound,fall=3,rise=2,queue=off", "53,probe=bound,queue=off,rise=2,fall=3"),
        ("bound,udp=05353", "53,probe=bound,udp=5353"),
        ("bound,tcp=8080", "53,probe=bound,tcp=8080"),
        ("bound,interval=2000ms,settle=50ms", "53,probe=bound,interval=2s,settle=50ms"),
        ("bound,interval=300s", "53,probe=bound,interval=300s"),
        ("payload,send=0A,expect=0b", "53,probe=payload,send=0a,expect=0b"),
        ("payload,send=0a", "53,probe=payload,send=0a"),
        (
            "payload,send=0a,expect=0b0c,mask=ff00,from=any,to=loopback,interval=250ms,timeout=250ms",
            "53,probe=payload,send=0a,expect=0b0c,mask=ff00,from=any,to=loopback,interval=250ms,timeout=250ms",
        ),
        ("payload,send=0a,to=192.0.2.1", "53,probe=payload,send=0a,to=192.0.2.1"),
        ("payload,send=0a,to=2001:DB8:0::1", "53,probe=payload,send=0a,to=2001:db8::1"),
        ("stun,udp=3479", f"53,{STUN}"),
        ("radius,queue=fail", "53,probe=bound,queue=fail"),
    ],
)
def test_a_probe_becomes_the_sidecars_argument(text: str, argument: str) -> None:
    probe = read_probe(text)
    assert isinstance(probe, Probe)
    assert probe.argument(53) == argument


def test_without_a_probe_the_sidecars_own_defaults_stand() -> None:
    assert DEFAULT.argument(53) == "53"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", 'there is no preset ""'),
        ("dsn", 'there is no preset "dsn"'),
        ("DNS", 'there is no preset "DNS"'),
        ("dns,", 'there is no option ""'),
        ("bound,queues=off", 'there is no option "queues"'),
        ("bound,probe=none", 'there is no option "probe"'),
        ("stun,name=example.org", 'there is no option "name"'),
        ("bound,queue", 'queue has the value ""'),
        ("bound,queue=strict", 'queue has the value "strict"'),
        ("bound,queue=off,queue=off", "queue is given twice"),
        ("dns,type=A,type=A", "type is given twice"),
        ("bound,udp=0", 'udp has the value "0"'),
        ("bound,udp=65536", 'udp has the value "65536"'),
        ("bound,udp=٥", 'udp has the value "٥"'),
        ("bound,rise=0", 'rise has the value "0"'),
        ("bound,fall=101", 'fall has the value "101"'),
        ("bound,interval=1", 'interval has the value "1"'),
        ("bound,interval=49ms", 'interval has the value "49ms"'),
        ("bound,interval=301s", 'interval has the value "301s"'),
        ("bound,interval=1.5s", 'interval has the value "1.5s"'),
        ("bound,settle=5m", 'settle has the value "5m"'),
        ("dns,name=a..b", 'name has the value "a..b"'),
        (f"dns,name={'a' * 64}", f'name has the value "{"a" * 39}…"'),
        (f"dns,name={'a.' * 127}b", f'name has the value "{"a." * 19}a…"'),
        ("dns,type=ANY", 'type has the value "ANY"'),
        ("dns,rcode=0", 'rcode has the value "0"'),
        ("payload", "payload without send"),
        ("payload,expect=00", "payload without send"),
        ("payload,send=", 'send has the value ""'),
        ("payload,send=0", 'send has the value "0"'),
        ("payload,send=0x00", 'send has the value "0x00"'),
        ("payload,send=00,expect=00,mask=0000", "mask is not as long as expect"),
        ("payload,send=00,mask=00", "mask is not as long as expect"),
        ("payload,send=00,from=all", 'from has the value "all"'),
        ("payload,send=00,to=game", 'to has the value "game"'),
        ("payload,send=00,to=fe80::1%eth0", 'to has the value "fe80::1%eth0"'),
        ("payload,send=00,to=192.0.2.1/32", 'to has the value "192.0.2.1/32"'),
        ("payload,send=00,interval=200ms", "interval is too short for a payload"),
        ("payload,send=00,timeout=2s", "timeout is longer than interval"),
        ("payload,send=00,interval=500ms,timeout=501ms", "timeout is longer than interval"),
        ("payload,send=00,tcp=80", "tcp beside udp or a payload"),
        ("bound,tcp=80,udp=53", "tcp beside udp or a payload"),
        ("bound,send=00", "send beside bound, which sends nothing"),
        ("none,to=pod", "to beside none, which sends nothing"),
        ("syslog,expect=00", "expect beside the preset syslog"),
        ("syslog,from=any", "from beside syslog, which sends nothing"),
        ("dns,send=00", "send beside the preset dns"),
        ("payload,send=" + "00" * 1233, 'send has the value "' + "0" * 39 + '…"'),
        ("payload,send=" + "00" * 5000, "it is too long"),
    ],
)
def test_what_cannot_be_read_is_said_in_words(text: str, reason: str) -> None:
    refusal = read_probe(text)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert refusal.fix
    assert not refusal.secret


@pytest.mark.parametrize(
    "text",
    [
        "snmp,community=hunter2",
        "radius,secret=hunter2",
        "bound,password=hunter2",
        "sip,authToken=hunter2",
        "wireguard,private-key=hunter2",
        "secret=hunter2",
    ],
)
def test_a_secret_is_refused_and_repeated_nowhere(text: str) -> None:
    refusal = read_probe(text)
    assert isinstance(refusal, Refusal)
    assert refusal.secret
    decision = mutate(pod("53/UDP", annotations={"udplb/probe": text}), GAMES, (), CLUSTER)
    assert decision.reason == "malformed_annotation"
    assert "hunter2" not in repr((decision.findings, decision.edits))


@given(
    word=st.sampled_from([*KINDS, *PRESETS, "", "x"]),
    pairs=st.lists(
        st.tuples(
            st.sampled_from(
                ["queue", "udp", "tcp", "send", "expect", "mask", "to", "interval", "timeout", "x"]
            ),
            st.sampled_from(["", "1", "00", "off", "pod", "250ms", "1s", "53", "ff" * 40]),
        ).map("=".join),
        max_size=4,
    ),
)
def test_what_is_written_in_canonical_order_reads_as_itself(word: str, pairs: list[str]) -> None:
    probe = read_probe(",".join((word, *pairs)))
    if isinstance(probe, Probe):
        (_, kind), *rest = probe.keys
        again = read_probe(",".join((kind, *(f"{key}={value}" for key, value in rest))))
        assert again == probe


# In a pod


def args(*annotations: tuple[str, str], ports: str = "53,3478") -> list[str]:
    raw = pod(annotations={"udplb/ports": ports, **dict(annotations)})
    ((_, _, sidecar),) = sidecars(admitted(raw))
    return list(sidecar["args"])


def test_a_probe_is_for_every_port_and_that_of_a_port_wins() -> None:
    written = args(("udplb/probe", "bound,queue=fail"), ("udplb/probe.53", "none"))
    assert written == ["--port", "53,probe=none", "--port", "3478,probe=bound,queue=fail"]


def test_a_probe_of_a_port_that_is_not_planned_is_warned() -> None:
    raw = pod("53/UDP", annotations={"udplb/probe.5353": "dns"})
    decision = mutate(raw, GAMES, (), CLUSTER)
    assert codes(decision) == ["UDPLB923"]
    (finding,) = decision.findings
    assert finding.field == "metadata.annotations[udplb/probe.5353]"
    assert finding.reason == "the sidecar does not listen on TCP 5353"


@pytest.mark.parametrize(
    "key", ["udplb/probe.", "udplb/probe.dns", "udplb/probe.053", "udplb/probe.0", "udplb/probe.53,54"]
)
def test_a_probe_of_no_port_is_malformed(key: str) -> None:
    decision = mutate(pod("53/UDP", annotations={key: "dns"}), GAMES, (), CLUSTER)
    assert (decision.reason, codes(decision)) == ("malformed_annotation", ["UDPLB966"])


def test_a_malformed_probe_is_refused_where_a_person_writes_it() -> None:
    decision = mutate(pod("53/UDP", annotations={"udplb/probe": "dsn"}, owned=False), GAMES, (), CLUSTER)
    assert [(finding.code, finding.severity) for finding in decision.findings] == [
        ("UDPLB920", Severity.REJECT)
    ]
    assert str(decision.findings[0]) == (
        'UDPLB920 metadata.annotations[udplb/probe]: udplb cannot read the probe: there is no preset "dsn"; '
        "perhaps dns is meant. See docs/rules.md#udplb920"
    )


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("BOUND", "perhaps bound is meant"),
        ("Quic,intervall=1s", "perhaps quic is meant"),
        ("bound,intervall=1s", "perhaps interval is meant"),
        ("wrong", "write one of bound, none, payload, dns, stun,"),
        ("bound,,rise=2", "write one of queue, udp, tcp,"),
    ],
)
def test_an_unknown_word_is_answered_by_the_one_that_is_near_or_by_all(text: str, fix: str) -> None:
    refusal = read_probe(text)
    assert isinstance(refusal, Refusal)
    assert refusal.fix.startswith(fix)


def test_the_application_answers_on_the_port_that_gates() -> None:
    raw = pod(annotations={"udplb/probe": "bound,tcp=8080"})
    after = admitted(raw, [balancer("game", 5555, 8080)])
    assert status(after)["ports"] == {"5555": "service/game"}
    assert status(after)["skipped"] == {"8080": "tcp_port_in_use"}


@pytest.mark.parametrize(
    "annotations",
    [
        {"udplb/probe.53": "bound,tcp=53"},
        {"udplb/probe": "bound,tcp=53", "udplb/ports": "53"},
    ],
)
def test_no_port_is_gated_by_itself(annotations: dict[str, str]) -> None:
    decision = mutate(pod("53/UDP", annotations=annotations), GAMES, (), CLUSTER)
    assert decision.reason == "malformed_annotation"
    assert "tcp=53 gates port 53 by itself" in decision.findings[0].reason


def test_the_gate_of_a_port_with_its_own_probe_does_not_matter() -> None:
    assert args(("udplb/probe", "bound,tcp=53"), ("udplb/probe.53", "dns"))[0::2] == ["--port", "--port"]


def test_thousands_of_forged_probes_earn_one_refusal() -> None:
    forged = {f"udplb/probe.{number}": "x" for number in range(1, 5000)}
    (finding,) = mutate(pod("53/UDP", annotations=forged), GAMES, (), CLUSTER).findings
    assert "there are too many" in finding.reason


def test_another_probe_changes_the_hash_and_another_spelling_does_not() -> None:
    def hash_of(text: str) -> str:
        return str(status(admitted(pod("53/UDP", annotations={"udplb/probe": text})))["hash"])

    assert hash_of("bound,queue=off,rise=2") == hash_of(" bound,rise=02,queue=off")
    assert hash_of("bound") != hash_of("none")
