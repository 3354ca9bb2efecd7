"""`tcp=NUMBER`: a TCP listener of the application decides instead of a UDP socket."""

from __future__ import annotations

import pytest

from tests.sidecar.pod import IPV4, IPV6, QUICK, Pod, until

pytestmark = pytest.mark.sidecar

GATED = f"5555,tcp=8080,{QUICK}"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", IPV4, IPV6])
def test_the_port_is_green_while_the_listener_is_there(pod: Pod, address: str) -> None:
    sidecar = pod.sidecar(GATED)
    sidecar.says("5555 red TCP 8080 is not bound on the wildcard or an address of the pod")
    with pod.tcp(8080, address):
        sidecar.says("5555 green TCP 8080 is bound")
        assert pod.is_open(5555)
    until(lambda: not pod.is_open(5555), "red")


def test_a_udp_socket_of_either_number_is_not_enough(pod: Pod) -> None:
    with pod.udp(5555), pod.udp(8080):
        assert pod.run("--once", "--port", GATED).out.startswith("5555 red TCP 8080 is not bound")


def test_a_listener_on_loopback_is_red(pod: Pod) -> None:
    with pod.tcp(8080, "127.0.0.1"):
        once = pod.run("--once", "--port", GATED)
    assert once.out.startswith("5555 red TCP 8080 is bound on loopback only")


def test_our_own_listeners_do_not_count(pod: Pod) -> None:
    sidecar = pod.sidecar(f"8080,{QUICK}", GATED, f"5556,{QUICK}")
    with pod.udp(8080), pod.udp(5556):
        until(lambda: pod.is_open(8080) and pod.is_open(5556), "green")
        assert not pod.is_open(5555)
        assert "5555 green" not in sidecar.log()


def test_settle_holds_for_a_listener_too(pod: Pod) -> None:
    pod.sidecar("5555,tcp=8080,interval=50ms,settle=400ms")
    with pod.tcp(8080):
        assert until(lambda: pod.is_open(5555), "green") >= 0.3


def test_without_sock_diag_the_port_is_red_and_says_so(pod: Pod) -> None:
    sidecar = pod.sidecar(GATED, f"5556,{QUICK}", denials=["netlink"])
    with pod.tcp(8080), pod.udp(5556):
        sidecar.says("5555 red TCP 8080 cannot be seen: sock_diag does not answer; trying on")
        until(lambda: pod.is_open(5556), "green")
        assert not pod.is_open(5555)
