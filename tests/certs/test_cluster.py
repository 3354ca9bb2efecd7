"""The two doors to the API server, on a real one: the Secret and the caBundles, with their optimistic locks."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kubernetes import config
from kubernetes.client import Configuration

from certs.authority import CertificateAuthority
from certs.bundles import WebhookConfigurations
from certs.rotation import Authorities, Conflict, Stored, Unreachable
from certs.store import Secret
from tests.lab.control_plane import ControlPlane, free_port

pytestmark = pytest.mark.cluster

NUMBERS = itertools.count(1)
FIRST, SECOND = (CertificateAuthority.create(datetime.now(UTC)) for _ in range(2))


def configured(kubeconfig: Path) -> Configuration:
    found = Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=found)  # type: ignore[no-untyped-call]
    return found


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    name = control_plane.namespace(f"certs-{next(NUMBERS)}")
    service = {"metadata": {"name": "udplb"}, "spec": {"ports": [{"port": 443}]}}
    assert control_plane.request("POST", f"/api/v1/namespaces/{name}/services", service).status == 201
    return name


@pytest.fixture
def secret(control_plane: ControlPlane, namespace: str) -> Secret:
    return Secret(configured(control_plane.kubeconfig), namespace, "udplb-ca", "udplb")


def test_a_secret_that_is_not_there_reads_as_nothing(secret: Secret) -> None:
    assert secret.read() == Stored(None, "")


@pytest.mark.parametrize("authorities", [Authorities(FIRST), Authorities(FIRST, SECOND)], ids=["one", "two"])
def test_what_was_written_is_read(secret: Secret, authorities: Authorities) -> None:
    secret.write(authorities, "")
    assert secret.read().authorities == authorities


def test_an_authority_that_has_expired_leaves_the_secret(secret: Secret) -> None:
    secret.write(Authorities(FIRST, SECOND), "")
    secret.write(Authorities(FIRST), secret.read().version)
    assert secret.read().authorities == Authorities(FIRST)


def test_of_two_that_create_the_secret_one_is_told(secret: Secret) -> None:
    secret.write(Authorities(FIRST), "")
    with pytest.raises(Conflict):
        secret.write(Authorities(SECOND), "")
    assert secret.read().authorities == Authorities(FIRST)


def test_a_version_that_another_replaced_is_not_overwritten(secret: Secret) -> None:
    secret.write(Authorities(FIRST), "")
    version = secret.read().version
    secret.write(Authorities(SECOND), version)
    with pytest.raises(Conflict):
        secret.write(Authorities(FIRST), version)


@pytest.mark.parametrize(
    "data",
    [
        {"ca.crt": ""},
        {"ca.key": None},
        {"ca.crt": "bm8gUEVN"},
        {"ca.crt": base64.b64encode(SECOND.cert_pem).decode()},
    ],
    ids=["emptied", "without a key", "no PEM", "another's key"],
)
def test_a_secret_that_somebody_damaged_is_as_good_as_gone_and_can_be_replaced(
    control_plane: ControlPlane, namespace: str, secret: Secret, data: dict[str, str | None]
) -> None:
    secret.write(Authorities(FIRST), "")
    control_plane.request("PATCH", f"/api/v1/namespaces/{namespace}/secrets/udplb-ca", {"data": data})
    found = secret.read()
    assert found.authorities is None
    secret.write(Authorities(FIRST), found.version)
    assert secret.read().authorities == Authorities(FIRST)


def test_an_api_server_that_is_gone_is_named(control_plane: ControlPlane, namespace: str) -> None:
    gone = configured(control_plane.kubeconfig)
    gone.host = f"https://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"Secret {namespace}/udplb-ca: no answer from the API server"):
        Secret(gone, namespace, "udplb-ca", "udplb").read()


def test_a_right_that_is_missing_is_named(control_plane: ControlPlane, namespace: str) -> None:
    nobody = configured(control_plane.kubeconfig_for("nobody"))
    with pytest.raises(Unreachable, match=f"Secret {namespace}/udplb-ca: the API server says 403 Forbidden"):
        Secret(nobody, namespace, "udplb-ca", "udplb").read()


@pytest.fixture
def names(control_plane: ControlPlane) -> Iterator[tuple[str, str]]:
    """A mutating and a validating webhook configuration that match nothing."""
    number = next(NUMBERS)
    names = (f"certs-mutating-{number}", f"certs-validating-{number}")
    hook = {
        "name": "a.certs.udplb",
        "clientConfig": {"service": {"namespace": "default", "name": "udplb"}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "rules": [
            {
                "apiGroups": ["udplb.test"],
                "apiVersions": ["v1"],
                "operations": ["CREATE"],
                "resources": ["none"],
            }
        ],
    }
    path = "/apis/admissionregistration.k8s.io/v1/{}webhookconfigurations"
    for name, kind in zip(names, ("mutating", "validating"), strict=True):
        body = {"metadata": {"name": name}, "webhooks": [hook, {**hook, "name": "b.certs.udplb"}]}
        assert control_plane.request("POST", path.format(kind), body).status == 201
    yield names
    for name, kind in zip(names, ("mutating", "validating"), strict=True):
        control_plane.request("DELETE", f"{path.format(kind)}/{name}")


def test_every_webhook_of_a_configuration_gets_the_bundle(
    control_plane: ControlPlane, names: tuple[str, str]
) -> None:
    configurations = WebhookConfigurations(configured(control_plane.kubeconfig), *names)
    assert configurations.read() == {name: {b""} for name in names}
    for name in names:
        configurations.write(name, FIRST.cert_pem)
    assert configurations.read() == {name: {FIRST.cert_pem} for name in names}


def test_a_configuration_that_another_changed_is_not_overwritten(
    control_plane: ControlPlane, names: tuple[str, str]
) -> None:
    ours, another = (WebhookConfigurations(configured(control_plane.kubeconfig), *names) for _ in range(2))
    ours.read()
    another.read()
    another.write(names[0], SECOND.cert_pem)
    with pytest.raises(Conflict):
        ours.write(names[0], FIRST.cert_pem)


def test_a_configuration_that_is_not_there_is_named(control_plane: ControlPlane) -> None:
    configurations = WebhookConfigurations(configured(control_plane.kubeconfig), "0-nothing", "nothing")
    with pytest.raises(
        Unreachable, match="webhook configuration 0-nothing: the API server says 404 Not Found"
    ):
        configurations.read()
