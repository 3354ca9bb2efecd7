"""The TCP side: when it is opened, what it answers, and that it never stands in the application's way."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar.pod import IPV4, IPV6, QUICK, Pod, until

pytestmark = pytest.mark.sidecar

SO_ATTACH_FILTER = 26
BODY = "5555 green UDP 5555 is bound\n"


@pytest.fixture
def application(pod: Pod) -> Iterator[socket.socket]:
    """An application's socket on UDP 5555."""
    with pod.udp(5555) as opened:
        yield opened


@pytest.fixture
def green(pod: Pod, application: socket.socket) -> Pod:
    """A pod whose port 5555 is green while the application is open."""
    pod.sidecar(f"5555,{QUICK}")
    until(lambda: pod.is_open(5555), "green")
    return pod


@pytest.mark.parametrize("address", [IPV4, IPV6, "127.0.0.1", "::1"])
def test_one_socket_serves_both_families(green: Pod, address: str) -> None:
    assert green.is_open(5555, address)


def test_a_pod_with_ipv6_disabled_works(pod: Pod) -> None:
    pod.set_sysctl("net.ipv6.conf.all.disable_ipv6", 1)
    sidecar = pod.sidecar(f"5555,{QUICK}")
    sidecar.says("5555 red")
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")


def test_a_kernel_without_ipv6_works(pod: Pod) -> None:
    pod.sidecar(f"5555,{QUICK}", denials=["ipv6"])
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")


@pytest.mark.parametrize(
    "request_line", ["GET / HTTP/1.1", "GET /health?x=1 HTTP/1.0", "POST /any/path HTTP/1.1"]
)
def test_any_request_gets_200_and_one_line_of_state(green: Pod, request_line: str) -> None:
    answer = green.request(5555, f"{request_line}\r\nHost: pod\r\n\r\n")
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.endswith(f"\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}")


def test_a_real_http_client_is_content(green: Pod) -> None:
    connection = http.client.HTTPConnection(IPV4, 5555)
    connection.sock = green.connect(5555)
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    assert (response.status, response.read().decode()) == (200, BODY)
    connection.close()


def test_head_has_no_body(green: Pod) -> None:
    answer = green.request(5555, "HEAD / HTTP/1.1\r\n\r\n")
    assert f"Content-Length: {len(BODY)}\r\n" in answer
    assert answer.endswith("\r\n\r\n")


def test_a_request_may_come_in_fragments(green: Pod) -> None:
    with green.connect(5555) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n":
            client.send(bytes([byte]))
            time.sleep(0.002)  # so that each travels alone
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_large_request_is_answered(green: Pod) -> None:
    assert "200 OK" in green.request(5555, f"GET / HTTP/1.1\r\nCookie: {'x' * 100_000}\r\n\r\n")


def test_one_response_a_connection(green: Pod) -> None:
    assert green.request(5555, "GET / HTTP/1.1\r\n\r\n" * 3).count("200 OK") == 1


def test_a_client_that_only_connects_is_closed_quietly(green: Pod) -> None:
    with green.connect(5555) as client:
        client.settimeout(10)
        assert client.recv(1) == b""


def test_a_client_that_shuts_down_first_is_answered(green: Pod) -> None:
    with green.connect(5555) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_slow_clients_do_not_keep_others_out(green: Pod) -> None:
    with contextlib.ExitStack() as slow:
        for _ in range(500):
            slow.enter_context(green.connect(5555)).send(b"GET /")
        for _ in range(500):
            with green.connect(5555) as client:
                client.send(b"GET / HTTP/1.1\r\n\r\n")
                assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_accepted_connections_are_closed_when_the_port_turns_red(
    green: Pod, application: socket.socket
) -> None:
    with green.connect(5555) as raw, green.connect(5555) as slow:
        slow.send(b"GET / HT")
        application.close()
        for client in (raw, slow):
            with pytest.raises(ConnectionResetError):
                client.recv(1)


def test_nothing_is_left_that_blocks_the_application(green: Pod, application: socket.socket) -> None:
    """The application binds without SO_REUSEADDR, so that a single TIME_WAIT would refuse it."""
    green.request(5555)
    green.request(5555, "GET / HTTP/1.0\r\n\r\n")
    green.connect(5555).close()
    with green.connect(5555) as answered, green.connect(5555) as raw, green.connect(5555) as reading:
        answered.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert answered.recv(4096)
        reading.send(b"GET /")
        application.close()
        until(lambda: not green.is_open(5555), "red")
        green.tcp(5555).close()
        raw.close()
    green.tcp(5555).close()


