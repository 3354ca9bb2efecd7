"""A pod's network for one test: a namespace with an IPv4 and an IPv6 address, sockets in it, and sidecars."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.sidecar.build import SOURCE

SHIPPED = SOURCE / "build" / "udp-healthcheck"
PROGRAM = Path(os.environ.get("UDP_HEALTHCHECK", SHIPPED)).resolve()
"""What the tests run: `make fuzz` names the build with sanitizers."""
IPV4, IPV6 = "10.4.0.5", "fd00:4::5"
ENVIRONMENT = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS")
"""What a pod's programs see of the test runner's variables: those lie in a program's memory and count as its own."""
QUICK = "interval=50ms,settle=50ms"  # the smallest that the program takes
PATIENCE_SECONDS = 5.0


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> float:
    """Wait for the condition and return how many seconds that took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.005)
    return time.monotonic() - begin


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


class Pod:
    """A network namespace and what runs in it. Raises OSError for what the kernel refuses there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._spawned = 0
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        script = [sys.executable, "-IS", str(Path(__file__).with_name("namespace.py")), str(theirs.fileno())]
        self._process = subprocess.Popen(
            script,
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
        )
        theirs.close()
        if self._requests.recv(16) != b"ready":
            assert self._process.stderr is not None
            raise RuntimeError(self._process.stderr.read().decode().strip())
        for address in (IPV4, IPV6):
            self.ask("add_address", address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._requests.close()
        self._process.wait(PATIENCE_SECONDS)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def _exchange(self, command: str, arguments: Sequence[object]) -> tuple[Any, list[int]]:
        self._requests.send(json.dumps([command, arguments]).encode())
        answer, descriptors, _, _ = socket.recv_fds(self._requests, 1 << 16, 1)
        told = json.loads(answer)
        if "error" in told:
            raise OSError(told["errno"], told["error"])
        return told["result"], descriptors

    def ask(self, command: str, *arguments: object) -> Any:
        """One of namespace.py's commands."""
        return self._exchange(command, arguments)[0]

    def _open(
        self, kind: str, bind: tuple[str, int] | None, family: int, options: Sequence[tuple[int, int, int]]
    ) -> socket.socket:
        _, descriptors = self._exchange("open_socket", [kind, family, bind, options])
        return socket.socket(fileno=descriptors[0])

    def udp(self, port: int, address: str = "0.0.0.0", *options: tuple[int, int, int]) -> socket.socket:
        """The application's UDP socket."""
        return self._open("udp", (address, port), family_of(address), options)

    def tcp(self, port: int, address: str = "0.0.0.0", *options: tuple[int, int, int]) -> socket.socket:
        """The application's TCP listener, without SO_REUSEADDR unless asked for."""
        return self._open("tcp", (address, port), family_of(address), options)

    def connect(self, port: int, address: str = IPV4) -> socket.socket:
        """What a load balancer does; ConnectionRefusedError while the port is red."""
        client = self._open("tcp", None, family_of(address), ())
        client.settimeout(PATIENCE_SECONDS)
        try:
            client.connect((address, port))
        except OSError:
            client.close()
            raise
        return client

    def is_open(self, port: int, address: str = IPV4) -> bool:
        """Does a TCP check see the port green?"""
        try:
            self.connect(port, address).close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: it closed during the handshake
            return False
        return True

    def request(self, port: int, text: str = "GET / HTTP/1.1\r\nHost: pod\r\n\r\n") -> str:
        """Everything that the port answers until it closes."""
        with self.connect(port) as client:
            client.sendall(text.encode())
            answer = b""
            while chunk := client.recv(4096):
                answer += chunk
        return answer.decode()

    def set_sysctl(self, name: str, value: object) -> None:
        self.ask("write", f"/proc/sys/{name.replace('.', '/')}", str(value))

    def run(self, *arguments: str) -> Outcome:
        """The program, to its end."""
        return self.execute(str(PROGRAM), *arguments)

    def execute(self, *command: str) -> Outcome:
        """Another program, to its end."""
        return Outcome(*self.ask("run", list(command)))

    def sidecar(
        self,
        *ports: str,
        log: Path | None = None,
        descriptors: int | None = None,
        denials: Sequence[str] = (),
    ) -> Process:
        """The program as a sidecar with these `--port` values, without capabilities."""
        command = [str(PROGRAM), *(word for port in ports for word in ("--port", port))]
        return self.spawn(command, log=log, descriptors=descriptors, denials=denials)

    def spawn(
        self,
        command: Sequence[str],
        log: Path | None = None,
        descriptors: int | None = None,
        denials: Sequence[str] = (),
    ) -> Process:
        """Another program of the pod, without capabilities too."""
        self._spawned += 1
        log = log or self._directory / f"process-{self._spawned}.log"
        return Process(self, self.ask("spawn", list(command), str(log), descriptors, list(denials)), log)


class Process:
    """A running program of the pod, most often a sidecar."""

    def __init__(self, pod: Pod, pid: int, log: Path) -> None:
        self._pod = pod
        self.pid = pid
        self._log = log

    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text()

    def says(self, line: str) -> None:
        """Wait for a line that begins so."""
        until(lambda: f"\n{line}" in f"\n{self.log()}", f"{line!r} in the log")

    def signal(self, number: signal.Signals) -> None:
        self._pod.ask("send_signal", self.pid, number)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code once it has ended."""
        return int(self._pod.ask("wait", self.pid, seconds))

    def kill(self) -> None:
        """End it, whatever it is."""
        self.signal(signal.SIGKILL)
        self.wait()

    def rss(self) -> int:
        """Resident memory in kB."""
        return self._number(f"/proc/{self.pid}/smaps_rollup", "Rss:")

    def threads(self) -> int:
        return self._number(f"/proc/{self.pid}/status", "Threads:")

    def waits(self) -> int:
        """How often it went to sleep."""
        return self._number(f"/proc/{self.pid}/status", "voluntary_ctxt_switches:")

    def cpu_nanoseconds(self) -> int:
        return int(self._pod.ask("read", f"/proc/{self.pid}/schedstat").split()[0])

    def _number(self, path: str, key: str) -> int:
        lines = self._pod.ask("read", path).splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key))
