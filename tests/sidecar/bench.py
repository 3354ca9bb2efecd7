"""What the sidecar costs and how quick it is, each figure beside its bar: `make -C sidecar bench`."""

from __future__ import annotations

import contextlib
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.sidecar.pod import PROGRAM, Pod, Process, until

SOURCE = PROGRAM.parents[1]
CROWD = 10_000
CROWD_SCRIPT = """
import resource, signal, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
crowd = []
for port in range(20000, 20000 + int(sys.argv[1])):
    crowd.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    crowd[-1].bind(("0.0.0.0", port))
print("bound", flush=True)
signal.pause()
"""


class Report:
    """Prints each figure beside its bar and remembers whether all bars hold."""

    def __init__(self) -> None:
        self.holds = True

    def line(self, what: str, figure: str, bar: str = "", holds: bool = True) -> None:
        self.holds = self.holds and holds
        verdict = f"bar {bar}: {'holds' if holds else 'MISSED'}" if bar else ""
        print(f"{what:<58}{figure:>22}   {verdict}", flush=True)

    def at_most(self, what: str, figure: float, bar: float, unit: str) -> None:
        self.line(what, f"{figure:,.5g} {unit}", f"<= {bar:,g} {unit}", figure <= bar)

    def at_least(self, what: str, figure: float, bar: float, unit: str) -> None:
        self.line(what, f"{figure:,.0f} {unit}", f">= {bar:,g} {unit}", figure >= bar)


@contextlib.contextmanager
def pods() -> Iterator[Pod]:
    with tempfile.TemporaryDirectory() as directory, Pod(Path(directory)) as pod:
        yield pod


@contextlib.contextmanager
def applications(pod: Pod, ports: Sequence[int]) -> Iterator[Mapping[int, socket.socket]]:
    opened = {port: pod.udp(port) for port in ports}
    yield opened
    for application in opened.values():
        application.close()


def green(sidecar: Process, count: int) -> None:
    until(lambda: sidecar.log().count(" green ") >= count, "green", seconds=30)


def size(report: Report) -> None:
    machines = ("x86_64", "aarch64")
    for machine in machines:
        subprocess.run(
            ["make", "-s", "-C", SOURCE, f"machine={machine}"], check=True, stderr=subprocess.DEVNULL
        )
    here = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    for machine in machines:
        program = PROGRAM if machine == here else PROGRAM.with_name(f"{PROGRAM.name}-{machine}")
        report.at_most(f"binary, {machine}", program.stat().st_size, 32 * 1024, "bytes")


def memory(report: Report) -> None:
    ports = range(5550, 5558)
    with pods() as pod, applications(pod, ports):
        sidecar = pod.sidecar(*map(str, ports))
        green(sidecar, len(ports))
        report.at_most("Rss at 8 ports", sidecar.rss(), 64, "kB")
        refused = connect_often(pod, ports, 100_000)
        report.at_most("Rss at 8 ports after 100,000 connects", sidecar.rss(), 64, "kB")
        report.line("refusals among these connects", str(refused), "0", refused == 0)
        with contextlib.ExitStack() as held:
            for i in range(100):
                held.enter_context(pod.connect(ports[i % len(ports)])).send(b"GET /")
            report.at_most("Rss at 8 ports under 100 connects at once", sidecar.rss(), 64, "kB")
        report.line("threads", str(sidecar.threads()), "1", sidecar.threads() == 1)


def connect_often(pod: Pod, ports: Sequence[int], times: int) -> int:
    """Connects from within the pod's network; returns how many were refused."""
    script = """
import socket, sys
refused = 0
ports = list(map(int, sys.argv[2:]))
for i in range(int(sys.argv[1])):
    client = socket.socket()
    try:
        client.connect(("10.4.0.5", ports[i % len(ports)]))
    except OSError:
        refused += 1
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
    client.close()
print(refused)
"""
    return int(run_in(pod, script, str(times), *map(str, ports)))


def run_in(pod: Pod, script: str, *arguments: str) -> str:
    """A Python script in the pod's network, to its end."""
    process = pod.spawn([sys.executable, "-ISc", script, *arguments])
    assert process.wait(600) == 0, process.log()
    return process.log()


def cpu_share(sidecar: Process, seconds: float) -> float:
    """Per cent of a core over some time."""
    before, begin = sidecar.cpu_nanoseconds(), time.monotonic()
    time.sleep(seconds)
    return (sidecar.cpu_nanoseconds() - before) / (time.monotonic() - begin) / 1e7


