"""What tests of every folder share: one real control plane a session, started when a test first asks for it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest
from hypothesis import settings

from tests.lab import programs
from tests.lab.control_plane import ControlPlane
from tests.lab.owners import LBC, add_owner
from tests.lab.webhook import OPTED_IN, Namespaces, Webhook, install, wait_until_audited

NUMBERS = itertools.count(1)

# An example's time says how busy the machine is, nothing else; `make test-all` asks for the long run.
settings.register_profile("short", deadline=None)
settings.register_profile("long", deadline=None, max_examples=10_000)
settings.load_profile("short")


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """kube-apiserver and etcd on loopback; udplb acts in opted-in namespaces once a test asked for `cluster`."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # minutes of building must show
        for name in programs.CONTROL_PLANE:
            programs.find(name)
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def webhook(control_plane: ControlPlane) -> Iterator[Webhook]:
    """`udplb serve` beside the control plane, which calls it by the chart's webhook objects; LBC owns."""
    add_owner(control_plane, LBC)
    with Webhook(control_plane.kubeconfig) as running:
        install(control_plane, running)
        yield running


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane, webhook: Webhook) -> ControlPlane:
    """The control plane with udplb installed."""
    return control_plane


@pytest.fixture
def namespace(cluster: ControlPlane) -> Namespaces:
    """Makes a fresh namespace, opted in unless other labels are given, and returns its name."""

    def make(labels: Mapping[str, str] = OPTED_IN) -> str:
        name = cluster.namespace(f"test-{next(NUMBERS)}", labels)
        if labels.get("udplb/inject") == "audit":
            wait_until_audited(cluster, name)
        return name

    return make
