"""The sidecar's binary, built once, and a pod's network for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sidecar.build import SOURCE, make
from tests.sidecar.pod import PROGRAM, Pod


@pytest.fixture(scope="session")
def program() -> Path:
    """The binary."""
    return make(str(PROGRAM.relative_to(SOURCE)))


@pytest.fixture
def pod(program: Path, tmp_path: Path) -> Iterator[Pod]:
    """A network namespace with lo up, an IPv4 and an IPv6 address."""
    with Pod(tmp_path) as running:
        yield running
