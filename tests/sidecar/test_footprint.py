"""What the program costs a pod."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.sidecar.pod import Pod, until

pytestmark = pytest.mark.sidecar

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


def test_the_build_is_reproducible(program: Path, tmp_path: Path) -> None:
    """Another directory gives the same bytes."""
    source = program.parents[1]
    shutil.copytree(source, tmp_path / "sidecar", ignore=shutil.ignore_patterns("build"))
    shutil.copytree(source.parent / "webhook", tmp_path / "webhook")
    compiler = subprocess.run(
        [source / "find-compiler"], cwd=source, capture_output=True, text=True, check=True
    )
    command = ["make", "-C", str(tmp_path / "sidecar"), f"compiler={compiler.stdout.strip()}"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert (tmp_path / "sidecar" / "build" / program.name).read_bytes() == program.read_bytes()


def test_memory_stays_within_64_kb_at_8_ports_and_there_is_one_thread(pod: Pod) -> None:
    ports = range(5550, 5558)
    sidecar = pod.sidecar(*map(str, ports))
    applications = [pod.udp(port) for port in ports]
    until(lambda: sidecar.log().count(" green ") == len(ports), "green")
    for _ in range(2500):
        for port in ports:
            pod.connect(port).close()
    assert sidecar.rss() <= 64
    assert sidecar.threads() == 1
    for application in applications:
        application.close()
