"""A cluster with one real node, udplb installed on it by helm from the images of the Dockerfile."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

import webhook
from tests.e2e.cluster import Cluster
from tests.lab import programs
from tests.lab.node import images
from tests.lab.node.namespaces import NodeNamespaces, left_behind
from tests.lab.node.node import Node, control_plane_for, missing
from tests.lab.owners import LBC, add_owner
from tests.lab.webhook import Namespaces

REGISTRY = "localhost"
NUMBERS = itertools.count(1)
OPTED_IN = {"udplb/inject": "enabled", "pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="session")
def archives(request: pytest.FixtureRequest) -> Iterator[list[Path]]:
    """The images as archives: the project's two and the tests' UDP server. One run a machine."""
    if lacking := missing():
        pytest.exit(lacking, returncode=2)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as held:
        with capture.global_and_fixture_disabled():  # minutes of waiting and building must show
            held.enter_context(programs.one_at_a_time("node", programs.say_on_stderr))
            for name in (*programs.CONTROL_PLANE, *programs.NODE):
                programs.find(name)
            print("building the images", flush=True)
            built = [
                images.echo(),
                *(images.project(t, f"{REGISTRY}/{name}:{webhook.__version__}") for t, name in IMAGES),
            ]
        yield built


IMAGES = (("webhook", "udplb"), ("sidecar", "udp-healthcheck"))


@pytest.fixture(scope="session")
def node(archives: list[Path]) -> Iterator[Cluster]:
    """The cluster without udplb."""
    with (
        NodeNamespaces() as namespaces,
        control_plane_for(namespaces) as control_plane,
        Node(namespaces, control_plane) as node,
    ):
        for archive in archives:
            node.load(archive)
        add_owner(control_plane, LBC)
        yield Cluster(control_plane, node)
    assert left_behind(namespaces) == []


@pytest.fixture(scope="session")
def cluster(node: Cluster) -> Cluster:
    """The cluster with udplb installed."""
    node.helm("install", "--create-namespace", "--wait", f"--set=image.registry={REGISTRY}")
    return node


@pytest.fixture
def namespace(cluster: Cluster) -> Namespaces:
    """Makes a fresh namespace, opted in and `restricted` unless other labels are given."""

    def make(labels: Mapping[str, str] = OPTED_IN) -> str:
        return cluster.control_plane.namespace(f"e2e-{next(NUMBERS)}", labels)

    return make
