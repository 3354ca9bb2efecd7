"""Crowds: of sockets in the pod, of checks, of clients that mean no good."""

from __future__ import annotations

import random
import socket
import sys
import time

import pytest

from tests.sidecar.bench import CROWD, CROWD_SCRIPT, connect_often
from tests.sidecar.pod import QUICK, Pod, until

pytestmark = pytest.mark.sidecar

REUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def test_ten_thousand_sockets_cost_next_to_nothing(pod: Pod) -> None:
    """1 % of a core at an interval of 1 s is 20 % at 50 ms; reading the table of sockets would take all of it."""
    pod.spawn([sys.executable, "-ISc", CROWD_SCRIPT, str(CROWD)]).says("bound")
    sidecar = pod.sidecar(*(f"{port},{QUICK}" for port in range(5550, 5554)))
    with pod.udp(5550):
        until(lambda: pod.is_open(5550), "green")
        before, begin = sidecar.cpu_nanoseconds(), time.monotonic()
        until(lambda: time.monotonic() - begin > 1, "a second")
        assert sidecar.cpu_nanoseconds() - before < 0.2 * (time.monotonic() - begin) * 1e9
    until(lambda: not pod.is_open(5550), "red")


def test_workers_that_are_recycled_one_by_one_keep_the_port_green(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", f"7777,{QUICK}")
    workers = [pod.udp(5555, "0.0.0.0", REUSE) for _ in range(8)]
    until(lambda: pod.is_open(5555), "green")
    for _ in range(3):
        for i in range(len(workers)):
            new = pod.udp(5555, "0.0.0.0", REUSE)
            workers[i].close()
            workers[i] = new
        with pod.udp(7777):  # its colour shows that 5555 was sampled too
            until(lambda: pod.is_open(7777), "the witness green")
        until(lambda: not pod.is_open(7777), "the witness red")
    assert sidecar.log().count("5555 green") == 1
    assert sidecar.log().count("5555 red") <= 1
    for worker in workers:
        worker.close()
    until(lambda: not pod.is_open(5555), "red")


def test_a_flood_of_checks_is_never_refused(pod: Pod) -> None:
    pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")
        assert connect_often(pod, [5555], 5000) == 0


def test_junk_is_read_and_forgotten(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    dice = random.Random(1)
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")
        for _ in range(200):
            with pod.connect(5555) as client:
                client.sendall(dice.randbytes(dice.randrange(1, 3000)))
        assert "200 OK" in pod.request(5555)
        assert sidecar.log().count("\n") <= 2
