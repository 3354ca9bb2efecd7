"""Replicas that sign for themselves, behind a real API server: nothing that happens to them is heard of."""

from __future__ import annotations

import base64
import signal
import socket
import ssl
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import settings

from certs.authority import CertificateAuthority
from tests.lab.control_plane import ControlPlane
from tests.lab.owners import LBC, add_owner
from tests.lab.process import wait_until
from tests.lab.replicas import NAMESPACE, SECRET, Installation
from tests.lab.stream import streaming
from tests.lab.webhook import Webhook
from tests.policy.pod.pods import container, pod

pytestmark = pytest.mark.cluster

LONG = settings.get_current_profile_name() == "long"
RATE = 30
"""Pods a second that the stream creates, in dry runs."""
LONG_SECONDS = 180.0
HEALED_SECONDS = 15.0
POD = pod(owned=False, containers=[container("5555/UDP")])
FAIL_CLOSED = ("--set=webhook.failurePolicy.mutate.pods=Fail",)


@pytest.fixture(scope="module")
def fresh() -> Iterator[ControlPlane]:
    """A control plane of its own: these webhooks are not those that other tests share."""
    with ControlPlane() as control_plane:
        add_owner(control_plane, LBC)
        yield control_plane


@pytest.fixture(scope="module")
def installation(fresh: ControlPlane) -> Iterator[Installation]:
    with Installation(fresh, 5, *FAIL_CLOSED) as running:
        yield running


@pytest.fixture(scope="module")
def games(fresh: ControlPlane, installation: Installation) -> str:
    return fresh.namespace("games", {"udplb/inject": "enabled"})


def test_five_replicas_that_start_at_once_from_nothing_agree_on_one_authority(
    installation: Installation,
) -> None:
    assert installation.bundles() == {installation.secret()["data"]["ca.crt"]}


def test_the_secret_goes_with_the_chart(installation: Installation) -> None:
    (owner,) = installation.secret()["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Service", "udplb")


def test_rolling_restarts_are_not_heard_of_and_neither_is_all_else_for_minutes(
    fresh: ControlPlane, installation: Installation, games: str
) -> None:
    """`make test-all` adds rotations of the authority and lost Secrets, for three minutes."""
    with streaming(fresh, games, POD) as stream:
        restart(installation.replicas[:3])
        while LONG and stream.seconds() < LONG_SECONDS:
            grow_old(fresh, installation)
            newest = base64.b64decode(installation.secret()["data"]["ca.crt"])
            for one in installation.replicas:
                wait_until(partial(serves_a_leaf_of, newest, one.port), "leaf of the successor", 90)
            restart(installation.replicas)
            before = installation.secret()["data"]
            fresh.request("DELETE", SECRET)
            wait_until(lambda: installation.secret().get("data") == before, "healed Secret", HEALED_SECONDS)
    print(stream)
    assert stream.wrong == []
    assert stream.created >= RATE * (stream.seconds() if LONG else 1)


@pytest.mark.parametrize("damage", ["deleted", "emptied", "mixed up"])
def test_a_damaged_secret_is_put_back_and_not_heard_of(
    fresh: ControlPlane, installation: Installation, games: str, damage: str
) -> None:
    before = installation.secret()["data"]
    other = base64.b64encode(CertificateAuthority.create(datetime.now(UTC)).cert_pem).decode()
    with streaming(fresh, games, POD) as stream:
        if damage == "deleted":
            fresh.request("DELETE", SECRET)
        else:
            fresh.request("PATCH", SECRET, {"data": {"ca.crt": other if damage == "mixed up" else ""}})
        wait_until(lambda: installation.secret().get("data") == before, "healed Secret", HEALED_SECONDS)
    assert stream.wrong == []


def test_an_emptied_bundle_is_filled_again(fresh: ControlPlane, installation: Installation) -> None:
    before = installation.bundles()
    path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/0-udplb"
    emptied = [{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]
    fresh.request("PATCH", path, emptied, "application/json-patch+json")
    wait_until(lambda: installation.bundles() == before, "filled caBundle", HEALED_SECONDS)


def test_an_authority_that_grows_old_is_followed_by_one_that_every_api_server_has_loaded(
    fresh: ControlPlane, installation: Installation, games: str
) -> None:
    """The successor signs after a minute; `make test-all` waits for that, above."""
    served = base64.b64decode(installation.secret()["data"]["ca.crt"])
    with streaming(fresh, games, POD) as stream:
        old = grow_old(fresh, installation)
        newest = base64.b64decode(installation.secret()["data"]["ca.crt"])
        assert published(installation, served)
        assert published(installation, old)
        assert published(installation, newest)
        assert all(serves_a_leaf_of(served, one.port) for one in installation.replicas)
    assert stream.wrong == []


def test_a_killed_replica_takes_at_most_the_calls_that_it_was_answering(
    fresh: ControlPlane, installation: Installation, games: str
) -> None:
    with streaming(fresh, games, POD) as stream:
        installation.replicas[0].signal(signal.SIGKILL)
        installation.replicas[0].stop()
        installation.replicas[0].start()
    assert len(stream.wrong) <= 4, stream.wrong
    assert "no sidecar" not in stream.wrong


def test_a_ready_replica_answers_while_the_api_server_is_gone_and_follows_it_when_it_is_back(
    fresh: ControlPlane, installation: Installation, games: str
) -> None:
    fresh.stop_api_server()
    assert all(one.ready() for one in installation.replicas)
    fresh.start_api_server()
    with streaming(fresh, games, POD) as stream:
        wait_until(lambda: stream.created >= RATE, "creations", HEALED_SECONDS)
    assert stream.wrong == []


def restart(replicas: Iterable[Webhook]) -> None:
    """One after the other, as a rollout does."""
    for replica in replicas:
        assert replica.stop() == 0
        replica.start()


def grow_old(control_plane: ControlPlane, installation: Installation) -> bytes:
    """Put an authority near its end into the Secret, and wait until a successor is published everywhere."""
    old = CertificateAuthority.create(datetime.now(UTC) - timedelta(days=300))
    pair = {"ca.crt": old.keypair.cert_pem, "ca.key": old.keypair.key_pem}
    data = {name: base64.b64encode(pem).decode() for name, pem in pair.items()}
    control_plane.request("PATCH", SECRET, {"data": data})

    def succeeded() -> bool:
        held = installation.secret()["data"]
        return held["ca.crt"] != data["ca.crt"] and published(installation, base64.b64decode(held["ca.crt"]))

    wait_until(succeeded, "published successor", HEALED_SECONDS)
    return old.cert_pem


def published(installation: Installation, authority_pem: bytes) -> bool:
    return all(authority_pem in base64.b64decode(bundle) for bundle in installation.bundles())


def serves_a_leaf_of(authority_pem: bytes, port: int) -> bool:
    client = ssl.create_default_context(cadata=authority_pem.decode())
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as plain:
            client.wrap_socket(plain, server_hostname=f"udplb.{NAMESPACE}.svc").close()
    except ssl.SSLError:
        return False
    return True
