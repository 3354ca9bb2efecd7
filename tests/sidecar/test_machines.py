"""The program for the other processor, run by an emulator."""

from __future__ import annotations

import platform
import signal
import subprocess
from pathlib import Path

import pytest

from tests.lab import debian
from tests.sidecar.build import make
from tests.sidecar.pod import QUICK, Pod, until
from webhook import __version__

pytestmark = pytest.mark.sidecar

OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}[platform.machine()]


@pytest.fixture(scope="session")
def emulated() -> list[str]:
    """The emulator and the program as the head of a command."""
    return [*debian.command(debian.EMULATOR), str(make(f"build/udp-healthcheck-{OTHER}", f"machine={OTHER}"))]


def test_the_other_binary_is_at_most_32_kb(emulated: list[str]) -> None:
    assert Path(emulated[-1]).stat().st_size <= 32 * 1024


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["--grammar", "1"], 0), (["--grammar", "2"], 1), (["--port", "x"], 64)],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_the_other_binary_runs(emulated: list[str], arguments: list[str], code: int) -> None:
    done = subprocess.run([*emulated, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    if arguments == ["--version"]:
        assert done.stdout == f"udp-healthcheck {__version__}\n"


def test_the_other_binary_follows_a_socket_answers_and_drains(pod: Pod, emulated: list[str]) -> None:
    sidecar = pod.spawn([*emulated, "--port", f"5555,{QUICK}"])
    sidecar.says("5555 red UDP 5555 is not bound")
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green")
        assert pod.request(5555).endswith("5555 green UDP 5555 is bound\n")
    until(lambda: not pod.is_open(5555), "red")
    with pod.udp(5555):
        until(lambda: pod.is_open(5555), "green again")
        assert pod.execute(*emulated, "--drain").code == 0
        assert not pod.is_open(5555)
    sidecar.signal(signal.SIGTERM)
    assert sidecar.wait() == 0
