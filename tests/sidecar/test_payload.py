"""`probe=payload`: a question to the application and its reply."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.sidecar.pod import IPV4, IPV6, PROGRAM, Pod, until

pytestmark = pytest.mark.sidecar

INTERVAL_SECONDS = 0.25
ASKING = "5555,probe=payload,interval=250ms,settle=50ms,send=70696e67"  # "ping", as often as it is allowed
REUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
ECHO_SCRIPT = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5555))
while True:
    datagram, client = s.recvfrom(2048)
    s.sendto(datagram, client)
"""

Reply = Callable[[bytes], Sequence[bytes]]


def echo(datagram: bytes) -> Sequence[bytes]:
    return [datagram]


@contextlib.contextmanager
def serving(
    application: socket.socket,
    reply: Reply,
    heard: list[bytes] | None = None,
    out: socket.socket | None = None,
) -> Iterator[list[bytes]]:
    """Replies, from another socket if there is one, until the block ends; yields the datagrams that came."""
    heard = [] if heard is None else heard
    ended = threading.Event()
    application.settimeout(0.02)

    def serve() -> None:
        while not ended.is_set():
            try:
                datagram, client = application.recvfrom(2048)
            except (TimeoutError, ConnectionRefusedError):
                continue
            heard.append(datagram)
            for answer in reply(datagram):
                (out or application).sendto(answer, client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield heard
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("address", ["0.0.0.0", "::", IPV4, IPV6])
def test_a_reply_turns_the_port_green(pod: Pod, address: str) -> None:
    sidecar = pod.sidecar(ASKING)
    with pod.udp(5555, address) as application, serving(application, echo):
        sidecar.says("5555 green UDP 5555 answers")
        assert pod.is_open(5555)


def test_the_bytes_of_the_question_arrive_as_given(pod: Pod) -> None:
    question = bytes(range(256)) * 4 + bytes(208)
    with pod.udp(5555) as application, serving(application, echo) as heard:
        once = pod.run("--once", "--port", f"5555,probe=payload,send={question.hex()}")
    assert once.out == "5555 green UDP 5555 answers\n"
    assert heard == [question]


def test_an_application_that_does_not_reply_is_red(pod: Pod) -> None:
    sidecar = pod.sidecar(ASKING)
    with pod.udp(5555) as application, serving(application, lambda _: []):
        sidecar.says("5555 red UDP 5555 is bound, but does not reply in time")
        assert not pod.is_open(5555)


@pytest.mark.parametrize(
    ("keys", "reply", "green"),
    [
        ("expect=706f", b"pong", True),
        ("expect=706f", b"po", True),
        ("expect=706f", b"p", False),
        ("expect=706f", b"qo", False),
        ("expect=41,mask=f7", b"I", True),
        ("expect=41,mask=f7", b"B", False),
    ],
)
def test_the_reply_must_begin_with_what_is_expected(pod: Pod, keys: str, reply: bytes, green: bool) -> None:
    with pod.udp(5555) as application, serving(application, lambda _: [reply]):
        once = pod.run("--once", "--port", f"5555,probe=payload,send=00,timeout=100ms,{keys}")
    if green:
        assert (once.code, once.out) == (0, "5555 green UDP 5555 answers\n")
    else:
        assert (once.code, once.out) == (1, "5555 red UDP 5555 replies, but not with what expect= asks for\n")


def test_a_wrong_datagram_before_the_right_one_does_no_harm(pod: Pod) -> None:
    with pod.udp(5555) as application, serving(application, lambda _: [b"news", b"pong"]):
        once = pod.run("--once", "--port", "5555,probe=payload,send=00,expect=706f")
    assert once.code == 0


def test_an_empty_reply_is_a_reply(pod: Pod) -> None:
    with pod.udp(5555) as application, serving(application, lambda _: [b""]):
        assert pod.run("--once", "--port", "5555,probe=payload,send=00").code == 0


def test_two_lost_replies_in_a_row_do_no_harm(pod: Pod) -> None:
    sidecar = pod.sidecar(f"{ASKING},timeout=50ms")
    with pod.udp(5555) as application:
        heard: list[bytes] = []

        def third(datagram: bytes) -> Sequence[bytes]:
            return [datagram] if len(heard) % 3 == 1 else []

        with serving(application, third, heard):
            until(lambda: pod.is_open(5555), "green")
            asked = len(heard)
            until(lambda: len(heard) >= asked + 7, "more questions")
            assert pod.is_open(5555)
    assert sidecar.log().count(" green ") == 1


def test_three_lost_replies_in_a_row_turn_the_port_red(pod: Pod) -> None:
    pod.sidecar(f"{ASKING},timeout=50ms")
    muted = threading.Event()
    lost: list[bytes] = []

    def until_muted(datagram: bytes) -> Sequence[bytes]:
        if muted.is_set():
            lost.append(datagram)
            return []
        return [datagram]

    with pod.udp(5555) as application, serving(application, until_muted):
        until(lambda: pod.is_open(5555), "green")
        muted.set()
        assert until(lambda: not pod.is_open(5555), "red") <= 3 * INTERVAL_SECONDS + 1
        assert len(lost) >= 3


def test_replies_in_plenty_do_not_outlive_the_application(pod: Pod) -> None:
    pod.sidecar(f"{ASKING},timeout=50ms")
    muted = threading.Event()
    lost: list[bytes] = []

    def in_plenty_until_muted(datagram: bytes) -> Sequence[bytes]:
        if muted.is_set():
            lost.append(datagram)
            return []
        return [datagram] * 300

    with pod.udp(5555) as application, serving(application, in_plenty_until_muted):
        until(lambda: pod.is_open(5555), "green")
        muted.set()
        until(lambda: not pod.is_open(5555), "red")
        assert len(lost) <= 4  # one of them may have been on its way


def test_a_sidecar_without_stdio_sends_no_log_lines_to_the_application(pod: Pod) -> None:
    """Without netlink the third socket, which would take the place of stderr, is that of the second probe."""
    other = ASKING.replace("5555", "5556")
    command = f"exec {PROGRAM} --port {other} --port {ASKING} <&- >&- 2>&-"
    pod.spawn(["sh", "-c", command], denials=["netlink"])
    with pod.udp(5555) as application, serving(application, echo) as heard:
        until(lambda: pod.is_open(5555), "green")
        asked = len(heard)
        until(lambda: len(heard) >= asked + 2, "more questions")
    assert set(heard) == {b"ping"}


def test_fall_can_be_set_under_payload_too(pod: Pod) -> None:
    pod.sidecar(f"{ASKING},timeout=50ms,fall=1")
    with pod.udp(5555) as application:
        with serving(application, echo):
            until(lambda: pod.is_open(5555), "green")
        assert until(lambda: not pod.is_open(5555), "red") <= 2 * INTERVAL_SECONDS


def test_a_missing_socket_is_red_at_the_next_sample(pod: Pod) -> None:
    pod.sidecar("5555,probe=payload,interval=1s,settle=50ms,fall=100,send=00")
    with pod.udp(5555) as application, serving(application, echo):
        until(lambda: pod.is_open(5555), "green")
    assert until(lambda: not pod.is_open(5555), "red") <= 1 + 1


def test_a_reply_after_lost_ones_opens_the_port_without_settling_anew(pod: Pod) -> None:
    sidecar = pod.sidecar("5555,probe=payload,interval=250ms,settle=2s,timeout=50ms,fall=1,send=00")
    with pod.udp(5555) as application:
        with serving(application, echo):
            until(lambda: pod.is_open(5555), "green")
        until(lambda: not pod.is_open(5555), "red")
        assert "5555 red UDP 5555 is bound, but does not reply" in sidecar.log()
        with serving(application, echo):
            assert until(lambda: pod.is_open(5555), "green again") < 1


def test_rise_counts_replies(pod: Pod) -> None:
    pod.sidecar(f"{ASKING},rise=4")
    with pod.udp(5555) as application, serving(application, echo):
        assert until(lambda: pod.is_open(5555), "green") >= 2.5 * INTERVAL_SECONDS


def test_a_stopped_process_turns_red_and_a_continued_one_green(pod: Pod) -> None:
    sidecar = pod.sidecar(f"{ASKING},timeout=100ms")
    application = pod.spawn(["python3", "-ISc", ECHO_SCRIPT])
    sidecar.says("5555 green UDP 5555 answers")
    application.signal(signal.SIGSTOP)
    assert until(lambda: not pod.is_open(5555), "red") <= 3 * INTERVAL_SECONDS + 1
    sidecar.says("5555 red UDP 5555 is bound, but does not reply in time")
    application.signal(signal.SIGCONT)
    until(lambda: pod.is_open(5555), "green again")


def test_a_reply_from_another_port_counts_only_where_that_is_asked_for(pod: Pod) -> None:
    question = "5555,probe=payload,send=00,timeout=100ms"
    with pod.udp(5555) as application, pod.udp(5556) as other, serving(application, echo, out=other):
        strict = pod.run("--once", "--port", question)
        lenient = pod.run("--once", "--port", f"{question},from=any")
    assert strict.out.startswith("5555 red UDP 5555 is bound, but does not reply in time")
    assert lenient.out == "5555 green UDP 5555 answers\n"


def test_from_any_still_turns_red_when_nobody_replies(pod: Pod) -> None:
    pod.sidecar(f"{ASKING},from=any,timeout=50ms")
    with pod.udp(5555) as application:
        with serving(application, echo):
            until(lambda: pod.is_open(5555), "green")
        until(lambda: not pod.is_open(5555), "red")


@pytest.mark.parametrize(
    ("to", "bind", "asked_from"),
    [
        ("pod", "0.0.0.0", IPV4),
        ("pod", "::", f"::ffff:{IPV4}"),
        ("pod", IPV6, IPV6),
        ("loopback", "0.0.0.0", "127.0.0.1"),
        ("loopback", "::", "::ffff:127.0.0.1"),
        (IPV4, "0.0.0.0", IPV4),
        (IPV6, "::", IPV6),
        ("127.0.0.1", "0.0.0.0", "127.0.0.1"),
    ],
)
def test_the_question_goes_where_it_is_told(pod: Pod, to: str, bind: str, asked_from: str) -> None:
    with pod.udp(5555, bind) as application:
        sidecar = pod.sidecar(f"{ASKING},to={to}")
        application.settimeout(5)
        datagram, client = application.recvfrom(100)
        assert (datagram, client[0]) == (b"ping", asked_from)
        application.sendto(b"pong", client)
        sidecar.says("5555 green UDP 5555 answers")


def test_loopback_is_asked_by_ipv6_where_the_socket_has_no_ipv4(pod: Pod) -> None:
    only_v6 = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    with pod.udp(5555, "::", only_v6) as application, serving(application, echo):
        assert pod.run("--once", "--port", "5555,probe=payload,send=00,to=loopback").code == 0


def test_an_address_that_is_not_the_pods_is_red_and_nothing_is_sent_to_it(pod: Pod) -> None:
    """Even where bind() would take it."""
    pod.set_sysctl("net.ipv4.ip_nonlocal_bind", 1)
    sidecar = pod.sidecar(f"{ASKING},to=10.9.9.9")
    with pod.udp(5555) as application, serving(application, echo) as heard:
        sidecar.says("5555 red the address in to= is not one of this pod's: nothing is sent to it")
        assert not heard


def test_an_address_where_the_application_is_not_bound_is_red(pod: Pod) -> None:
    with pod.udp(5555, IPV4) as application, serving(application, echo):
        once = pod.run("--once", "--port", "5555,probe=payload,send=00,to=loopback")
    assert once.out == "5555 red UDP 5555 is bound, but refuses at the address where it is asked; see to=\n"


def test_one_question_an_interval(pod: Pod) -> None:
    pod.sidecar(ASKING)
    with pod.udp(5555) as application, serving(application, echo) as heard:
        took = until(lambda: len(heard) >= 8, "eight questions")
    assert took >= 6 * INTERVAL_SECONDS


def test_a_deaf_member_of_a_group_does_not_turn_the_port_red(pod: Pod) -> None:
    """A question that is lost is asked again from another source port, where another member answers."""
    sidecar = pod.sidecar(f"{ASKING},timeout=50ms,fall=20")
    with (
        pod.udp(5555, "0.0.0.0", REUSE),
        pod.udp(5555, "0.0.0.0", REUSE) as reader,
        serving(reader, echo) as heard,
    ):
        until(lambda: pod.is_open(5555), "green")
        asked = len(heard)
        until(lambda: len(heard) >= asked + 4, "more questions")
        assert sidecar.log().count(" red UDP 5555 is bound, but") <= 1
        assert pod.is_open(5555)


def test_payload_works_without_sock_diag(pod: Pod) -> None:
    sidecar = pod.sidecar(ASKING, denials=["netlink"])
    with pod.udp(5555) as application, serving(application, echo):
        sidecar.says("5555 green UDP 5555 answers")


def test_payload_works_in_a_kernel_without_ipv6(pod: Pod) -> None:
    sidecar = pod.sidecar(ASKING, denials=["ipv6"])
    with pod.udp(5555) as application, serving(application, echo):
        sidecar.says("5555 green UDP 5555 answers")


def test_ports_keep_their_colour_while_no_descriptor_is_left(pod: Pod) -> None:
    """The probe's socket is kept, so that nobody can take its place."""
    sidecar = pod.sidecar(ASKING, "5556,interval=50ms,settle=50ms", descriptors=24)
    with contextlib.ExitStack() as stack:
        application = stack.enter_context(pod.udp(5555))
        heard = stack.enter_context(serving(application, echo))
        stack.enter_context(pod.udp(5556))
        until(lambda: pod.is_open(5555) and pod.is_open(5556), "green")
        for _ in range(60):
            stack.enter_context(pod.connect(5556))
        asked = len(heard)
        until(lambda: len(heard) >= asked + 4, "more questions")
        assert sidecar.log().count(" green ") == 2
        assert " red UDP 5555 is bound" not in sidecar.log()


def test_a_drained_sidecar_asks_no_more(pod: Pod) -> None:
    pod.sidecar(ASKING, "5556,interval=50ms,settle=50ms")
    with pod.udp(5555) as application, serving(application, echo) as heard:
        until(lambda: pod.is_open(5555), "green")
        assert pod.run("--drain").code == 0
        asked = len(heard)
        with pod.udp(0, IPV4) as clock:  # two intervals, told by the kernel
            clock.settimeout(2 * INTERVAL_SECONDS)
            with pytest.raises(TimeoutError):
                clock.recv(1)
        assert len(heard) <= asked + 1