def idle(report: Report) -> None:
    ports = range(5550, 5554)
    with pods() as pod, applications(pod, ports):
        sidecar = pod.sidecar(*map(str, ports))
        green(sidecar, len(ports))
        report.at_most("idle, 4 ports at 1 s", cpu_share(sidecar, 20), 0.05, "% of a core")
        crowd = pod.spawn([sys.executable, "-ISc", CROWD_SCRIPT, str(CROWD)])
        crowd.says("bound")
        report.at_most(
            f"idle, 4 ports at 1 s beside {CROWD:,} UDP sockets", cpu_share(sidecar, 20), 1, "% of a core"
        )


def flips(report: Report) -> None:
    """200 flips on 40 ports, watched by connecting."""
    interval, settle, rounds = 0.2, 0.5, 5
    ports = range(5500, 5540)
    reds: list[float] = []
    greens: list[float] = []
    with pods() as pod:
        sidecar = pod.sidecar(*(f"{port},interval=200ms" for port in ports))
        until(lambda: sidecar.log().count(" red ") == len(ports), "red")
        for _ in range(rounds):
            opened: dict[int, socket.socket] = {}
            greens += watched(ports, lambda port: opened.update({port: pod.udp(port)}), pod.is_open)
            reds += watched(ports, lambda port: opened[port].close(), lambda port: not pod.is_open(port))
    for what, figures, bar in (("red", reds, 1 + interval), ("green", greens, settle + 1 + interval)):
        report.at_most(
            f"UDP to {what} at interval 200 ms, p50 of {len(figures)}", statistics.median(figures), bar, "s"
        )
        report.at_most(f"UDP to {what} at interval 200 ms, max", max(figures), bar, "s")


def watched(ports: Sequence[int], flip: Callable[[int], None], seen: Callable[[int], bool]) -> list[float]:
    """Flips one port after another, 10 ms apart, and returns the seconds until each was seen."""
    pending: dict[int, float] = {}
    latencies: list[float] = []
    waiting = list(ports)
    next_flip = time.monotonic()
    while waiting or pending:
        if waiting and time.monotonic() >= next_flip:
            port = waiting.pop(0)
            flip(port)
            pending[port] = time.monotonic()
            next_flip = time.monotonic() + 0.01
        done = [port for port in pending if seen(port)]
        latencies += [time.monotonic() - pending.pop(port) for port in done]
    return latencies


def connects(report: Report) -> None:
    with pods() as pod, applications(pod, [5555]), contextlib.ExitStack() as slow:
        sidecar = pod.sidecar("5555")
        green(sidecar, 1)
        for _ in range(500):
            slow.enter_context(pod.connect(5555)).send(b"GET /")
        before = sidecar.cpu_nanoseconds()
        refused = connect_often(pod, [5555], 50_000)
        seconds = (sidecar.cpu_nanoseconds() - before) / 1e9
        report.at_least("connects a CPU second beside 500 slow clients", 50_000 / seconds, 10_000, "/s")
        report.line("refusals among them", str(refused), "0", refused == 0)


def drain(report: Report) -> None:
    ports = range(5500, 5564)
    took: list[float] = []
    with pods() as pod, applications(pod, ports):
        for _ in range(10):
            sidecar = pod.sidecar(*(f"{port},interval=50ms,settle=50ms" for port in ports))
            green(sidecar, len(ports))
            begin = time.monotonic()
            code = pod.run("--drain").code
            took.append(time.monotonic() - begin)
            assert code == 0
            sidecar.kill()
    report.at_most("--drain until 64 ports refuse, p50 of 10", 1000 * statistics.median(took), 200, "ms")
    report.at_most("--drain until 64 ports refuse, max", 1000 * max(took), 200, "ms")


def start(report: Report) -> None:
    took: list[float] = []
    with pods() as pod:
        for _ in range(30):
            begin = time.monotonic()
            sidecar = pod.sidecar("5555")
            while not sidecar.log():
                time.sleep(0.0005)
            took.append(time.monotonic() - begin)
            sidecar.kill()
    report.line("start to first decision, p50 of 30", f"{1000 * statistics.median(took):.1f} ms")
    report.line("start to first decision, max", f"{1000 * max(took):.1f} ms")


def main() -> int:
    """Every figure; 1 if a bar is missed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = Report()
    for measure in (size, memory, idle, flips, connects, drain, start):
        measure(report)
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
