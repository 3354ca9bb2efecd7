"""Signals, drain, and what works where the kernel tells less."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.sidecar.pod import IPV4, IPV6, PROGRAM, QUICK, Pod, until

pytestmark = pytest.mark.sidecar


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_turns_every_port_red_and_ends_the_sidecar_within_a_second(
    pod: Pod, number: signal.Signals
) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", f"5556,{QUICK}")
    with pod.udp(5555), pod.udp(5556):
        until(lambda: pod.is_open(5555) and pod.is_open(5556), "green")
        begin = time.monotonic()
        sidecar.signal(number)
        assert sidecar.wait() == 0
        assert time.monotonic() - begin < 1
        assert not pod.is_open(5555)
        assert "5555 red stopping\n5556 red stopping\n" in sidecar.log()
        pod.tcp(5555).close()


def test_drain_returns_once_every_port_refuses(pod: Pod) -> None:
    ports = range(5500, 5516)
    sidecar = pod.sidecar(*(f"{port},{QUICK}" for port in ports))
    applications = [pod.udp(port) for port in ports]
    until(lambda: sidecar.log().count(" green ") == len(ports), "green")
    begin = time.monotonic()
    drained = pod.run("--drain")
    assert time.monotonic() - begin < 1
    assert (drained.code, drained.out, drained.err) == (0, "", "")
    assert not any(pod.is_open(port) for port in ports)
    for application in applications:
        application.close()


def test_a_drained_sidecar_stays_red_and_alive_until_sigterm(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")
        assert pod.run("--drain").code == 0
        sidecar.says("5555 red draining")
        assert pod.run("--drain").code == 0
    with pod.udp(5555):
        assert pod.run("--once", "--port", "5555").code == 0
        assert not pod.is_open(5555)
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 0


def test_drain_without_a_sidecar_is_one_line_and_not_0(pod: Pod) -> None:
    drained = pod.run("--drain")
    assert drained.code == 1
    assert drained.err == "udp-healthcheck: --drain: no sidecar runs in this container\n"


def test_a_second_sidecar_takes_the_name_for_drains_over(pod: Pod) -> None:
    first = pod.sidecar(f"5555,{QUICK}")
    first.says("5555 red")
    pod.sidecar("6666,interval=300s").says("6666 red")
    first.signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    until(lambda: pod.run("--drain").code == 0, "drained", seconds=8)


@pytest.mark.skipif(os.geteuid() != 0, reason="a user namespace of an ordinary user holds no second user")
def test_a_peer_of_another_user_drains_nothing(pod: Pod) -> None:
    pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")
        drained = pod.execute("setpriv", "--reuid=64646", "--clear-groups", str(PROGRAM), "--drain")
        assert drained.code == 1
        assert drained.err == "udp-healthcheck: --drain: the sidecar runs as another user\n"
        assert pod.is_open(5555)


@pytest.mark.shipped  # a root without libraries takes the static program alone
def test_two_containers_of_one_pod_do_not_drain_each_other(pod: Pod, tmp_path: Path) -> None:
    other = tmp_path / "container"
    other.mkdir()
    shutil.copy(PROGRAM, other / "program")
    inside = ["chroot", str(other), "/program"]
    pod.sidecar(f"5555,{QUICK}")
    pod.execute("sh", "-c", f"timeout 20 {' '.join(inside)} --port 6666,{QUICK} >/dev/null 2>&1 &")
    with pod.udp(5555), pod.udp(6666):
        until(lambda: pod.is_open(5555) and pod.is_open(6666), "green")
        assert pod.execute(*inside, "--drain").code == 0
        assert (pod.is_open(5555), pod.is_open(6666)) == (True, False)
        assert pod.run("--drain").code == 0
        assert not pod.is_open(5555)


def test_drain_gives_a_sidecar_up_that_hears_nobody(pod: Pod) -> None:
    """Also those that find its backlog full."""
    sidecar = pod.sidecar(f"5555,{QUICK}")
    sidecar.says("5555 red")
    sidecar.signal(signal.SIGSTOP)
    drains = [pod.spawn([str(PROGRAM), "--drain"]) for _ in range(12)]
    assert {drain.wait(8) for drain in drains} == {1}
    assert drains[-1].log() == "udp-healthcheck: --drain: the sidecar does not answer\n"


def test_a_drain_that_finds_no_descriptor_does_not_keep_the_sidecar_busy(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", descriptors=7)
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")
        before, begin = sidecar.cpu_nanoseconds(), time.monotonic()
        pod.run("--drain")
        assert sidecar.cpu_nanoseconds() - before < 0.1 * (time.monotonic() - begin) * 1e9


def test_once_prints_a_line_a_port_in_the_order_given(pod: Pod) -> None:
    with pod.udp(5555), pod.udp(5557, "::"):
        once = pod.run("--once", "--port", "5557", "--port", "5556", "--port", "5555")
    assert once.out == (
        "5557 green UDP 5557 is bound\n"
        "5556 red UDP 5556 is not bound on the wildcard or an address of the pod\n"
        "5555 green UDP 5555 is bound\n"
    )
    assert once.code == 1


def test_once_works_beside_a_running_sidecar(pod: Pod) -> None:
    pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")
        assert pod.run("--port", "5555", "--once").code == 0
        assert pod.is_open(5555)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", IPV4, IPV6])
def test_without_sock_diag_the_tables_of_proc_decide(pod: Pod, address: str) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", denials=["netlink"])
    sidecar.says("5555 red UDP 5555 is not bound")
    with pod.udp(5555, address):
        until(lambda: pod.is_open(5555), "green")
    until(lambda: not pod.is_open(5555), "red")


def test_without_sock_diag_loopback_is_still_told_apart(pod: Pod) -> None:
    with pod.udp(5555, "127.0.0.1"):
        sidecar = pod.sidecar(f"5555,{QUICK}", denials=["netlink"])
        sidecar.says("5555 red UDP 5555 is bound on loopback only")


@pytest.mark.shipped  # sanitizers open files
def test_a_sidecar_that_sees_no_sockets_at_all_is_red_alive_and_says_so(pod: Pod) -> None:
    with pod.udp(5555):
        sidecar = pod.sidecar(f"5555,{QUICK}", denials=["netlink", "files"])
        sidecar.says(
            "5555 red sockets cannot be seen: neither sock_diag nor /proc/net/udp answers; trying on"
        )
        assert not pod.is_open(5555)
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 0


@pytest.mark.shipped
def test_what_could_not_be_seen_is_looked_for_every_5_seconds_whatever_the_interval(pod: Pod) -> None:
    sidecar = pod.sidecar("5555,interval=300s", denials=["netlink", "files"])
    sidecar.says("5555 red sockets cannot be seen")
    waits = sidecar.waits()
    assert until(lambda: sidecar.waits() > waits, "another look", seconds=8) <= 5.5
