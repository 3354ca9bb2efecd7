"""What tests of every folder share: the real control plane, started once when the first test asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab import programs
from tests.lab.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """kube-apiserver and etcd on loopback, with no webhook installed unless the test does."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # minutes of building must show
        for name in programs.PROGRAMS:
            programs.find(name)
    with ControlPlane() as running:
        yield running
