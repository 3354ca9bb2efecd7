"""The caBundles by which API servers trust us: read from both webhook configurations, patched where they differ."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from typing import Any

from kubernetes.client import AdmissionregistrationV1Api, ApiClient, Configuration

from certs.store import TIMEOUT, asking


class WebhookConfigurations:
    """The caBundles of one mutating and one validating webhook configuration."""

    def __init__(self, cluster: Configuration, mutating: str, validating: str) -> None:
        api: Any = AdmissionregistrationV1Api(ApiClient(cluster))
        self._doors = {
            mutating: (api.read_mutating_webhook_configuration, api.patch_mutating_webhook_configuration),
            validating: (
                api.read_validating_webhook_configuration,
                api.patch_validating_webhook_configuration,
            ),
        }
        self._found: dict[str, Any] = {}

    def read(self) -> Mapping[str, Collection[bytes]]:
        """Each configuration's different caBundles by its name. Raises Unreachable."""
        for name, (read, _) in self._doors.items():
            with asking(f"webhook configuration {name}"):
                self._found[name] = read(name, _request_timeout=TIMEOUT)
        return {
            name: {
                base64.b64decode(webhook.client_config.ca_bundle or "") for webhook in found.webhooks or ()
            }
            for name, found in self._found.items()
        }

    def write(self, name: str, pem: bytes) -> None:
        """Give all webhooks of a configuration this caBundle, unless somebody changed it since it was read.

        Raises Conflict, Unreachable.
        """
        found = self._found[name]
        encoded = base64.b64encode(pem).decode()
        version = {
            "op": "replace",
            "path": "/metadata/resourceVersion",
            "value": found.metadata.resource_version,
        }
        bundles = [
            {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": encoded}
            for index in range(len(found.webhooks or ()))
        ]
        with asking(f"caBundle of webhook configuration {name}"):
            self._doors[name][1](name, [version, *bundles], _request_timeout=TIMEOUT)
