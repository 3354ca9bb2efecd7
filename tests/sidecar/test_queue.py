"""An application that no longer reads its UDP socket."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

import pytest

from tests.sidecar.pod import IPV4, QUICK, Pod, until

pytestmark = pytest.mark.sidecar

REUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
UNREAD = "UDP 5555 is bound, but the application does not read it: datagrams wait or are dropped"
INTERVALS_15 = 15 * 0.05


GROUP = 64
LARGE_GROUPS_SCRIPT = """
import resource, socket, sys, time
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
address, size, deaf, *ports = sys.argv[1], *map(int, sys.argv[2:])
groups, readers = [], []

def has_some(member):
    try:
        return member.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False

for port in [deaf, *ports]:
    members = []
    for _ in range(size):
        members.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        members[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        members[-1].bind(("0.0.0.0", port))
        members[-1].setblocking(False)
    readers += [members[port % size]] if port != deaf else []
    groups.append(members)
    while not all(map(has_some, members)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"anybody there?", (address, port))
print("all have some", flush=True)
while True:
    for reader in readers:
        while has_some(reader):
            reader.recv(100)
    time.sleep(0.01)
"""


def send(pod: Pod, count: int) -> None:
    """Datagrams from as many clients."""
    for _ in range(count):
        with pod.udp(0, IPV4) as client:
            client.sendto(b"anybody there?", (IPV4, 5555))


def read_all(application: socket.socket) -> None:
    application.setblocking(False)
    try:
        while application.recv(2048):
            pass
    except BlockingIOError:
        return


@pytest.mark.parametrize("denials", [(), ("netlink",)], ids=["sock_diag", "proc"])
def test_an_unread_queue_is_warned_within_15_intervals_and_the_port_stays_green(
    pod: Pod, denials: Sequence[str]
) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", denials=denials)
    with pod.udp(5555) as application:
        until(lambda: pod.is_open(5555), "green")
        send(pod, 1)
        assert until(lambda: f"5555 green {UNREAD}\n" in sidecar.log(), "warned") <= INTERVALS_15 + 0.1
        assert UNREAD in pod.request(5555)
        read_all(application)
        until(lambda: sidecar.log().endswith("5555 green UDP 5555 is bound\n"), "all is well again")


def test_an_unread_queue_turns_the_port_red_where_that_is_asked_for(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,queue=fail,{QUICK}")
    with pod.udp(5555) as application:
        until(lambda: pod.is_open(5555), "green")
        send(pod, 1)
        assert until(lambda: not pod.is_open(5555), "red") <= INTERVALS_15 + 0.1
        sidecar.says(f"5555 red {UNREAD}")
        read_all(application)
        until(lambda: pod.is_open(5555), "green again")


def test_dropped_datagrams_alone_are_a_sign(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555, "0.0.0.0", (socket.SOL_SOCKET, socket.SO_RCVBUF, 1)):
        until(lambda: pod.is_open(5555), "green")

        def drops_are_warned() -> bool:
            send(pod, 20)
            return UNREAD in sidecar.log()

        until(drops_are_warned, "warned")


def test_one_reading_member_of_a_group_is_enough(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,queue=fail,{QUICK}")
    with pod.udp(5555, "0.0.0.0", REUSE) as reader, pod.udp(5555, "0.0.0.0", REUSE):
        until(lambda: pod.is_open(5555), "green")
        send(pod, 40)  # both get some
        read_all(reader)
        sidecar.says(f"5555 green {UNREAD}")
        assert pod.is_open(5555)
        reader.close()
        until(lambda: not pod.is_open(5555), "red without the reader")


def test_the_one_reading_member_of_64_is_found(pod: Pod) -> None:
    """In each of 16 groups; that all members of another are found deaf shows that there was time for it."""
    ports = [str(port) for port in range(6001, 6017)]
    application = pod.spawn([sys.executable, "-ISc", LARGE_GROUPS_SCRIPT, IPV4, str(GROUP), "6000", *ports])
    application.says("all have some")
    sidecar = pod.sidecar(*(f"{port},queue=fail,{QUICK}" for port in ["6000", *ports]))
    sidecar.says("6000 red UDP 6000 is bound, but the application does not read it")
    assert sidecar.log().count(" red ") == 1


def test_a_queue_that_is_not_watched_is_not_mentioned(pod: Pod) -> None:
    watched = pod.sidecar(f"5556,udp=5555,{QUICK}")
    unwatched = pod.sidecar(f"5557,udp=5555,queue=off,{QUICK}")
    with pod.udp(5555):
        until(lambda: pod.is_open(5556) and pod.is_open(5557), "green")
        send(pod, 1)
        watched.says(f"5556 green {UNREAD}")
        assert UNREAD not in unwatched.log()
