"""What the program costs a pod."""

from __future__ import annotations

import contextlib
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sidecar.build import SOURCE, make
from tests.sidecar.pod import Pod, until

pytestmark = [pytest.mark.sidecar, pytest.mark.shipped]

PT_INTERP = 3


def test_the_binary_is_static_stripped_and_at_most_32_kb(program: Path) -> None:
    binary = program.read_bytes()
    headers = int.from_bytes(binary[32:40], "little")
    size, count = (int.from_bytes(binary[at : at + 2], "little") for at in (54, 56))
    types = [int.from_bytes(binary[headers + i * size :][:4], "little") for i in range(count)]
    assert binary.startswith(b"\x7fELF")
    assert PT_INTERP not in types
    assert b".symtab" not in binary
    assert len(binary) <= 32 * 1024


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_build_is_reproducible(tmp_path: Path, machine: str) -> None:
    """Another directory gives the same bytes."""
    suffix = "" if machine == platform.machine() else f"-{machine}"
    program = make(f"build/udp-healthcheck{suffix}", f"machine={machine}")
    shutil.copytree(SOURCE, tmp_path / "sidecar", ignore=shutil.ignore_patterns("build"))
    shutil.copytree(SOURCE.parent / "webhook", tmp_path / "webhook")
    compiler = subprocess.run(
        [SOURCE / "find-compiler", machine], capture_output=True, text=True, check=True
    ).stdout.strip()
    command = ["make", "-C", str(tmp_path / "sidecar"), f"compiler={compiler}", f"machine={machine}"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert (tmp_path / "sidecar" / "build" / program.name).read_bytes() == program.read_bytes()


def test_memory_stays_within_64_kb_at_8_ports_and_there_is_one_thread(pod: Pod) -> None:
    ports = range(5550, 5558)
    sidecar = pod.sidecar(*map(str, ports))
    with contextlib.ExitStack() as held:
        for port in ports:
            held.enter_context(pod.udp(port))
        until(lambda: sidecar.log().count(" green ") == len(ports), "green")
        for _ in range(2500):
            for port in ports:
                pod.connect(port).close()
        assert sidecar.rss() <= 64
        assert sidecar.threads() == 1
        for i in range(100):
            held.enter_context(pod.connect(ports[i % len(ports)])).send(
                b"GET / HTTP/1.1\r\n\r\n" if i % 2 else b"GET"
            )
        assert sidecar.rss() <= 64
