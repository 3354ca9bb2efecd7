"""The Secret that holds the authority: any replica creates it, none overwrites another's."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kubernetes.client import ApiClient, ApiException, Configuration, CoreV1Api
from urllib3.exceptions import HTTPError

from certs.authority import CertificateAuthority
from certs.keypair import KeyPair
from certs.rotation import Authorities, Conflict, Stored, Unreachable

TIMEOUT = (3.0, 5.0)
"""Seconds to connect and to read."""
NOT_FOUND, CONFLICT = 404, 409


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Name what was asked for where the API server cannot be reached or refuses."""
    try:
        yield
    except ApiException as refused:
        if refused.status == CONFLICT:
            raise Conflict(what) from refused
        raise Unreachable(f"{what}: the API server says {refused.status} {refused.reason}") from refused
    except HTTPError as failed:
        raise Unreachable(f"{what}: no answer from the API server: {type(failed).__name__}") from failed


class Secret:
    """A Secret in our namespace, owned by our Service, so that an uninstall takes it along."""

    def __init__(self, cluster: Configuration, namespace: str, name: str, service: str) -> None:
        self._api: Any = CoreV1Api(ApiClient(cluster))  # its models are not ours: plain JSON goes in
        self._namespace, self._name, self._service = namespace, name, service
        self._what = f"Secret {namespace}/{name}"

    def read(self) -> Stored:
        """What it holds. Raises Unreachable."""
        try:
            with asking(self._what):
                found = self._api.read_namespaced_secret(
                    self._name, self._namespace, _request_timeout=TIMEOUT
                )
        except Unreachable as failed:
            if isinstance(failed.__cause__, ApiException) and failed.__cause__.status == NOT_FOUND:
                return Stored(None, "")
            raise
        return Stored(_parsed(found.data or {}), found.metadata.resource_version)

    def write(self, authorities: Authorities, version: str) -> None:
        """Create it, or replace that version. Raises Conflict, Unreachable."""
        metadata: dict[str, Any] = {"name": self._name, "labels": {"app.kubernetes.io/name": "udplb"}}
        data = _written(authorities)
        body = {"metadata": metadata, "type": "Opaque", "data": data}
        with asking(self._what):
            if version:
                metadata["resourceVersion"] = version
                self._api.patch_namespaced_secret(
                    self._name,
                    self._namespace,
                    {**body, "data": _GONE | data},
                    _request_timeout=TIMEOUT,
                )
                return
            service = self._api.read_namespaced_service(
                self._service, self._namespace, _request_timeout=TIMEOUT
            )
            owner = {
                "apiVersion": "v1",
                "kind": "Service",
                "name": self._service,
                "uid": service.metadata.uid,
            }
            metadata["ownerReferences"] = [owner]
            self._api.create_namespaced_secret(self._namespace, body, _request_timeout=TIMEOUT)


CURRENT, PREVIOUS = "ca", "previous"
_GONE: dict[str, str | None] = {f"{PREVIOUS}.crt": None, f"{PREVIOUS}.key": None}


def _written(authorities: Authorities) -> dict[str, str]:
    pairs = {CURRENT: authorities.current, PREVIOUS: authorities.previous}
    data: dict[str, str] = {}
    for name, authority in pairs.items():
        if authority is not None:
            data[f"{name}.crt"] = base64.b64encode(authority.keypair.cert_pem).decode()
            data[f"{name}.key"] = base64.b64encode(authority.keypair.key_pem).decode()
    return data


def _parsed(data: Mapping[str, str]) -> Authorities | None:
    """None for a Secret that somebody emptied or mixed up: it is as good as gone."""
    current = _authority(data, CURRENT)
    return Authorities(current, _authority(data, PREVIOUS)) if current is not None else None


def _authority(data: Mapping[str, str], name: str) -> CertificateAuthority | None:
    try:
        pair = KeyPair(base64.b64decode(data[f"{name}.crt"]), base64.b64decode(data[f"{name}.key"]))
        return CertificateAuthority.load(pair)
    except (KeyError, ValueError):
        return None
