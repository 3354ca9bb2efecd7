"""Which UDP sockets make a port green, and how soon."""

from __future__ import annotations

import socket

import pytest

from tests.sidecar.pod import IPV4, IPV6, QUICK, Pod, Process, until

pytestmark = pytest.mark.sidecar

REUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
ONLY_V6 = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
WITNESS = 7777  # a port that changes its colour to show that the others have been sampled


def samples_pass(pod: Pod) -> None:
    """Returns when the sidecar has sampled all its ports at least twice more."""
    with pod.udp(WITNESS):
        until(lambda: pod.is_open(WITNESS), "the witness green")
    until(lambda: not pod.is_open(WITNESS), "the witness red")


def states(sidecar: Process, port: int) -> list[str]:
    """The colours that the port has had."""
    return [line.split()[1] for line in sidecar.log().splitlines() if line.startswith(f"{port} ")]


def test_a_red_port_refuses_tcp(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    sidecar.says("5555 red UDP 5555 is not bound on the wildcard or an address of the pod")
    assert not pod.is_open(5555)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", IPV4, IPV6])
def test_a_socket_on_a_wildcard_or_pod_address_turns_the_port_green(pod: Pod, address: str) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555, address):
        until(lambda: pod.is_open(5555), "green")
        sidecar.says("5555 green UDP 5555 is bound")
        assert pod.run("--once", "--port", "5555").code == 0


def test_a_socket_for_ipv6_alone_turns_the_port_green(pod: Pod) -> None:
    pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555, "::", ONLY_V6):
        until(lambda: pod.is_open(5555), "green")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_socket_on_loopback_leaves_the_port_red(pod: Pod, address: str) -> None:
    with pod.udp(5555, address):
        once = pod.run("--once", "--port", "5555")
        sidecar = pod.sidecar(f"5555,{QUICK}")
        sidecar.says("5555 red UDP 5555 is ")
        assert not pod.is_open(5555)
    assert once.code == 1
    assert once.out.startswith("5555 red ")


def test_a_loopback_socket_is_named_in_the_reason(pod: Pod) -> None:
    with pod.udp(5555, "127.0.0.1"):
        assert pod.run("--once", "--port", "5555").out == (
            "5555 red UDP 5555 is bound on loopback only; let the application bind 0.0.0.0, :: or the pod's address\n"
        )


@pytest.mark.parametrize("address", ["0.0.0.0", IPV4])
def test_a_connected_socket_alone_leaves_the_port_red(pod: Pod, address: str) -> None:
    with pod.udp(5555, address) as connected:
        connected.connect((IPV4, 9))
        assert pod.run("--once", "--port", "5555").out.startswith("5555 red UDP 5555 is not bound")


def test_an_address_that_the_pod_gets_later_counts(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    sidecar.says("5555 red")
    pod.ask("add_address", "10.4.0.6")
    with pod.udp(5555, "10.4.0.6"):
        until(lambda: pod.is_open(5555), "green")


def test_closing_the_udp_socket_turns_the_port_red_within_a_second_and_the_interval(pod: Pod) -> None:
    pod.sidecar("5555")
    application = pod.udp(5555)
    assert until(lambda: pod.is_open(5555), "green") <= 0.5 + 1 + 1
    application.close()
    assert until(lambda: not pod.is_open(5555), "red") <= 1 + 1
    with pod.udp(5555):
        assert until(lambda: pod.is_open(5555), "green again") <= 0.5 + 1 + 1


def test_each_port_of_many_follows_its_own_socket(pod: Pod) -> None:
    ports = range(5500, 5564)
    sidecar = pod.sidecar(*(f"{port},{QUICK}" for port in ports))
    applications = {port: pod.udp(port) for port in ports if port % 3}
    until(lambda: sidecar.log().count(" green ") == len(applications), "green")
    assert {port for port in ports if pod.is_open(port)} == set(applications)
    applications.pop(5501).close()
    until(lambda: {port for port in ports if pod.is_open(port)} == set(applications), "one of them red")
    for application in applications.values():
        application.close()


def test_another_udp_port_can_gate_a_tcp_port(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,udp=2457,{QUICK}")
    with pod.udp(5555):
        sidecar.says("5555 red UDP 2457 is not bound")
        with pod.udp(2457):
            until(lambda: pod.is_open(5555), "green")


def test_a_port_without_a_probe_is_green_without_udp(pod: Pod) -> None:
    pod.sidecar(f"5555,probe=none,{QUICK}")
    until(lambda: pod.is_open(5555), "green")
    assert pod.run("--once", "--port", "5555,probe=none").out == "5555 green nothing is probed\n"


def test_a_port_opens_only_after_the_settle_time(pod: Pod) -> None:
    sidecar = pod.sidecar("5555,interval=50ms,settle=400ms")
    sidecar.says("5555 red")
    with pod.udp(5555):
        assert until(lambda: pod.is_open(5555), "green") >= 0.4


def test_settling_does_not_wait_for_the_next_interval(pod: Pod) -> None:
    with pod.udp(5555):
        pod.sidecar("5555,interval=300s,settle=200ms")
        assert until(lambda: pod.is_open(5555), "green") < 1.2


def test_a_socket_that_was_replaced_settles_anew(pod: Pod) -> None:
    sidecar = pod.sidecar("5555,interval=50ms,settle=600ms", f"{WITNESS},{QUICK}")
    application = pod.udp(5555)
    for _ in range(4):  # an application that crashes in a loop is never there long enough
        samples_pass(pod)
        application.close()
        application = pod.udp(5555)
    assert "5555 green" not in sidecar.log()
    assert until(lambda: pod.is_open(5555), "green") >= 0.5
    application.close()


def test_a_green_port_stays_green_when_its_socket_is_replaced_between_two_samples(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", f"{WITNESS},{QUICK}")
    sidecar.says("5555 red")
    old = pod.udp(5555, "0.0.0.0", REUSE)
    until(lambda: pod.is_open(5555), "green")
    with pod.udp(5555, "0.0.0.0", REUSE):
        old.close()
        samples_pass(pod)
        assert states(sidecar, 5555) == ["red", "green"]


def test_rise_and_fall_count_samples(pod: Pod) -> None:
    pod.sidecar("5555,interval=200ms,settle=50ms,rise=3,fall=3")
    application = pod.udp(5555)
    assert until(lambda: pod.is_open(5555), "green") >= 0.35
    application.close()
    assert until(lambda: not pod.is_open(5555), "red") >= 0.35


@pytest.mark.parametrize("size", [2, 4, 16])
def test_one_member_of_a_group_keeps_the_port_green(pod: Pod, size: int) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", f"{WITNESS},{QUICK}")
    group = [pod.udp(5555, "0.0.0.0", REUSE) for _ in range(size)]
    until(lambda: pod.is_open(5555), "green")
    for member in group[1:]:
        member.close()
    samples_pass(pod)
    assert states(sidecar, 5555)[-1] == "green"
    group[0].close()
    until(lambda: not pod.is_open(5555), "red")
