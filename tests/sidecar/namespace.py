"""What runs inside a network namespace on behalf of a test; started as a script by `pod.py`.

Requests are JSON datagrams on the inherited socket; sockets opened here travel back as descriptors and stay
in this namespace wherever they are used. Standard library only: the script starts in isolated mode.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 38, 22, 24
SECCOMP_MODE_FILTER, SECCOMP_ALLOW, SECCOMP_ERRNO = 2, 0x7FFF0000, 0x00050000
SIOCSIFADDR, SIOCSIFFLAGS, SIOCSIFNETMASK, SIOCGIFINDEX = 0x8916, 0x8914, 0x891C, 0x8933
IFF_UP = 1
LAST_CAPABILITY = 40

LIBC = ctypes.CDLL(None, use_errno=True)

# A denial is a system call, optionally one value of one argument, and the errno that it gets.
SYSTEM_CALLS: Mapping[str, Mapping[str, int]] = {
    "x86_64": {"socket": 41, "open": 2, "openat": 257},
    "aarch64": {"socket": 198, "openat": 56},
}
DENIALS: Mapping[str, Sequence[tuple[str, int | None, int, int]]] = {
    "ipv6": [("socket", 0, socket.AF_INET6, 97)],
    "netlink": [("socket", 0, socket.AF_NETLINK, 13)],
    "files": [("open", None, 0, 13), ("openat", None, 0, 13)],
}

CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def enter() -> None:
    """A network namespace of our own: as root, or in a user namespace where we are root."""
    user, group = os.getuid(), os.getgid()
    if LIBC.unshare(CLONE_NEWNET) == 0:
        return
    check(LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNET))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def interface(family: socket.AddressFamily, request: int, payload: bytes) -> None:
    with socket.socket(family, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, request, payload)


def raise_loopback() -> None:
    interface(socket.AF_INET, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def add_address(address: str) -> None:
    """Gives `lo` an address of global scope, as a pod's interface has one."""
    if ":" in address:
        packed = socket.inet_pton(socket.AF_INET6, address)
        interface(socket.AF_INET6, SIOCSIFADDR, packed + struct.pack("Ii", 128, socket.if_nametoindex("lo")))
        await_address(address)
        return
    name = f"lo:{address.rsplit('.', 1)[1]}".encode()
    packed = struct.pack("H2x4s8x", socket.AF_INET, socket.inet_aton(address))
    interface(socket.AF_INET, SIOCSIFADDR, struct.pack("16s16s", name, packed))


def await_address(address: str) -> None:
    """The kernel makes an IPv6 address ready in the background."""
    deadline = time.monotonic() + 5
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        while True:
            try:
                return probe.bind((address, 0))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.005)


def open_socket(kind: str, family: int, bind: Sequence[Any] | None, options: Sequence[Sequence[int]]) -> int:
    """A socket, bound when an address is given, and listening if it is a TCP socket and bound."""
    opened = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    for level, name, value in options:
        opened.setsockopt(level, name, value)
    if bind is not None:
        opened.bind(tuple(bind))
        if kind == "tcp":
            opened.listen()
    return opened.detach()


def write(path: str, text: str) -> None:
    Path(path).write_text(text)


def read(path: str) -> str:
    return Path(path).read_text()


def filter_program(denials: Sequence[str]) -> bytes:
    """Classic BPF: each denial is four instructions that fall through to the next when they do not match."""
    numbers = SYSTEM_CALLS[os.uname().machine]
    code = b""
    for name, argument, value, error in (row for denial in denials for row in DENIALS[denial]):
        if name not in numbers:
            continue
        verdict = struct.pack("HBBI", 0x06, 0, 0, SECCOMP_ERRNO | error)
        if argument is None:
            code += (
                struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 1, numbers[name]) + verdict
            )
            continue
        code += struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 3, numbers[name])
        code += struct.pack("HBBI", 0x20, 0, 0, 16 + 8 * argument) + struct.pack("HBBI", 0x15, 0, 1, value)
        code += verdict
    return code + struct.pack("HBBI", 0x06, 0, 0, SECCOMP_ALLOW)


def confine(descriptors: int | None, denials: Sequence[str]) -> None:
    """What a container's runtime does before it starts the program: no capability, perhaps less."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for capability in range(LAST_CAPABILITY + 1):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    if denials:
        code = filter_program(denials)
        buffer = ctypes.create_string_buffer(code, len(code))
        program = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
        check(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        check(LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0))


def spawn(command: Sequence[str], log: str, descriptors: int | None, denials: Sequence[str]) -> int:
    with Path(log).open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=lambda: confine(descriptors, denials),
        )
    CHILDREN[child.pid] = child
    return child.pid


def send_signal(pid: int, number: int) -> None:
    CHILDREN[pid].send_signal(number)


def wait(pid: int, seconds: float) -> int:
    return CHILDREN[pid].wait(seconds)


def run(command: Sequence[str]) -> tuple[int, str, str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.returncode, done.stdout, done.stderr


COMMANDS: Mapping[str, Callable[..., Any]] = {
    command.__name__: command
    for command in (add_address, open_socket, read, run, send_signal, spawn, wait, write)
}


def serve(requests: socket.socket) -> None:
    while request := requests.recv(1 << 16):
        name, arguments = json.loads(request)
        descriptors: list[int] = []
        try:
            result = COMMANDS[name](*arguments)
            if name == "open_socket":
                descriptors = [result]
            answer = {"result": result}
        except OSError as error:
            answer = {"errno": error.errno, "error": str(error)}
        socket.send_fds(requests, [json.dumps(answer).encode()], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
    for child in CHILDREN.values():
        child.kill()


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        try:
            enter()
        except OSError as error:
            sys.exit(f"no network namespace: {error.strerror}; run as root, or allow user namespaces")
        raise_loopback()
        inherited.send(b"ready")
        serve(inherited)