def test_a_client_that_vanishes_while_it_closes_does_not_block_the_application(
    green: Pod, application: socket.socket
) -> None:
    """Its end of the connection takes no packet any more, not even the acknowledgement of its FIN."""
    drop_all = struct.pack("HBBI", 0x06, 0, 0, 0)
    code = ctypes.create_string_buffer(drop_all, len(drop_all))
    with green.connect(5555) as client:
        client.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HxxxxxxQ", 1, ctypes.addressof(code))
        )
        client.shutdown(socket.SHUT_WR)
        application.close()
        until(lambda: not green.is_open(5555), "red")

        def application_can_bind() -> bool:
            with contextlib.suppress(OSError):
                green.tcp(5555).close()
                return True
            return False

        until(application_can_bind, "the port free")


def test_the_sidecar_steps_aside_where_the_application_owns_the_tcp_port(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555), pod.tcp(5555) as listener:
        sidecar.says(
            "5555 red UDP 5555 is bound, but another program has TCP 5555: stepping aside, watching on"
        )
        with pod.connect(5555) as client:
            accepted, _ = listener.accept()
            accepted.sendall(b"the application")
            assert client.recv(100) == b"the application"
            accepted.close()
        assert pod.run("--once", "--port", "5555").out == BODY
    assert sidecar.log().count("stepping aside") == 1


@pytest.mark.parametrize("address", ["::", "127.0.0.1", IPV4, IPV6])
def test_the_application_owns_the_tcp_port_on_any_address(pod: Pod, address: str) -> None:
    with pod.udp(5555), pod.tcp(5555, address):
        pod.sidecar(f"5555,{QUICK}").says("5555 red UDP 5555 is bound, but another program has TCP 5555")


def test_the_sidecar_opens_when_the_application_gives_the_tcp_port_up(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}")
    with pod.udp(5555):
        with pod.tcp(5555):
            sidecar.says("5555 red UDP 5555 is bound, but another program has TCP 5555")
        until(lambda: "5555 green" in sidecar.log(), "green")


def test_a_tcp_port_taken_without_sock_diag_is_survived(pod: Pod) -> None:
    sidecar = pod.sidecar(f"5555,{QUICK}", denials=["netlink"])
    with pod.udp(5555), pod.tcp(5555):
        sidecar.says("5555 red UDP 5555 is bound, but another program has TCP 5555")
    assert sidecar.log().count("another program") == 1


def test_an_application_that_opens_tcp_a_moment_after_udp_always_gets_it(pod: Pod) -> None:
    """100 starts with a gap of 50 ms, at the default settle time and spread over the sampling interval."""
    ports = range(5500, 5550)
    sidecar = pod.sidecar(*(f"{port},interval=50ms" for port in ports))
    for starts in (50, 100):
        with contextlib.ExitStack() as application:
            for port in ports:
                application.enter_context(pod.udp(port))
            time.sleep(0.05)  # the gap
            for port in ports:
                application.enter_context(pod.tcp(port))
            until(lambda: sidecar.log().count("stepping aside") == starts, "all aside")
        until(
            lambda: all("is not bound" in line for line in sidecar.log().splitlines()[-len(ports) :]), "red"
        )
    assert " green " not in sidecar.log()


def test_a_low_port_that_is_forbidden_is_said_once_and_opened_when_allowed(pod: Pod) -> None:
    pod.set_sysctl("net.ipv4.ip_unprivileged_port_start", 1024)
    sidecar = pod.sidecar(f"53,{QUICK}")
    with pod.udp(53):
        sidecar.says(
            "53 red UDP 53 is bound, but TCP 53 is forbidden; set sysctl net.ipv4.ip_unprivileged_port_start"
        )
        pod.set_sysctl("net.ipv4.ip_unprivileged_port_start", 53)
        until(lambda: pod.is_open(53), "green")
    assert sidecar.log().count("forbidden") == 1


def test_without_descriptors_accept_backs_off_and_ports_keep_their_colour(pod: Pod) -> None:
    ports = (5555, 5556, 5557)
    sidecar = pod.sidecar(*(f"{port},{QUICK}" for port in ports), descriptors=24)
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(pod.udp(port))
        until(lambda: sidecar.log().count(" green ") == len(ports), "green")
        before = sidecar.cpu_nanoseconds()
        for _ in range(60):
            stack.enter_context(pod.connect(5555))
        assert "200 OK" in pod.request(5556)
        assert all(pod.is_open(port) for port in ports)
        assert sidecar.cpu_nanoseconds() - before < 200_000_000
        assert sidecar.log().count(" green ") == len(ports)


def test_a_log_that_nobody_reads_does_not_stop_the_sidecar(
    pod: Pod, application: socket.socket, tmp_path: Path
) -> None:
    log = tmp_path / "full"
    os.mkfifo(log)
    pipe = os.open(log, os.O_RDWR | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while os.write(pipe, b"x" * 4096):
            pass
    pod.sidecar(f"5555,{QUICK}", log=log)
    until(lambda: pod.is_open(5555), "green")
    application.close()
    until(lambda: not pod.is_open(5555), "red")
    os.close(pipe)
