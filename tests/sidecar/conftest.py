"""The sidecar's binary, built once, and a pod's network for each test."""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar.pod import PROGRAM, Pod

SOURCE = PROGRAM.parents[1]


@pytest.fixture(scope="session")
def program() -> Path:
    """The binary; parallel runs of one checkout build it one after the other."""
    with (Path(tempfile.gettempdir()) / f"udp-healthcheck-{os.getuid()}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(
            ["make", "--no-print-directory", "-C", str(SOURCE)], capture_output=True, text=True, check=False
        )
    assert made.returncode == 0, made.stdout + made.stderr
    return PROGRAM


@pytest.fixture
def pod(program: Path, tmp_path: Path) -> Iterator[Pod]:
    """A network namespace with lo up, an IPv4 and an IPv6 address."""
    with Pod(tmp_path) as running:
        yield running
